"""From the maps of S3FD to faces.

Zhang et al., ICCV 2017, with the numbers of face-alignment's package. The pictures of a batch have nothing to do with
each other here; there, a place where one has a face is looked at in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml4a._core import devices

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a.media.face import Face
    from ml4a.networks.s3fd import S3FD

_MEAN = (104.0, 117.0, 123.0)
"""Of blue, green and red; but it is from red, green and blue that they are taken, by the weights' own program."""
_SIDE = 4
"""Of the face that is due at a place, in steps of its map."""
_VARIANCES = (0.1, 0.2)
"""Units of centres and of the logarithms of sides."""
_LEAST, _SURE = 0.05, 0.5
"""Scores of what is compared with others, and of what is a face."""
_OVERLAP = 0.3
_LEAST_SIDE = 32
"""Pixels of a picture; smaller ones leave nothing of the coarsest map."""


@dataclass(frozen=True)
class Finder:
    """Finds faces with S3FD: a `ml4a.media.face.Detector`.

    Args:
        network: On its device.
        device: Where that is.
    """

    network: S3FD
    device: torch.device

    def __call__(self, picture: np.ndarray[Any, Any]) -> list[Face]:
        """The faces of H×W×3 in [0, 1], the largest first.

        A picture that needs more memory than the budget allows is looked at at a smaller size.
        """
        import torch

        from ml4a.media import image
        from ml4a.media.face import Face, largest_first

        height, width = picture.shape[:2]
        size = _size(height, width, devices.memory_budget(self.device) / self.network.bytes_per_pixel)
        if size != (width, height):
            picture = image.resize(picture, size)
        x = torch.from_numpy(picture.transpose(2, 0, 1)).to(self.device)[None] * 255
        with torch.inference_mode():
            maps = self.network(x - torch.tensor(_MEAN, device=self.device).reshape(1, 3, 1, 1))
        (boxes,) = sure(candidates(maps))
        scale = [width / picture.shape[1], height / picture.shape[0]] * 2
        rows = ((row[:4] * scale, float(row[4])) for row in boxes)
        faces = [Face((x1, y1, x2, y2), score) for (x1, y1, x2, y2), score in rows if x1 < x2 and y1 < y2]
        return largest_first(faces)


def candidates(maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Every place of every map that may show a face.

    Args:
        maps: What the network gives: scores and places of each level, in turn.

    Returns:
        For each picture N×5 float32: left, top, right, bottom in pixels, and the score; by level, row and column.
    """
    import torch

    levels = list(zip(maps[::2], maps[1::2], strict=True))
    found: list[list[torch.Tensor]] = [[] for _ in range(len(maps[0]))]
    for level, (scores, places) in enumerate(levels):
        step = 4 << level
        likely = scores.softmax(dim=1)[:, 1]
        for picture, boxes in enumerate(found):
            rows, columns = (likely[picture] > _LEAST).nonzero(as_tuple=True)
            place = places[picture, :, rows, columns].T
            middle = torch.stack((columns, rows), dim=1) * step + step / 2
            side = float(_SIDE * step)
            center = middle + place[:, :2] * _VARIANCES[0] * side
            size = side * torch.exp(place[:, 2:] * _VARIANCES[1])
            corner = center - size / 2
            boxes.append(torch.cat((corner, corner + size, likely[picture, rows, columns][:, None]), dim=1))
    return [torch.cat(boxes).cpu() for boxes in found]


def kept(boxes: torch.Tensor) -> torch.Tensor:
    """Of N×5 candidates those that no better one overlaps, the best first."""
    from ml4a.ops.nms import nms

    return boxes[nms(boxes[:, :4], boxes[:, 4], _OVERLAP, inclusive=True)]


def sure(found: Sequence[torch.Tensor]) -> list[np.ndarray[Any, Any]]:
    """Of each picture's candidates the faces, the surest first: N×5."""
    return [best[best[:, 4] > _SURE].numpy() for best in map(kept, found)]


def _size(height: int, width: int, most: float) -> tuple[int, int]:
    """(width, height) in which a picture is looked at: at most so many pixels, but no side too short.

    Only of a very long and thin one the proportions change.
    """
    factor = max(min(1.0, (most / (height * width)) ** 0.5), _LEAST_SIDE / min(height, width))
    longest = max(_LEAST_SIDE, int(most / _LEAST_SIDE))
    across, down = (min(longest, max(_LEAST_SIDE, round(side * factor))) for side in (width, height))
    return across, down
