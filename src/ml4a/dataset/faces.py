"""Faces for data sets: crops that follow one face, and pairs of landmarks and photographs to learn faces from.

    crop = faces.FaceCrop("me.jpg", crop=0.4, smooth=0.2)
    for frame in clip:
        cut = crop(frame)                                # None where the face is not

    pair = faces.LandmarkPair(size=(512, 512))
    drawing, photo = pair("portrait.jpg")

Faces are found by `ml4a.face`; the 68 landmarks are those of its mesh, which `pip install "ml4a[face]"` brings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadMedia, BadValue
from ml4a._core.kinds import Picture
from ml4a.media import face as geometry
from ml4a.media import image
from ml4a.media.face import GROUPS, Face
from ml4a.models._operation import recording

if TYPE_CHECKING:
    from ml4a.models.face import Faces, Points

Array: TypeAlias = np.ndarray[Any, Any]
Which: TypeAlias = Literal["largest", "middle"]

LINE = 4 / 512
"""Width of the lines of brows and nose, as a share of a drawing's height."""

_WHITE, _BLUE, _CYAN, _RED = (255, 255, 255), (0, 0, 255), (0, 255, 255), (255, 0, 0)
_GREEN, _MAGENTA, _YELLOW = (0, 255, 0), (255, 0, 255), (255, 255, 0)
_HEAD = (*GROUPS["chin"], *reversed(GROUPS["right_eyebrow"]), *reversed(GROUPS["left_eyebrow"]))
_AREAS: tuple[tuple[Sequence[int], tuple[int, int, int]], ...] = (
    (_HEAD, _WHITE),
    (GROUPS["right_eye"], _BLUE),
    (GROUPS["left_eye"], _BLUE),
    ((30, 31, 32, 33, 34), _CYAN),
    (range(48, 60), _RED),
    (range(60, 68), _GREEN),
)
"""What is filled in a drawing: its outline, by landmarks, and its colour. The last ones lie on top."""
_LINES: tuple[tuple[Sequence[int], tuple[int, int, int]], ...] = (
    (GROUPS["right_eyebrow"], _MAGENTA),
    (GROUPS["left_eyebrow"], _MAGENTA),
    (GROUPS["nose_bridge"], _YELLOW),
)
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class _Place:
    """A rectangle in a picture: its middle and its size, in pixels."""

    x: float
    y: float
    width: float
    height: float

    def towards(self, other: _Place, share: float) -> _Place:
        """The place that lies so far on the way to another."""
        ours, theirs = np.array(self.values), np.array(other.values)
        return _Place(*(ours + share * (theirs - ours)).tolist())

    def within(self, width: int, height: int) -> _Place:
        """The same rectangle, made smaller and moved as far as it must be to lie in a picture of this size."""
        scale = min(1.0, width / self.width, height / self.height)
        wide, tall = self.width * scale, self.height * scale
        x = min(max(self.x, wide / 2), width - wide / 2)
        y = min(max(self.y, tall / 2), height - tall / 2)
        return _Place(x, y, wide, tall)

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in whole pixels of a picture of this size; at least one pixel."""
        left = min(round(self.x - self.width / 2), width - 1)
        top = min(round(self.y - self.height / 2), height - 1)
        wide, tall = max(1, round(self.width)), max(1, round(self.height))
        return left, top, min(left + wide, width), min(top + tall, height)

    @property
    def values(self) -> tuple[float, float, float, float]:
        """As numbers."""
        return self.x, self.y, self.width, self.height


class FaceCrop:
    """Cuts pictures out around one face; the crop follows it through the frames of a film.

    It is called with one picture after the other. Of pictures of their own, `smooth` is 1.

    Args:
        target: A picture of whom to look for; None takes the largest face.
        crop: The share of the crop's width or height, whichever is fuller, that the face's box takes: 0.4 is a
            portrait. None cuts nothing: pictures without the face are left out, and that is all.
        smooth: How fast the crop follows: 1 at once, 0.1 by a tenth of the way from frame to frame.
        ratio: Width of the crop divided by its height.

    Raises:
        BadValue: a number out of its bounds.
        BadMedia: no face was found in the target's picture.
        DownloadFailed: the weights cannot be had.
    """

    def __init__(
        self,
        target: Picture | None = None,
        crop: float | None = None,
        smooth: float = 1.0,
        *,
        ratio: float = 1.0,
    ) -> None:
        _check("crop", 1.0 if crop is None else crop, 1.0)
        _check("smooth", smooth, 1.0)
        _check("ratio", ratio, 100.0)
        self._crop, self._smooth, self._ratio = crop, smooth, ratio
        self._finder = _Finder(target)
        self._last: _Place | None = None

    def __call__(self, picture: Picture) -> Any | None:
        """The part of `picture` around the face, of the same kind; None if the face is not there.

        What would reach beyond the picture is moved into it, and made smaller if it does not fit: there are no black
        edges.
        """
        loaded = image.loaded(picture)
        array = image.to_array(loaded)
        found = self._finder(array)
        if found is None:
            return None
        if self._crop is None:
            return loaded
        place = _around(found, self._crop, self._ratio)
        self._last = place if self._last is None else self._last.towards(place, self._smooth)
        height, width = array.shape[:2]
        left, top, right, bottom = self._last.within(width, height).pixels(width, height)
        return image.as_kind(array[top:bottom, left:right].copy(), image.kind_of(loaded))


class LandmarkPair:
    """Makes pairs of a drawing and a photograph, from which a network learns to make faces of drawings.

    The drawing shows the landmarks of one face, on black: the face white, eyes blue, the nose's tip cyan and its bridge
    yellow, brows magenta, lips red and what is between them green. ml4a's tool of 2021 wanted three faces and drew
    the middle one, on what spans all three: `LandmarkPair(size=(1024, 512), count=3, which="middle", span=True)`.

    Args:
        size: (width, height) of both.
        crop: The share of the picture that the face takes, as of `FaceCrop`; not used with `span`.
        count: Only pictures with so many faces; None takes any number.
        which: The largest face, or the middle one from left to right.
        target: A picture of whom to look for, instead.
        span: Whether the pair shows what is between the outer sides of the first and the last face.

    Raises:
        BadValue: a number out of its bounds, or a target and the middle face.
        BadMedia: no face was found in the target's picture.
        MissingExtra: what finds landmarks is not installed.
        DownloadFailed: the weights cannot be had.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (512, 512),
        crop: float = 0.5,
        count: int | None = None,
        which: Which = "largest",
        target: Picture | None = None,
        span: bool = False,
    ) -> None:
        _check("crop", crop, 1.0)
        if which not in ("largest", "middle"):
            raise BadValue(f"which must be largest or middle, not {which!r}")
        if target is not None and which == "middle":
            raise BadValue("which='middle' and a target ask for two faces; give one of them")
        for side in size:
            _check("a side of the size", side, 16384)
        self._size, self._crop, self._count, self._which, self._span = size, crop, count, which, span
        self._finder = _Finder(target, landmarks=True)

    def __call__(self, picture: Picture) -> tuple[Array, Array] | None:
        """The drawing and the photograph, H×W×3 float32 in [0, 1]; None if the wanted faces are not there.

        Raises:
            BadMedia, TooLarge: the picture cannot be read.
        """
        array = image.to_array(picture)[:, :, :3]
        found = self._finder.all(array)
        if not found or self._count not in (None, len(found)):
            return None
        in_order = sorted(found, key=lambda each: each.center[0])
        wanted = in_order[len(in_order) // 2] if self._which == "middle" else self._finder.chosen(found)
        if wanted is None or wanted.landmarks is None:
            return None
        ratio = self._size[0] / self._size[1]
        place = _spanning(in_order, wanted.landmarks, ratio) if self._span else _around(wanted, self._crop, ratio)
        height, width = array.shape[:2]
        left, top, right, bottom = place.within(width, height).pixels(width, height)
        scale = np.array([self._size[0] / (right - left), self._size[1] / (bottom - top)])
        photo = image.resize(array[top:bottom, left:right], self._size)
        return drawing((wanted.landmarks - (left, top)) * scale, self._size), photo


def landmark_pair(picture: Picture, **options: Any) -> tuple[Array, Array] | None:
    """One pair, as `LandmarkPair` makes them; for many pictures, keep one of these.

    Raises:
        BadValue, BadMedia, MissingExtra, DownloadFailed: as there.
    """
    return LandmarkPair(**options)(picture)


def lines(target: Picture | None = None) -> Callable[[Array], Array]:
    """The action `face`: from a picture to the landmarks of a face in it, as white lines on black.

    Args:
        target: A picture of whom to look for; None takes the largest face.

    Returns:
        From H×W×3 to H×W×3 float32 in [0, 1]. It raises BadMedia where the face is not.
    """
    finder = _Finder(target, landmarks=True)
    return lambda picture: geometry.drawn(np.zeros_like(picture), finder.landmarked(picture), "landmarks", width=1.0)


def areas(target: Picture | None = None) -> Callable[[Array], Array]:
    """The action `landmarks`: from a picture to what `drawing` draws of a face in it, where the face is.

    Args:
        target: A picture of whom to look for; None takes the largest face.

    Returns:
        From H×W×3 to H×W×3 float32 in [0, 1]. It raises BadMedia where the face is not.
    """
    finder = _Finder(target, landmarks=True)

    def drawn(picture: Array) -> Array:
        landmarks = finder.landmarked(picture).landmarks
        assert landmarks is not None
        return drawing(landmarks, (picture.shape[1], picture.shape[0]))

    return drawn


def drawing(landmarks: Array, size: tuple[int, int]) -> Array:
    """A face's landmarks as areas of pure colours on black, as `LandmarkPair` says.

    Args:
        landmarks: 68×2, in pixels of the drawing.
        size: (width, height).

    Returns:
        H×W×3 float32, each value 0 or 1.

    Raises:
        BadValue: other than 68 landmarks.
    """
    import cv2

    places = np.asarray(landmarks, np.float64)
    if places.shape != (68, 2) or not np.isfinite(places).all():
        raise BadValue(f"a face has 68 landmarks, not {'×'.join(map(str, places.shape))}")
    # OpenCV counts from the middle of the first pixel, and in fractions of 16.
    whole = np.rint((places - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    for outline, color in _AREAS:
        cv2.fillPoly(canvas, [whole[list(outline)]], color, cv2.LINE_8, _SUBPIXEL_BITS)
    for line, color in _LINES:
        width = max(1, round(LINE * size[1]))
        cv2.polylines(canvas, [whole[list(line)]], False, color, width, cv2.LINE_8, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) / 255


class _Finder:
    """Finds faces, and the one that is meant."""

    def __init__(self, target: Picture | None, *, landmarks: bool = False) -> None:
        from ml4a.models import registry

        self._faces: Faces = registry.load("face")
        self._points: Points = "68" if landmarks else "five"
        self._target: Face | None = None
        if target is not None:
            with recording(False):
                known = self._faces.encode(target, most=1, points=self._points)
            if not known:
                raise BadMedia("no face was found in the picture of the target face; give one that shows it larger")
            self._target = known[0]

    def __call__(self, picture: Array) -> Face | None:
        """The face that is meant, if it is in H×W×3 floats."""
        return self.chosen(self.all(picture))

    def landmarked(self, picture: Array) -> Face:
        """The face that is meant, with its 68 landmarks.

        Raises:
            BadMedia: it is not there.
        """
        found = self(picture)
        if found is None or found.landmarks is None:
            raise BadMedia("no face was found in it")
        return found

    def all(self, picture: Array) -> list[Face]:
        """All faces, the largest first; with encodings if one person is meant."""
        find = self._faces if self._target is None else self._faces.encode
        with recording(False):
            return find(picture, points=self._points)

    def chosen(self, found: list[Face]) -> Face | None:
        """The target's among the faces that `all` gave, or the largest."""
        if self._target is None or not found:
            return found[0] if found else None
        nearest = geometry.nearest(found, self._target)
        return nearest if geometry.distance(nearest, self._target) <= geometry.SAME_PERSON else None


def _around(face: Face, share: float, ratio: float) -> _Place:
    """The smallest rectangle of this ratio around a face, made larger until the face is `share` of it."""
    (x, y), (width, height) = face.center, face.size
    wide = max(width, height * ratio) / share
    return _Place(x, y, wide, wide / ratio)


def _spanning(faces: Sequence[Face], landmarks: Array, ratio: float) -> _Place:
    """What is between the outer sides of faces, at the height of one's landmarks."""
    left, right = faces[0].box[0], faces[-1].box[2]
    top, bottom = landmarks[:, 1].min(), landmarks[:, 1].max()
    return _Place((left + right) / 2, float(top + bottom) / 2, right - left, (right - left) / ratio)


def _check(name: str, value: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise BadValue(f"{name} must be a number above 0, {most:g} at most, not {value!r}")
