"""Faces as numbers: the upright chip of a face, as dlib cuts it, and the 128 numbers that its encoder makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue, BadWeights
from ml4a.media.face import Face

from ._shape_predictor import similarity

if TYPE_CHECKING:
    import torch

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_PADDING = 0.25
_SIDE = 150
_POINTS = (*range(27, 55), *range(60, 65))
"""Which of the 68 points are laid over the mean face: neither chin nor brows nor the lower lip, which move."""
_MEAN_X = (
    *(0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036, 0.490127, 0.554217, 0.613373, 0.121737, 0.187122),
    *(0.265825, 0.334606, 0.260918, 0.182743, 0.645647, 0.714428, 0.793132, 0.858516, 0.79751, 0.719335, 0.254149),
    *(0.340985, 0.428858, 0.490127, 0.551395, 0.639268, 0.726104, 0.290379, 0.428096, 0.490127, 0.552157, 0.689874),
)
_MEAN_Y = (
    *(0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345, 0.587326, 0.216423, 0.178758),
    *(0.179852, 0.231733, 0.245099, 0.244077, 0.231733, 0.179852, 0.178758, 0.216423, 0.244077, 0.245099, 0.780233),
    *(0.745405, 0.727388, 0.742578, 0.727388, 0.745405, 0.780233, 0.784792, 0.778746, 0.785343, 0.778746, 0.784792),
)
_MEAN_FACE = np.stack((_MEAN_X, _MEAN_Y), axis=-1)
"""Where they are in dlib's mean face, whose eyes, nose and mouth fill the unit square."""
_FIVE = np.array([_MEAN_FACE[9:15].mean(axis=0), _MEAN_FACE[15:21].mean(axis=0), *_MEAN_FACE[[3, 21, 27]]])
"""The same of eyes, nose and corners of the mouth."""
_HALVING = (1.25, 0.75)
"""How far, in dlib's pyramid, a place moves to the left and up when the picture is halved."""
_JITTER = {"turn": math.radians(3), "shift": 0.02, "scale": 0.05}
"""How far, at most, a jittered chip is turned, shifted (in sides) and scaled."""
_BATCH = 32


@dataclass(frozen=True)
class _Place:
    """A square of a picture, which may be turned."""

    center: tuple[float, float]
    """x and y, in pixels whose middles are whole numbers."""
    side: float
    angle: float
    mirrored: bool = False

    @property
    def corners(self) -> Array:
        """4×2: the middles of its first and last pixels: upper left, upper right, lower left, lower right."""
        half = (self.side - 1) / 2
        square = np.array([(-half, -half), (half, -half), (-half, half), (half, half)])
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return square @ np.array([[cos, sin], [-sin, cos]]) + self.center

    def halved(self) -> _Place:
        """The same in a picture of half the size, as dlib reckons: its width counts from middle to middle."""
        x, y = (middle / 2 - shift for middle, shift in zip(self.center, _HALVING, strict=True))
        return replace(self, center=(x, y), side=(self.side - 1) / 2 + 1)


def chip(picture: Array, face: Face, size: int = _SIDE, padding: float = _PADDING) -> Array:
    """The face alone, upright, with its eyes, nose and mouth where dlib's encoder expects them.

    From mesh or landmarks it is what dlib's `get_face_chip` gives, to the grey level; from five points it lies nearly
    the same. Like there, pixels have 256 levels, and what lies beyond the picture is black.

    Args:
        picture: H×W×3 float32 in [0, 1].
        face: With mesh, landmarks or five points.
        size: Side in pixels.
        padding: How much is around the mean face's brows and chin, in units of that.

    Returns:
        size×size×3 float32 in [0, 1].

    Raises:
        BadValue: the face is only a box, or its points all lie in one place.
    """
    return _cut(_levels(picture), _place(face, padding, size), size).astype(np.float32) / np.float32(255)


