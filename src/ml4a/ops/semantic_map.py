"""Maps that say what is where, and convolutions of them that compute every pattern once.

In a map of labels most pixels look like many others: the same labels stand around them. What a convolution, or two of
them in a row, makes of the map is the same there, too. So it is computed for each pattern of labels that occurs, and
looked up for each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch.nn import functional as F

Ids: TypeAlias = torch.Tensor
"""N×H×W or flat, int64."""

_WORTH = 0.5
"""Patterns a pixel above which it costs less to convolve the map itself."""
_AT_ONCE = 2048
"""Patterns that are multiplied at once: enough for the processor, few enough for memory."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of 3×3 pixels that occur in a map, and of 5×5 pixels, as 3×3 patterns that overlap."""

    inner: torch.Tensor
    """P×9: what stands in each 3×3 pattern, in rows; the number of kinds stands for the outside."""
    outer: torch.Tensor
    """Q×9: which 3×3 patterns make up each 5×5 pattern; P stands for one around a pixel outside."""
    places: Ids
    """N·H·W: the 5×5 pattern around each pixel."""
    columns: torch.Tensor
    """K×C: the channels that pixels of each kind have."""


class SemanticMap:
    """A map with few kinds of pixels.

    Args:
        kinds: N×H×W, int64: the kind of each pixel.
        columns: K×C: the channels that pixels of each kind have.
    """

    def __init__(self, kinds: Ids, columns: torch.Tensor) -> None:
        self.kinds = kinds
        self.columns = columns
        self._layouts: dict[tuple[int, int], Patterns | torch.Tensor] = {}

    @classmethod
    def of(cls, semantics: torch.Tensor) -> SemanticMap | None:
        """The map in N×C×H×W, if each pixel has at most two ones, and zeros else: a label and perhaps an edge."""
        channels = semantics.shape[1]
        if not ((semantics == 0) | (semantics == 1)).all():
            return None
        count = semantics.sum(dim=1)
        if (count > 2).any():
            return None
        first = semantics.argmax(dim=1)
        last = channels - 1 - semantics.flip(1).argmax(dim=1)
        codes = torch.where(count == 0, channels**2, first * channels + last)
        found, kinds = torch.unique(codes, return_inverse=True)
        columns = semantics.new_zeros(len(found), channels)
        rows = (found < channels**2).nonzero()[:, 0]
        columns[rows, found[rows] // channels] = 1
        columns[rows, found[rows] % channels] = 1
        return cls(kinds, columns)

    def at(self, height: int, width: int) -> Patterns | torch.Tensor:
        """The patterns of the map at another size; or the map as `dense` gives it, if half of the pixels differ."""
        size = (height, width)
        if size not in self._layouts:
            found = self.patterns(height, width)
            few = len(found.outer) <= _WORTH * len(found.places)
            self._layouts[size] = found if few else self.dense(height, width)
        return self._layouts[size]

    def patterns(self, height: int, width: int) -> Patterns:
        """The patterns of the map at another size, to which it is brought as `F.interpolate` does it (nearest)."""
        kinds = self._resized(height, width)
        threes, inner = _around(kinds, len(self.columns))
        places, outer = _around(threes, len(inner))
        return Patterns(inner, outer, places.flatten(), self.columns)

    def dense(self, height: int, width: int) -> torch.Tensor:
        """The map with all its channels at another size, N×C×H×W."""
        return self.columns[self._resized(height, width)].permute(0, 3, 1, 2)

    def _resized(self, height: int, width: int) -> Ids:
        rows, columns = (
            F.interpolate(torch.arange(old, dtype=torch.float32)[None, None], size=new).long()[0, 0]
            for old, new in zip(self.kinds.shape[1:], (height, width), strict=True)
        )
        return self.kinds[:, rows.to(self.kinds.device)][:, :, columns.to(self.kinds.device)]


def convolved(patterns: Patterns, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The 3×3 convolution of a map, padded with zeros, for each 3×3 pattern.

    Args:
        patterns: Of the map.
        kernel: F×C×3×3.
        bias: F.

    Returns:
        P×F.
    """
    filters, channels = kernel.shape[:2]
    rows = kernel.permute(2, 3, 0, 1).reshape(9 * filters, channels)
    table = F.pad(F.linear(patterns.columns, rows), (0, 0, 0, 1))  # the outside adds nothing
    kinds = len(table)
    table = table.reshape(kinds, 9, filters).transpose(0, 1).reshape(9 * kinds, filters)
    taps = torch.arange(0, 9 * kinds, kinds, device=table.device)
    return F.embedding_bag(patterns.inner + taps, table, mode="sum").add_(bias)


def convolved_again(patterns: Patterns, values: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """A second 3×3 convolution, padded with zeros, for each 5×5 pattern.

    Args:
        patterns: Of the map.
        values: P×F, what there is at each 3×3 pattern.
        kernel: G×F×3×3; as quick as can be in the layout channels_last.
        bias: G.

    Returns:
        Q×G.
    """
    rows = kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1)
    values = F.pad(values, (0, 0, 0, 1))  # outside there are zeros
    parts = [F.linear(values[part].flatten(1), rows, bias) for part in patterns.outer.split(_AT_ONCE)]
    return torch.cat(parts)


def edges(instances: torch.Tensor) -> torch.Tensor:
    """Where an instance ends: the pixels on both sides of each border.

    Args:
        instances: …×H×W: a number for each instance.

    Returns:
        …×H×W, bool.
    """
    found = torch.zeros_like(instances, dtype=torch.bool)
    across = instances[..., :, 1:] != instances[..., :, :-1]
    down = instances[..., 1:, :] != instances[..., :-1, :]
    found[..., :, 1:] |= across
    found[..., :, :-1] |= across
    found[..., 1:, :] |= down
    found[..., :-1, :] |= down
    return found


def _around(ids: Ids, count: int) -> tuple[Ids, torch.Tensor]:
    """Number the 3×3 patterns of a map of numbers below `count`: N×H×W numbers, and P×9, what is in each."""
    height, width = ids.shape[1:]
    padded = F.pad(ids, (1, 1, 1, 1), value=count)
    columns = [padded[:, :, x : x + width] for x in range(3)]
    rows, kinds = _numbered(columns, count + 1)
    places, patterns = _numbered([rows[:, y : y + height] for y in range(3)], kinds)
    # Any pixel with a pattern can tell what is in it.
    example = places.new_empty(patterns).scatter_(0, places.flatten(), torch.arange(ids.numel(), device=ids.device))
    near = [padded[:, y : y + height, x : x + width].flatten()[example] for y in range(3) for x in range(3)]
    return places, torch.stack(near, dim=1)


def _numbered(parts: list[Ids], count: int) -> tuple[Ids, int]:
    """Number the combinations of maps of numbers below `count`; pair by pair, so that no number overflows."""
    first, *rest = parts
    found = count
    for part in rest:
        values, first = torch.unique(first * count + part, return_inverse=True)
        found = len(values)
    return first, found
