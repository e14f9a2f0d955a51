"""The cascade of MTCNN: many squares of a picture are looked at, fewer and fewer, ever more closely.

Zhang et al., 2016, with the numbers of facenet-pytorch: which squares there are, how boxes are rounded, and that what
a box has beyond the picture is cut off before it is scaled.

A square is shown to a network as means of its pixels. All means come from one table of sums (Crow, 1984), so that the
pyramid and the squares cost what is shown, whatever they were made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from ml4a.networks.mtcnn import ONet, PNet, RNet

SMALLEST = 12
"""Side in pixels of the squares that PNet looks at; what is smaller than this in the picture is not found."""
_SHOWN_TO_ONET = 48
_SHOWN_TO_RNET = 24
_STEP = 0.709
"""From one level of the pyramid to the next: squares of half the area."""
_STRIDE = 2
_THRESHOLDS = (0.6, 0.7)
"""Of PNet and RNet."""
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of a picture, the surest first."""

    boxes: np.ndarray[Any, Any]
    """N×4 float32 (x1, y1, x2, y2) as the original has them: pixels are counted from 1, and the last is within."""
    scores: np.ndarray[Any, Any]
    """N float32: the probability of a face."""
    points: np.ndarray[Any, Any]
    """N×5×2 float32, (x, y) from the picture's corner: left and right eye, nose, left and right corner of the mouth."""


