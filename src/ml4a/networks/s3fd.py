"""S3FD: where there are faces, also small ones.

Zhang et al., S³FD: Single Shot Scale-invariant Face Detector, ICCV 2017, arXiv:1708.05237. Attributes carry the names
that 1adrianb/face-alignment gave them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from .state_dict import StateDict, load, shape

_CONVOLUTIONS = (2, 2, 3, 3, 3)
"""In each of the five blocks of the trunk, VGG-16."""
_LEVELS = ("conv3_3_norm", "conv4_3_norm", "conv5_3_norm", "fc7", "conv6_2", "conv7_2")
"""What is looked at for faces; level n is 4·2ⁿ times smaller than the picture."""
_LEAST_LENGTH = 1e-10


class S3FD(nn.Module):
    """Looks for faces at six sizes: at each place of a map for one about four times as large as the map's step.

    Args:
        widths: Channels of the five blocks of the trunk.
        middle: Channels behind the trunk.
        further: Channels of the four convolutions that follow.
        backgrounds: Of how many scores for "no face" the highest counts, on the finest map.
    """

    bytes_per_pixel = 4 * 64 * 3
    """Two maps of the trunk's beginning, and what a convolution needs beside them."""

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        middle: int = 1024,
        further: Sequence[int] = (256, 512, 128, 256),
        backgrounds: int = 3,
    ) -> None:
        super().__init__()
        given = 3
        for block, (width, number) in enumerate(zip(widths, _CONVOLUTIONS, strict=True), start=1):
            for place in range(1, number + 1):
                self.add_module(f"conv{block}_{place}", nn.Conv2d(given, width, 3, padding=1))
                given = width
        # The original pads by 3 what needs 1, so that this map and those after it are larger than they would be.
        self.fc6 = nn.Conv2d(given, middle, 3, padding=3)
        self.fc7 = nn.Conv2d(middle, middle, 1)
        self.conv6_1 = nn.Conv2d(middle, further[0], 1)
        self.conv6_2 = nn.Conv2d(further[0], further[1], 3, stride=2, padding=1)
        self.conv7_1 = nn.Conv2d(further[1], further[2], 1)
        self.conv7_2 = nn.Conv2d(further[2], further[3], 3, stride=2, padding=1)
        seen = (*widths[2:], middle, further[1], further[3])
        for level, (name, width) in enumerate(zip(_LEVELS, seen, strict=True)):
            if name.endswith("norm"):
                self.add_module(name, _L2Norm(width))
            scores = 2 if level else backgrounds + 1
            self.add_module(f"{name}_mbox_conf", nn.Conv2d(width, scores, 3, padding=1))
            self.add_module(f"{name}_mbox_loc", nn.Conv2d(width, 4, 3, padding=1))

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Look for faces.

        Args:
            picture: N×3×H×W from 0 to 255, RGB, less 104, 117 and 123; sides of 32 or more.

        Returns:
            Two tensors for each level, from fine to coarse: N×2×h×w, the scores of no face and of a face before the
            softmax; and N×4×h×w: how far a face's centre is from that of the place, right and down, in tenths of the
            side that is due there, and the logarithms of its width and height as parts of that side, times five.
        """
        found: list[torch.Tensor] = []
        x = picture
        for block, number in enumerate(_CONVOLUTIONS, start=1):
            for place in range(1, number + 1):
                x = self._layer(f"conv{block}_{place}", x)
            if block > 2:
                name = f"conv{block}_3_norm"
                found += self._heads(name, self.get_submodule(name)(x))
            x = F.max_pool2d(x, 2)
        x = self._layer("fc7", self._layer("fc6", x))
        found += self._heads("fc7", x)
        for name in ("conv6", "conv7"):
            x = self._layer(f"{name}_2", self._layer(f"{name}_1", x))
            found += self._heads(f"{name}_2", x)
        no_face, face = found[0][:, :-1], found[0][:, -1:]
        found[0] = torch.cat((no_face.amax(dim=1, keepdim=True), face), dim=1)
        return tuple(found)

    def _layer(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self.get_submodule(name)(x).relu_()

    def _heads(self, name: str, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.get_submodule(f"{name}_mbox_{kind}")(x) for kind in ("conf", "loc")]


class _L2Norm(nn.Module):
    """Brings what is seen at each place to length 1, then multiplies each channel by a weight of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = x.square().sum(dim=1, keepdim=True).sqrt_() + _LEAST_LENGTH
        return x / length * self.weight[:, None, None]


def build(state: StateDict) -> S3FD:
    """From the keys of face-alignment, such as `conv3_3_norm_mbox_conf.weight`."""
    with torch.device("meta"):
        network = S3FD(
            [shape(state, f"conv{block}_1.weight")[0] for block in range(1, 6)],
            shape(state, "fc6.weight")[0],
            [shape(state, f"conv{name}.weight")[0] for name in ("6_1", "6_2", "7_1", "7_2")],
            shape(state, "conv3_3_norm_mbox_conf.weight")[0] - 1,
        )
    return load(network, state, layout=torch.channels_last)
