"""MTCNN: three small networks that find faces, each sure of more and shown less than the one before.

Zhang et al., Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks, IEEE SPL 2016,
arXiv:1604.02878. Attributes carry the names that facenet-pytorch gave them. All three take RGB in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .state_dict import StateDict, load, shape

_LAST = 3
"""Side of the last map of RNet and ONet, for the 24 and 48 pixels that they are shown."""


class PNet(nn.Module):
    """Proposes: looks at every square of 12×12 pixels, two pixels apart.

    Args:
        widths: Filters of the three convolutions.
    """

    def __init__(self, widths: Sequence[int] = (10, 16, 32)) -> None:
        super().__init__()
        self.conv1, self.prelu1 = _layer(3, widths[0], 3)
        self.conv2, self.prelu2 = _layer(widths[0], widths[1], 3)
        self.conv3, self.prelu3 = _layer(widths[1], widths[2], 3)
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4_1 = nn.Conv2d(widths[2], 2, 1)
        self.conv4_2 = nn.Conv2d(widths[2], 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Look for faces everywhere.

        Args:
            x: N×3×H×W, sides 12 or more.

        Returns:
            N×4×h×w, by how much of a square's side its left, top, right and bottom must move; and N×2×h×w, the
            probabilities that it is no face, and that it is one.
        """
        x = self.pool(self.prelu1(self.conv1(x)))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))
        return self.conv4_2(x), self.conv4_1(x).softmax(dim=1)


class RNet(nn.Module):
    """Refuses what is no face: most of what was proposed.

    Args:
        widths: Filters of the three convolutions.
        features: Of the layer behind them.
    """

    def __init__(self, widths: Sequence[int] = (28, 48, 64), features: int = 128) -> None:
        super().__init__()
        self.conv1, self.prelu1 = _layer(3, widths[0], 3)
        self.conv2, self.prelu2 = _layer(widths[0], widths[1], 3)
        self.conv3, self.prelu3 = _layer(widths[1], widths[2], 2)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.dense4 = nn.Linear(widths[2] * _LAST**2, features)
        self.prelu4 = nn.PReLU(features)
        self.dense5_1 = nn.Linear(features, 2)
        self.dense5_2 = nn.Linear(features, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Judge squares of a picture.

        Args:
            x: N×3×24×24.

        Returns:
            N×4, as of `PNet`, and N×2, the probabilities.
        """
        x = self.pool(self.prelu1(self.conv1(x)))
        x = self.pool(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_by_column(x)))
        return self.dense5_2(x), self.dense5_1(x).softmax(dim=1)


class ONet(nn.Module):
    """Says where the eyes, the nose and the mouth are.

    Args:
        widths: Filters of the four convolutions.
        features: Of the layer behind them.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 64, 128), features: int = 256) -> None:
        super().__init__()
        self.conv1, self.prelu1 = _layer(3, widths[0], 3)
        self.conv2, self.prelu2 = _layer(widths[0], widths[1], 3)
        self.conv3, self.prelu3 = _layer(widths[1], widths[2], 3)
        self.conv4, self.prelu4 = _layer(widths[2], widths[3], 2)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.dense5 = nn.Linear(widths[3] * _LAST**2, features)
        self.prelu5 = nn.PReLU(features)
        self.dense6_1 = nn.Linear(features, 2)
        self.dense6_2 = nn.Linear(features, 4)
        self.dense6_3 = nn.Linear(features, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Judge squares of a picture, and find five points in each.

        Args:
            x: N×3×48×48.

        Returns:
            N×4, as of `PNet`; N×10, in sides of the square the x and then the y of the eye that is on the picture's
            left, the right one, the nose, the mouth's left corner and its right one; and N×2, the probabilities.
        """
        x = self.pool(self.prelu1(self.conv1(x)))
        x = self.pool(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_by_column(x)))
        return self.dense6_2(x), self.dense6_3(x), self.dense6_1(x).softmax(dim=1)


def build_pnet(state: StateDict) -> PNet:
    """From facenet-pytorch's keys, such as `conv4_1.weight`."""
    widths = _widths(state, 3)
    with torch.device("meta"):
        network = PNet(widths)
    return load(network, state, layout=torch.channels_last)


def build_rnet(state: StateDict) -> RNet:
    """From facenet-pytorch's keys, such as `dense5_1.weight`."""
    widths, features = _widths(state, 3), shape(state, "dense4.weight", 2)[0]
    with torch.device("meta"):
        network = RNet(widths, features)
    return load(network, state, layout=torch.channels_last)


def build_onet(state: StateDict) -> ONet:
    """From facenet-pytorch's keys, such as `dense6_3.weight`."""
    widths, features = _widths(state, 4), shape(state, "dense5.weight", 2)[0]
    with torch.device("meta"):
        network = ONet(widths, features)
    return load(network, state, layout=torch.channels_last)


def _widths(state: StateDict, convolutions: int) -> list[int]:
    return [shape(state, f"conv{number}.weight")[0] for number in range(1, convolutions + 1)]


def _layer(given: int, width: int, side: int) -> tuple[nn.Conv2d, nn.PReLU]:
    """None has padding: what is beyond a square's edge is not looked at."""
    return nn.Conv2d(given, width, side), nn.PReLU(width)


def _by_column(maps: torch.Tensor) -> torch.Tensor:
    """N×C×h×w to N×(w·h·C), as the first weights, which were MATLAB's, have it."""
    return maps.permute(0, 3, 2, 1).flatten(1)
