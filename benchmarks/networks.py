"""Each network on this machine's processor against the same graph run plainly: eager PyTorch, float32, no folding.

Plainly means as the original runs it: batch normalisation by itself, kernels in torch's own layout. Weights are drawn
at random, in the official sizes.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ml4a import networks
from ml4a.ops import winograd

from .race import matrix_product, race

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the official keys and shapes

SIZES: dict[str, tuple[int, ...]] = {
    "basnet": (1, 3, 256, 256),
    "photosketch": (1, 3, 256, 256),
    "cartoonization": (1, 3, 480, 720),
    "semantic_segmentation": (1, 3, 304, 456),
    "face_parsing": (1, 3, 512, 512),
    "flownet": (1, 6, 320, 448),
    "spade": (1, 184, 256, 256),
}
"""What each network is given."""
WEIGHTS = {"spade": "coco"}
"""Where these are not the card's first."""


def main() -> None:
    best = matrix_product(torch.float32)
    for name, size in SIZES.items():
        state = _state(name)
        x = _label_map(size) if name == "spade" else torch.rand(size)
        ours = networks.from_state_dict(name, state)
        fast = networks.from_state_dict(name, state)
        winograd.quicken(fast)
        with plainly():
            plain = networks.from_state_dict(name, state)
            plain.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        contenders = {
            "ml4a, auto (fast_float32)": _inference(fast, x),
            "ml4a, float32": _inference(ours, x),
            "the same graph, eager, float32": plainly()(_inference(plain, x)),
        }
        seconds = race(f"{name}, {'×'.join(map(str, size[1:]))}", contenders, rounds=3)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            ours(x)
        total = counter.get_total_flops()
        print(f"  {total / 1e9:.0f} GFLOP")
        for form in ("ml4a, auto (fast_float32)", "ml4a, float32"):
            speed = total / seconds[form]
            print(f"  {form}: {speed / 1e9:.0f} GFLOP/s, {speed / best:.0%} of the best matrix product")


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Build and run networks without what makes them fast."""
    with contextlib.ExitStack() as stack:
        for module in ("basnet", "semantic_segmentation", "bisenet", "flownet"):
            stack.enter_context(mock.patch(f"ml4a.networks.{module}.folded", lambda network: network))
        stack.enter_context(mock.patch("ml4a.networks.spade.SemanticMap.of", return_value=None))
        yield


def _state(name: str) -> dict[str, Any]:
    import checkpoints  # pyright: ignore[reportMissingImports]
    import deterministic  # pyright: ignore[reportMissingImports]

    module = checkpoints.of(name)
    drawn = getattr(module, "state_dict", deterministic.state_dict)
    sets = module.OFFICIAL
    roles = sets[WEIGHTS.get(name) or next(iter(sets))]
    files = {role: shapes for role, shapes in roles.items() if role not in ("index", "options", "classes")}
    return {
        f"{role}.{key}" if len(files) > 1 else key: array
        for role, shapes in files.items()
        for key, array in drawn(shapes).items()
    }


def _label_map(size: tuple[int, ...]) -> torch.Tensor:
    """One-hot, of 20 areas of one label each."""
    coarse = torch.randint(0, size[1] - 2, (size[0], 1, 4, 5))
    labels = nn.functional.interpolate(coarse.float(), size[2:]).long()
    return torch.zeros(size).scatter_(1, labels, 1)


def _inference(network: nn.Module, x: torch.Tensor) -> Callable[[], Any]:
    def run() -> Any:
        with torch.inference_mode():
            return network(x)

    return run
