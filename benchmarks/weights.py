"""Weights: opening a file of 1 GB in every way there is, making its copy, and hashing it.

A file of random numbers is written to a temporary home of its own; 4 GB of disk are needed for a minute.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from .race import race

TENSORS, ELEMENTS = 256, 1 << 20
_BLOCK = 8 << 20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ML4A_HOME"] = folder
        from ml4a.weights import cache, converted, formats, stamp

        whole = np.random.default_rng(0).standard_normal((TENSORS, ELEMENTS), np.float32)
        state = {f"layer{number}.weight": torch.from_numpy(row) for number, row in enumerate(whole)}
        torch.save(state, Path(folder) / "net.pth")
        other = Path(folder) / "net.safetensors"
        safetensors.torch.save_file(state, other)
        sha256 = cache.sha256_of(Path(folder) / "net.pth")
        path = cache.root() / sha256 / "net.pth"
        path.parent.mkdir(parents=True)
        (Path(folder) / "net.pth").rename(path)
        stamp.write(path)
        size = path.stat().st_size
        started = time.perf_counter()
        converted.read(path)
        print(
            f"\nWeights of {size / 1e9:.2f} GB\n  read for the first time, with its copy written: {_seconds(started)} s"
        )
        race(
            "Opened again, no tensor looked at",
            {
                "ml4a, the copy": lambda: converted.read(path),
                "ml4a, the file itself": lambda: formats.read(path),
                "safetensors.safe_open": lambda: safetensors.safe_open(other, "np").keys(),
                "torch.load, weights_only, mmap": lambda: torch.load(path, weights_only=True, mmap=True),
                "torch.load, weights_only": lambda: torch.load(path, weights_only=True),
            },
            rounds=3,
        )
        (copy,) = converted.copies()
        race(
            "Checked from the first byte to the last",
            {
                "ml4a, the copy": converted.verify,
                "ml4a, the file": lambda: cache.sha256_of(path),
                "hashlib, in memory": lambda: hashlib.sha256(whole.data),
                "reading alone": lambda: _read(copy),
            },
            rounds=1,
        )


def _seconds(started: float) -> str:
    return f"{time.perf_counter() - started:.2f}"


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(_BLOCK):
            pass


if __name__ == "__main__":
    main()
