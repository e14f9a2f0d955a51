"""Flow: how far each pixel of one picture has moved in another, and pictures pulled along it."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

if TYPE_CHECKING:
    from PIL import Image

    from ml4a._core.kinds import Picture

Array: TypeAlias = np.ndarray[Any, Any]
Border: TypeAlias = Literal["reflect", "replicate", "zero"]
Interpolation: TypeAlias = Literal["linear", "cubic"]
Colors: TypeAlias = Literal["hue", "classic"]

_STANDSTILL = 1e-3
"""Pixels; shorter ways are not made visible."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Where the pixels of one picture are in another."""

    vectors: Array
    """H×W×2 float32: (dx, dy) in pixels. The pixel at p of the first picture is at p + vector in the second."""

    @classmethod
    def still(cls, size: tuple[int, int]) -> Flow:
        """No motion at all, in pictures of (width, height)."""
        return cls(np.zeros((size[1], size[0], 2), np.float32))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the first picture."""
        return self.vectors.shape[1], self.vectors.shape[0]

    def resized(self, size: tuple[int, int]) -> Flow:
        """The same motion between pictures of (width, height)."""
        import cv2

        if size == self.size:
            return self
        vectors = cv2.resize(self.vectors, size, interpolation=cv2.INTER_LINEAR)
        for axis in (0, 1):
            vectors[:, :, axis] *= np.float32(size[axis] / self.size[axis])
        return Flow(vectors)

    def warp(self, picture: Picture) -> Any:
        """The second picture, moved into the place of the first: the result at p is `picture` at p + vector.

        Args:
            picture: Any picture, of any size; its border is mirrored outwards.

        Returns:
            A picture of the same kind and size.
        """
        from .. import image

        loaded = image.loaded(picture)
        moved = warp(image.to_array(loaded), self).clip(0, 1)
        return image.as_kind(moved, image.kind_of(loaded))

    def to_mapping(self) -> Array:
        """Where in the second picture each pixel is: H×W×2 floats, (row, column), counted from 0.

        These are the coordinates that `scipy.ndimage.map_coordinates` takes, and that `flow_to_mapping` of 2021 gave.
        """
        return (positions(*self.size) + self.vectors)[:, :, ::-1]

    def view(self, longest: float | None = None, colors: Colors = "hue") -> Array:
        """The flow in colours; what stands still is white.

        Args:
            longest: The way, in pixels, that has the purest colours; longer ones have them, too. By default the longest
                there is; a number keeps the frames of a film alike.
            colors: `"hue"`: a direction is a hue (right is red, down yellow-green). `"classic"`: as FlowNet's own
                program shows it, cyan to the left, yellow upwards, pink to the right and down; `longest` is then a way
                along one axis.

        Returns:
            H×W×3 float32 in [0, 1].

        Raises:
            BadValue: `longest` is not above 0, or there are no such colours.
        """
        if longest is not None and not 0 < longest < np.inf:
            raise BadValue(f"longest must be a number of pixels above 0, not {longest!r}")
        if colors not in _VIEWS:
            raise BadValue(f"colors must be one of {', '.join(_VIEWS)}, not {colors!r}")
        return _VIEWS[colors](self.vectors, longest)

    def to_image(self, longest: float | None = None, colors: Colors = "hue") -> Image.Image:
        """What `view` shows, as a PIL image."""
        from .. import image

        return image.as_kind(self.view(longest, colors), "pil")

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the vectors as a `.flo` file, which other programs and `motion.load` read.

        Raises:
            BadValue: the name does not end in `.flo`.
            OutputExists: the file exists and `overwrite` is false.
            CannotWrite: no permission, no space.
        """
        from . import _flo

        return _flo.save(self.vectors, Path(path), overwrite=overwrite)

    def _repr_png_(self) -> bytes:
        """Notebooks show its colours."""
        from .. import image

        return image.encode(self.view(), ".png")


def warp(picture: Array, flow: Flow, *, border: Border = "reflect", interpolation: Interpolation = "cubic") -> Array:
    """Pull `picture` through a flow: the result at p is the picture at p + flow(p).

    Args:
        picture: H×W or H×W×C floats: the second picture of the flow, or one of another size and the same contents.
        flow: From the picture whose place the result takes.
        border: What lies outside the picture.
        interpolation: `"cubic"` keeps pictures sharp but may leave [0, 1] by a little.

    Returns:
        An array like `picture`.
    """
    height, width = picture.shape[:2]
    places = positions(width, height) + flow.resized((width, height)).vectors
    return pulled(picture, places, border, interpolation)


def pulled(picture: Array, places: Array, border: Border, interpolation: Interpolation) -> Array:
    """The picture at each of H×W×2 places (x, y), as OpenCV counts them: H×W or H×W×C, like the picture."""
    import cv2

    method = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[interpolation]
    outside = {"reflect": cv2.BORDER_REFLECT, "replicate": cv2.BORDER_REPLICATE, "zero": cv2.BORDER_CONSTANT}[border]
    together: Any = None  # where OpenCV takes y, if x and y do not come together
    # OpenCV forgets the last axis if there is only one channel.
    return cv2.remap(picture, places, together, method, borderMode=outside).reshape(
        *places.shape[:2], *picture.shape[2:]
    )


def squared_length(vectors: Array) -> Array:
    """H×W×C → H×W."""
    if vectors.shape[2] > 2:
        return np.einsum("hwc,hwc->hw", vectors, vectors)
    return np.square(vectors[:, :, 0]) + np.square(vectors[:, :, 1])


@functools.lru_cache(maxsize=4)
def positions(width: int, height: int) -> Array:
    """H×W×2: each pixel's own (x, y), as OpenCV counts them. Shared: not to be written to."""
    found = np.empty((height, width, 2), np.float32)
    found[:, :, 0] = np.arange(width)
    found[:, :, 1] = np.arange(height)[:, None]
    return found


def _as_hues(vectors: Array, longest: float | None) -> Array:
    import cv2

    x, y = (np.ascontiguousarray(vectors[:, :, axis]) for axis in (0, 1))
    length, angle = cv2.cartToPolar(x, y, angleInDegrees=True)
    purity = (length / max(longest or float(length.max()), _STANDSTILL)).clip(0, 1)
    colors = np.stack([angle, purity, np.ones_like(angle)], axis=2).astype(np.float32, copy=False)
    return cv2.cvtColor(colors, cv2.COLOR_HSV2RGB)


def _classic(vectors: Array, longest: float | None) -> Array:
    x, y = np.moveaxis(vectors / np.float32(longest or max(float(np.abs(vectors).max()), _STANDSTILL)), 2, 0)
    return np.stack([1 + x, 1 - (x + y) / 2, 1 + y], axis=2).astype(np.float32, copy=False).clip(0, 1)


_VIEWS = {"hue": _as_hues, "classic": _classic}
