"""Timing contenders against each other, in turns, so that a slow moment of the machine slows them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

PAUSE = 0.3
"""Seconds between contenders."""


def race(title: str, contenders: Mapping[str, Callable[[], Any]], *, rounds: int = 5) -> dict[str, float]:
    """Run the contenders in turns, each call after one that is not measured; print and return each one's best seconds.

    The first contender is ours; ratios say how many times as fast as each other it is.
    """
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, contender in contenders.items():
            # The threads of the one before still spin: waiting, and a call unmeasured, give this one the cores.
            time.sleep(PAUSE)
            contender()
            started = time.perf_counter()
            contender()
            best[name] = min(best[name], time.perf_counter() - started)
    ours, *others = best
    print(f"\n{title}")
    print(f"  {ours:<44} {best[ours] * 1000:9.1f} ms")
    for other in others:
        print(f"  {other:<44} {best[other] * 1000:9.1f} ms   ours is {best[other] / best[ours]:.2f}x as fast")
    return best


def matrix_product(dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of a few large matrix products: what the machine can do at best."""
    best = 0.0
    for size in (1024, 2048, 4096):
        a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
        for _ in range(3):
            started = time.perf_counter()
            torch.mm(a, b)
            best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best
