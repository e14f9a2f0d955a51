"""DeepDream's octaves: a picture that is made smaller first, and gets its details back from size to size."""

from __future__ import annotations

import numpy as np
import torch

from ml4a.ops.legacy_bilinear import resized

from .parameterisation import Pixels

WHITE = 255.0


class Octaves(Pixels):
    """Pixels where white is 255, whose size grows: what a smaller size cannot show is added when the picture grows.

    Mordvintsev et al., DeepDream with TensorFlow, 2015. Pixels are not clamped, and interpolated as by TensorFlow 1.

    Args:
        picture: 1×3×H×W RGB in [0, 1].
        count: How many sizes there are.
        ratio: How many times larger each is than the one before, 1 or more.
    """

    def __init__(self, picture: torch.Tensor, count: int, ratio: float) -> None:
        values, details = picture.detach().float() * WHITE, {}
        sizes = octave_sizes((picture.shape[3], picture.shape[2]), count, ratio)
        for larger, smaller in zip(sizes[:0:-1], sizes[-2::-1], strict=True):
            if larger != smaller:
                coarse = resized(values, smaller)
                details[larger] = values - resized(coarse, larger)
                values = coarse
        self.sizes, self._details = sizes, details
        super().__init__(values / WHITE, white=WHITE, clamp=False)

    def resize(self, size: tuple[int, int]) -> None:
        """Interpolate, and add the details of that size."""
        (values,) = self.parameters
        if (values.shape[3], values.shape[2]) == size:
            return
        values = resized(values.detach(), size)
        detail = self._details.get(size)
        self.parameters = [(values if detail is None else values + detail).requires_grad_()]


def octave_sizes(size: tuple[int, int], count: int, ratio: float) -> list[tuple[int, int]]:
    """Widths and heights from the smallest to `size`, each divided by `ratio` and rounded down, to 1 at least."""
    sizes = [size]
    for _ in range(count - 1):
        width, height = np.array(sizes[-1], np.float32) / np.float32(ratio)
        sizes.append((max(1, int(width)), max(1, int(height))))
    return sizes[::-1]
