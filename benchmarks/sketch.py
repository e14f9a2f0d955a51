"""HED at 512 × 512 against plain eager float32 PyTorch."""

from __future__ import annotations

import torch

import ml4a
from ml4a import image

from .race import race


def main() -> None:
    photo = image.sample("astronaut")
    auto, reference = ml4a.load("hed"), ml4a.load("hed", dtype="float32")
    x = torch.rand(1, 3, 512, 512)

    def eager() -> torch.Tensor:
        with torch.inference_mode():
            return reference.network(x)

    race(
        "HED, 512x512",
        {
            f"ml4a, auto ({auto.dtype})": lambda: auto(photo),
            "ml4a, float32": lambda: reference(photo),
            "the network alone, eager, float32": eager,
        },
    )
