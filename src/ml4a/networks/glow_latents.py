"""What a picture is to a flow that lets half of its channels go at each level: latents of several sizes, or a row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from ml4a._core.errors import BadValue


class MultiScale(nn.Module):
    """A flow of several levels; what its latents are called, and how they lie in a row.

    Args:
        levels: Of the flow; at each, 2×2 pixels become channels.
        channels: Of the pictures.
    """

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        self.levels, self.channels = levels, channels
        self.in_multiple = 2**levels
        """Sides of pictures are multiples of this."""

    def sizes(self, height: int, width: int) -> list[tuple[int, int, int]]:
        """The channels, height and width of each level's latents, of pictures of that size."""
        found = []
        for level in range(self.levels):
            last = level == self.levels - 1
            channels = self.channels << level + (2 if last else 1)
            found.append((channels, height >> level + 1, width >> level + 1))
        return found

    def flat(self, latents: Sequence[torch.Tensor]) -> torch.Tensor:
        """Latents as N×(C·H·W), in the order of those that were published: channels last, level by level."""
        return torch.cat([each.permute(0, 2, 3, 1).flatten(1) for each in latents], dim=1)

    def unflat(self, values: torch.Tensor, height: int, width: int) -> list[torch.Tensor]:
        """What `flat` made one of.

        Args:
            values: N×(C·height·width).
            height: Of the picture.
            width: Of the picture.

        Raises:
            BadValue: they are not as many.
        """
        sizes = self.sizes(height, width)
        numbers = [math.prod(size) for size in sizes]
        if values.ndim != 2 or values.shape[1] != sum(numbers):
            raise BadValue(
                f"latents of {width}x{height} px are N×{sum(numbers)} numbers, not {'×'.join(map(str, values.shape))}"
            )
        parts = values.split(numbers, dim=1)
        return [
            part.reshape(len(values), h, w, c).permute(0, 3, 1, 2) for part, (c, h, w) in zip(parts, sizes, strict=True)
        ]

    def check_picture(self, x: torch.Tensor) -> None:
        """Refuse what is no N×C×H×W of sides that can be halved at each level.

        Raises:
            BadValue: it is none.
        """
        size = x.shape
        if len(size) != 4 or size[1] != self.channels or any(s % self.in_multiple or not s for s in size[2:]):
            raise BadValue(
                f"this network takes N×{self.channels}×H×W with sides that are multiples of {self.in_multiple}, "
                f"not {'×'.join(map(str, size))}"
            )

    def check_latents(self, latents: Sequence[torch.Tensor]) -> None:
        """Refuse what are no latents of one picture or several.

        Raises:
            BadValue: they are none.
        """
        found = [tuple(each.shape) for each in latents]
        top = found[-1] if found and len(found[-1]) == 4 else (1, 1, 1, 1)
        due = [(top[0], *size) for size in self.sizes(top[2] << self.levels, top[3] << self.levels)]
        if found != due:
            raise BadValue(f"latents of this network are of shapes {due}, not {found}")