def encode(
    network: torch.nn.Module, picture: Array, faces: Sequence[Face], *, jitter: int = 0, seed: int = 0
) -> list[Face]:
    """The same faces with their encodings.

    Args:
        network: `networks.dlib_resnet.DlibResNet`, on its device.
        picture: H×W×3 float32 in [0, 1].
        faces: With mesh, landmarks or five points.
        jitter: Take the mean over so many chips that lie a little otherwise, half of them mirrored: steadier, and so
            many times as slow. 0 takes the one chip as it is.
        seed: What decides how these lie.

    Raises:
        BadValue: a face is only a box; or there is no such count of chips, or no such seed.
    """
    for name, value in (("jitter", jitter), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadValue(f"{name} must be a whole number, 0 or more, not {value!r}")
    levels = _levels(picture)
    random = np.random.default_rng(seed)
    found = []
    for face in faces:
        place = _place(face, _PADDING, _SIDE)
        places = [_jittered(place, random) for _ in range(jitter)] or [place]
        codes = [
            _codes(network, np.stack([_cut(levels, each, _SIDE) for each in places[start : start + _BATCH]]))
            for start in range(0, len(places), _BATCH)
        ]
        found.append(face.replace(encoding=np.concatenate(codes).mean(axis=0)))
    return found


def load(files: dict[str, Path], format: str, device: torch.device) -> torch.nn.Module:
    """The network that encodes, from the file of the role `encoder`.

    Raises:
        BadWeights: it holds another network.
    """
    from ml4a import weights
    from ml4a.networks import from_state_dict
    from ml4a.networks.dlib_resnet import DlibResNet

    network = from_state_dict("face", weights.read(files["encoder"], format).arrays())
    if not isinstance(network, DlibResNet):
        raise BadWeights(f"{files['encoder'].name} holds a {type(network).__name__}, where a DlibResNet is due")
    return network.to(device)


def _codes(network: torch.nn.Module, chips: Array) -> Array:
    """N×150×150×3 uint8 to N×128."""
    import torch

    device = next(network.parameters()).device
    with torch.inference_mode():
        x = torch.from_numpy(chips).to(device).permute(0, 3, 1, 2).float() / 255
        return network(x).cpu().numpy()


def _place(face: Face, padding: float, size: int) -> _Place:
    features = face.features
    if features is None and face.points is None:
        raise BadValue("a face of which only the box is known cannot be laid upright; find it with points or landmarks")
    mean = _FIVE if features is None else _MEAN_FACE
    points = face.points if features is None else features[list(_POINTS)]
    assert points is not None
    matrix = similarity((mean + padding) / (2 * padding + 1) * size, points - 0.5)
    scale = math.hypot(*matrix[:, 0])
    if not scale > 0:
        raise BadValue("the points of this face all lie in one place")
    x, y = matrix @ (size / 2, size / 2, 1)
    return _Place((float(x), float(y)), size * scale, math.atan2(matrix[1, 0], matrix[0, 0]))


def _jittered(place: _Place, random: np.random.Generator) -> _Place:
    turn, right, down, larger = random.uniform(-1, 1, 4)
    shift = _JITTER["shift"] * place.side
    return _Place(
        (place.center[0] + shift * right, place.center[1] + shift * down),
        place.side * (1 + _JITTER["scale"] * larger),
        place.angle + _JITTER["turn"] * turn,
        mirrored=bool(random.integers(2)),
    )


def _cut(levels: Array, place: _Place, size: int) -> Array:
    """H×W×3 uint8 to size×size×3 uint8: halved until the square is small enough, then looked up between pixels."""
    halvings = 0
    smaller = place.halved()
    while smaller.side**2 > size**2:
        smaller, halvings = smaller.halved(), halvings + 1
    # Only what the square needs is halved, with a border that the filters reach into.
    border = 2
    for _ in range(halvings):
        border = border * 2 + 2
    left, top = np.clip(np.rint(place.corners.min(axis=0) - border), 0, None).astype(int)
    right, bottom = np.maximum(np.rint(place.corners.max(axis=0) + border), 0).astype(int)
    part = levels[top : bottom + 1, left : right + 1].astype(np.int32)
    place = replace(place, center=(place.center[0] - left, place.center[1] - top))
    for _ in range(halvings):
        part, place = _halved(part), place.halved()
    looked_up = _between(part, place.corners, size)
    return looked_up[:, ::-1] if place.mirrored else looked_up


def _halved(part: Array) -> Array:
    """Every second row and column, after a binomial filter over five."""
    if min(part.shape[:2]) <= 8:
        return part[:0]
    for axis in (0, 1):
        rows = np.moveaxis(part, axis, 0)
        end = (len(rows) - 3) // 2 * 2
        taps = [rows[tap : tap + end : 2] * weight for tap, weight in enumerate((1, 4, 6, 4, 1))]
        part = np.moveaxis(sum(taps[1:], taps[0]), 0, axis)
    return part // 256


def _between(part: Array, corners: Array, size: int) -> Array:
    """size×size×3 uint8, with the corners' pixels at its corners; black where it would have to look beyond the part."""
    steps = np.arange(size) / (size - 1)
    x, y = (
        corners[0, axis]
        + steps[None, :] * (corners[1, axis] - corners[0, axis])
        + steps[:, None] * (corners[2, axis] - corners[0, axis])
        for axis in (0, 1)
    )
    columns, rows = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (columns >= 0) & (rows >= 0) & (columns + 1 < part.shape[1]) & (rows + 1 < part.shape[0])
    found = np.zeros((size, size, 3), np.uint8)
    columns, rows = columns[inside], rows[inside]
    right, down = (x[inside] - columns)[:, None], (y[inside] - rows)[:, None]
    upper = (1 - right) * part[rows, columns] + right * part[rows, columns + 1]
    lower = (1 - right) * part[rows + 1, columns] + right * part[rows + 1, columns + 1]
    found[inside] = ((1 - down) * upper + down * lower).astype(np.uint8)
    return found


def _levels(picture: Array) -> Array:
    """H×W×3 in [0, 1] to uint8."""
    return np.rint(np.clip(picture, 0, 1) * np.float32(255)).astype(np.uint8)
