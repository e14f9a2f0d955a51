"""dlib's face encoder: a face becomes 128 numbers, which are near to each other if two pictures show one person.

King, Dlib-ml: A Machine Learning Toolkit, JMLR 10, 2009; the network is that of dlib's dnn_face_recognition_ex.cpp, a
ResNet of 29 convolutions (He et al., CVPR 2016) trained with dlib's metric loss. Keys are those of `formats.dlib`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from .dlib_layers import DlibNetwork, filled
from .state_dict import StateDict, count, shape

SIDE = 150
"""Of the pictures of faces that it was trained on, in pixels."""


class DlibResNet(DlibNetwork):
    """Pairs of 3×3 convolutions whose result is added to what went in; from level to level maps become half as large.

    Halving takes no border into account, so that the two that are added may differ by a row or column, and where a
    level is wider than the one before they differ in channels: what one of them lacks is 0.

    Args:
        widths: Channels of each level. The first is also the width of the 7×7 convolution before it.
        depths: Pairs in each level. One more pair of the last width comes behind them and halves once more.
        length: How many numbers stand for a face.
    """

    def __init__(
        self, widths: Sequence[int] = (32, 64, 128, 256), depths: Sequence[int] = (3, 4, 3, 3), length: int = 128
    ) -> None:
        super().__init__()
        self.append(3, widths[0], 7, 2, 0)
        self._halved: list[bool] = []
        given = widths[0]
        for level, (width, depth) in enumerate(zip((*widths, widths[-1]), (*depths, 1), strict=True)):
            for pair in range(depth):
                self._halved.append(level > 0 and pair == 0)
                self.append(given, width, 3, *((2, 0) if self._halved[-1] else (1, 1)))
                self.append(width, width, 3, 1, 1)
                given = max(given, width)
        self.fc = nn.ModuleList([_Linear(given, length)])

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Measure faces.

        Args:
            picture: N×3×150×150, RGB in [0, 1]: each the chip of one face, as dlib's `get_face_chip` cuts it.

        Returns:
            N×`length`. Two pictures of one person are less than 0.6 apart (Euclidean distance).
        """
        x = F.max_pool2d(F.relu(self.convolve(0, self.normalised(picture))), 3, 2)
        for pair, halved in enumerate(self._halved):
            change = F.relu(self.convolve(2 * pair + 1, x))
            change = self.convolve(2 * pair + 2, change)
            x = F.relu(_sum(change, F.avg_pool2d(x, 2) if halved else x))
        return self.fc[0](x.mean((2, 3)))


class _Linear(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(inputs, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weights


def build(state: StateDict) -> DlibResNet:
    """From the keys of `formats.dlib`, such as `con.0.filters`."""
    pairs, rest = divmod(count(state, r"con\.(\d+)\.") - 1, 2)
    if pairs < 2 or rest:
        raise BadWeights("these weights have no pairs of convolutions; they are not those of dlib's face encoder")
    # Of the last pair only its place says that it halves: its width is that of the level before it.
    every = [shape(state, f"con.{2 * pair + 1}.filters")[0] for pair in range(pairs - 1)]
    levels = [(width, len(list(group))) for width, group in groupby(every)]
    with torch.device("meta"):
        network = DlibResNet(
            [width for width, _ in levels],
            [depth for _, depth in levels],
            shape(state, "fc.0.weights", 2)[1],
        )
    return filled(network, state)


def _sum(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Of two maps: what lies beyond one's channels, rows or columns is 0 there."""
    sizes = [max(pair) for pair in zip(a.shape[1:], b.shape[1:], strict=True)]
    return _padded(a, sizes) + _padded(b, sizes)


def _padded(x: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    lacking = [wanted - found for wanted, found in zip(sizes, x.shape[1:], strict=True)]
    return F.pad(x, [step for lack in reversed(lacking) for step in (0, lack)]) if any(lacking) else x