def find(
    picture: np.ndarray[Any, Any], pnet: PNet, rnet: RNet, onet: ONet, *, smallest: float, threshold: float
) -> Found:
    """Find the faces of a picture.

    Pictures so large that even the smallest face is more than what the last network is shown are reduced first.

    Args:
        picture: H×W×3 float32 in [0, 1]. It is looked at in 8 bits, as the original does.
        pnet: Proposes squares.
        rnet: Refuses most.
        onet: Finds the points.
        smallest: Side in pixels of the smallest face that is looked for, at least 12.
        threshold: The least probability of a face.
    """
    reduced, x_scale, y_scale = _reduced(picture, int(smallest // _SHOWN_TO_ONET))
    height, width = reduced.shape[:2]
    look = _Look(_sums(reduced), next(pnet.parameters()).device)
    boxes = proposed(look, pnet, SMALLEST / (smallest / max(x_scale, y_scale)), height, width)
    boxes = refined(look, rnet, boxes)
    found = judged(look, onet, boxes, threshold)
    scale = np.array([x_scale, y_scale], np.float32)
    edges = np.array([1, 1, 0, 0], np.float32)  # from the corner of the first pixel, as scaling has it
    return Found((found.boxes - edges) * np.tile(scale, 2) + edges, found.scores, found.points * scale)


class _Look:
    """What a network is shown of a picture."""

    def __init__(self, sums: np.ndarray[Any, Any], device: torch.device) -> None:
        self.sums = sums
        self.device = device

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture."""
        return self.sums.shape[1] - 1, self.sums.shape[0] - 1

    def level(self, height: int, width: int) -> torch.Tensor:
        """All of it, 1×3×height×width."""
        top, bottom = (edge[0] for edge in _bins(np.array([0]), np.array([self.size[1]]), height))
        left, right = (edge[0] for edge in _bins(np.array([0]), np.array([self.size[0]]), width))
        bands = self.sums[bottom] - self.sums[top]
        return self._means((bands[:, right] - bands[:, left])[None], (bottom - top)[:, None] * (right - left))

    def squares(self, boxes: np.ndarray[Any, Any], side: int) -> Iterator[torch.Tensor]:
        """What is in N×4 boxes of whole pixels, in batches of N×3×side×side."""
        for start in range(0, len(boxes), _BATCH):
            x1, y1, x2, y2 = boxes[start : start + _BATCH].T
            left, right = (edge[:, None] for edge in _bins(x1, x2, side))
            top, bottom = (edge[:, :, None] for edge in _bins(y1, y2, side))
            sums = self.sums
            total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
            yield self._means(total, (bottom - top) * (right - left))

    def _means(self, totals: np.ndarray[Any, Any], areas: np.ndarray[Any, Any]) -> torch.Tensor:
        import torch

        x = ((totals / areas[..., None] - 127.5) * 0.0078125).astype(np.float32)
        return torch.from_numpy(x).permute(0, 3, 1, 2).to(self.device)


def _reduced(picture: np.ndarray[Any, Any], factor: int) -> tuple[np.ndarray[Any, Any], float, float]:
    """A picture about `factor` times smaller, by the means of its pixels, and how many times smaller it is."""
    import cv2

    height, width = picture.shape[:2]
    if factor > 1:
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return picture, width / picture.shape[1], height / picture.shape[0]


def _sums(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(H+1)×(W+1)×3: the sum of all pixels above and left.

    It goes round at 2³²; differences do not notice, as long as what they measure is smaller.
    """
    height, width = picture.shape[:2]
    sums = np.zeros((height + 1, width + 1, 3), np.uint32)
    inner = sums[1:, 1:]
    np.cumsum((picture * 255 + 0.5).astype(np.uint8), axis=1, dtype=np.uint32, out=inner)
    np.cumsum(inner, axis=0, dtype=np.uint32, out=inner)
    return sums


def _bins(start: np.ndarray[Any, Any], stop: np.ndarray[Any, Any], count: int) -> tuple[Any, Any]:
    """N×count first pixels, and ends, of `count` parts that each stretch is divided in; pixels may belong to two."""
    number = np.arange(count)
    length = (stop - start)[:, None]
    return start[:, None] + number * length // count, start[:, None] - (-(number + 1) * length // count)


def proposed(look: _Look, pnet: PNet, scale: float, height: int, width: int) -> np.ndarray[Any, Any]:
    """N×4 squares that may be faces, from all levels of a pyramid."""
    import torch

    from ml4a.ops.nms import nms

    found, scores = [torch.zeros(0, 8)], [torch.zeros(0)]
    while min(height, width) * scale >= SMALLEST:
        with torch.inference_mode():
            moves, chances = pnet(look.level(int(height * scale + 1), int(width * scale + 1)))
        chance, moves = chances[0, 1].cpu(), moves[0].cpu()
        rows, columns = (chance >= _THRESHOLDS[0]).nonzero(as_tuple=True)
        corner = _STRIDE * torch.stack((columns, rows), dim=1).float()
        squares = torch.cat((((corner + 1) / scale).floor(), ((corner + SMALLEST) / scale).floor()), dim=1)
        score = chance[rows, columns]
        stays = nms(squares, score, 0.5)
        found.append(torch.cat((squares, moves[:, rows, columns].T), dim=1)[stays])
        scores.append(score[stays])
        scale *= _STEP
    proposals = torch.cat(found)
    proposals = proposals[nms(proposals[:, :4], torch.cat(scores), 0.7)].numpy()
    boxes, moves = proposals[:, :4], proposals[:, 4:]
    sides = boxes[:, 2:] - boxes[:, :2]
    return _squared(boxes + moves * np.tile(sides, 2))


def refined(look: _Look, rnet: RNet, boxes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Those squares that look like a face from nearer, moved to where it is."""
    boxes, pixels = _inside(look, boxes)
    moves, chances = _run(look, rnet, pixels, _SHOWN_TO_RNET)
    sure = chances[:, 1] > _THRESHOLDS[1]
    boxes, moves, scores = boxes[sure], moves[sure], chances[sure, 1]
    stays = _suppressed(boxes, scores)
    return _squared(_moved(boxes[stays], moves[stays]))


def judged(look: _Look, onet: ONet, boxes: np.ndarray[Any, Any], threshold: float) -> Found:
    boxes, pixels = _inside(look, boxes)
    moves, points, chances = _run(look, onet, pixels, _SHOWN_TO_ONET)
    sure = chances[:, 1] > threshold
    boxes, scores = boxes[sure], chances[sure, 1]
    sides = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
    places = points[sure].reshape(-1, 2, 5).swapaxes(1, 2) * sides + boxes[:, None, :2] - 1
    boxes = _moved(boxes, moves[sure])
    stays = _suppressed(boxes, scores, inclusive=True, minimum=True)
    return Found(boxes[stays], scores[stays], places[stays])


def _run(
    look: _Look, network: RNet | ONet, pixels: np.ndarray[Any, Any], side: int
) -> tuple[np.ndarray[Any, Any], ...]:
    """What a network says of boxes of whole pixels, one array for each of its results; of none, too."""
    import torch

    with torch.inference_mode():
        batches = [network(x) for x in look.squares(pixels, side)]
        batches = batches or [tuple(each[:0] for each in network(torch.zeros(1, 3, side, side, device=look.device)))]
        return tuple(torch.cat(each).cpu().numpy() for each in zip(*batches, strict=True))


def _inside(look: _Look, boxes: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The boxes that have a part in the picture, and the whole pixels of that part, from 0 and without the last."""
    width, height = look.size
    pixels = boxes.astype(np.int64)  # towards 0
    pixels[:, :2] = np.maximum(pixels[:, :2], 1) - 1
    pixels[:, 2:] = np.minimum(pixels[:, 2:], (width, height))
    some = (pixels[:, 2:] > pixels[:, :2]).all(axis=1)
    return boxes[some], pixels[some]


def _moved(boxes: np.ndarray[Any, Any], moves: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return boxes + moves * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _squared(boxes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Each box as the square that has its middle and its longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    near = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate((near, near + longer), axis=1)


def _suppressed(boxes: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], **convention: bool) -> np.ndarray[Any, Any]:
    import torch

    from ml4a.ops.nms import nms

    return nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.7, **convention).numpy()
