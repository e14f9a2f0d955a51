"""From logits of labels, which networks give in small, to the labels and scores of each pixel of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from .bilinear import needed_rows, resized_rows

LARGEST = 1000
"""Pixels of the longer side up to which probabilities are averaged for every pixel; beyond, their mean is enlarged."""
BAND = 16 << 20
"""Bytes of the scores that are there at a time, so that they stay in the processor's cache."""
_GPU_BAND = 512 << 20


class LabelScores:
    """How likely each label is in each pixel, from a network's logits in several sizes: the mean of probabilities.

    Logits are resized first and go through softmax then, as networks were trained. All is computed some rows at a
    time, when it is asked for: of 150 labels in a photograph of 24 million pixels there would be 14 GB of scores.

    Args:
        logits: h×w×n each, of any sizes; all count alike.
        size: (width, height) of the picture.
    """

    def __init__(self, logits: Sequence[torch.Tensor], size: tuple[int, int]) -> None:
        self._logits = list(logits)
        self._size = size
        shrinking = min(1, LARGEST / max(size))
        self._coarse = max(1, round(size[0] * shrinking)), max(1, round(size[1] * shrinking))
        device = self._logits[0].device.type
        self._band = BAND if device == "cpu" else _GPU_BAND

    def __call__(self, indices: Sequence[int]) -> np.ndarray[Any, Any]:
        """The probabilities of some labels: H×W×k float32."""
        found = np.empty((*self._size[::-1], len(indices)), np.float32)
        chosen = torch.as_tensor(list(indices), device=self._logits[0].device)
        with torch.inference_mode():
            for outer, coarse in self._bands():
                values = self._mean(coarse)[:, :, chosen]
                for rows in _parts(outer, self._rows(self._size[0], len(chosen))):
                    found[rows] = self._enlarged(values, rows, coarse).cpu().numpy()
        return found

    def labels(self) -> np.ndarray[Any, Any]:
        """The most likely label of each pixel: H×W int16.

        Where scores are enlarged, labels count that are the most likely somewhere near.
        """
        found = np.empty(self._size[::-1], np.int16)
        with torch.inference_mode():
            for outer, coarse in self._bands():
                values = self._logits_or_mean(coarse)
                if self._coarse == self._size:
                    found[outer] = _largest(values)
                    continue
                near = np.unique(_largest(values)).astype(np.int64)
                values = values[:, :, torch.from_numpy(near).to(values.device)]
                for rows in _parts(outer, self._rows(self._size[0], len(near))):
                    found[rows] = near[_largest(self._enlarged(values, rows, coarse))]
        return found

    def _bands(self) -> Iterator[tuple[slice, slice]]:
        """The picture's rows, some at a time, and the rows of the coarse picture that these are made of."""
        height, coarse = self._size[1], self._coarse[1]
        step = max(1, self._rows(self._coarse[0], self._logits[0].shape[2]) * height // coarse)
        for rows in _parts(slice(0, height), step):
            yield rows, rows if coarse == height else needed_rows(coarse, height, rows)

    def _rows(self, width: int, labels: int) -> int:
        return max(1, self._band // (4 * width * labels))

    def _logits_or_mean(self, rows: slice) -> torch.Tensor:
        """What is largest where the mean of probabilities is: with logits of one size, these themselves."""
        return self._mean(rows) if len(self._logits) > 1 else resized_rows(self._logits[0], self._coarse, rows)

    def _mean(self, rows: slice) -> torch.Tensor:
        """Of the coarse picture: rows×width×n."""
        total = resized_rows(self._logits[0], self._coarse, rows).softmax(2)
        for logits in self._logits[1:]:
            total += resized_rows(logits, self._coarse, rows).softmax(2)
        return total.div_(len(self._logits))

    def _enlarged(self, values: torch.Tensor, rows: slice, coarse: slice) -> torch.Tensor:
        if self._coarse == self._size:
            return values[rows.start - coarse.start : rows.stop - coarse.start]
        return resized_rows(values, self._size, rows, above=coarse.start, height=self._coarse[1])


def _parts(rows: slice, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step))


def _largest(scores: torch.Tensor) -> np.ndarray[Any, Any]:
    """H×W×n to H×W: the index of the largest. NumPy finds it six times as fast, where it can."""
    return scores.numpy().argmax(2) if scores.device.type == "cpu" else scores.argmax(2).cpu().numpy()
