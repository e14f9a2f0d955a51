"""Decoded frames → upright RGB pictures with square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ._frames import on_white

if TYPE_CHECKING:
    from av import VideoFrame

_UNSPECIFIED = 2
_BT709, _BT601 = 1, 5
_MOST_OBLONG = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pictures of a film lie in its frames."""

    width: int
    height: int
    """Of the frame, its pixels made square, before it is turned."""
    transposed: bool
    mirrored: bool
    """Left and right, after transposing."""
    flipped: bool
    """Top and bottom, after transposing."""
    alpha: bool
    matrix: int | None
    """The colour matrix where the frames do not name theirs."""

    @classmethod
    def of(cls, frame: VideoFrame, aspect: Fraction | None, *, animation: bool) -> Layout:
        """From a film's first frame and the width of its pixels in their heights.

        An animation has an alpha channel in any case; it has transparency if it has it in its first frame.
        """
        width, height = frame.width, frame.height
        if aspect and 1 < aspect <= _MOST_OBLONG:
            width = round(width * aspect)
        elif aspect and Fraction(1, _MOST_OBLONG) <= aspect < 1:
            height = round(height / aspect)
        matrix = matrix_for(width, height) if frame.colorspace == _UNSPECIFIED else None
        alpha = _has_alpha(frame)
        if alpha and animation:
            alpha = int(_planes(frame.reformat(format="gbrap"))[3].min()) < 255
        return cls(width, height, *_orientation(frame), alpha, matrix)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright picture."""
        return (self.height, self.width) if self.transposed else (self.width, self.height)


class Converter:
    """Makes upright H×W×3 or H×W×4 uint8 arrays of the frames of one film."""

    def __init__(self, layout: Layout) -> None:
        from av.video.reformatter import Interpolation, VideoReformatter

        self._layout = layout
        self._reformatter = VideoReformatter()
        # Without accurate rounding colours are off by up to 3/255.
        self._interpolation = Interpolation.BICUBIC | Interpolation.ACCURATE_RND

    def __call__(self, frame: VideoFrame) -> np.ndarray[Any, Any] | None:
        """The picture in a frame, scaled if it is of another size than the first; None if it makes no sense."""
        import av.error
        import cv2

        layout = self._layout
        try:
            planar = self._reformatter.reformat(
                frame,
                width=layout.width,
                height=layout.height,
                # Planes, since FFmpeg interpolates colour between pixels only on the way to these.
                format="gbrap" if _has_alpha(frame) else "gbrp",
                interpolation=self._interpolation,
                src_colorspace=layout.matrix,
            )
        except av.error.FFmpegError:
            return None
        green, blue, red, *alpha = _planes(planar)
        picture = cv2.merge([red, green, blue, *alpha])
        if alpha and not layout.alpha:
            picture = on_white(picture)
        elif layout.alpha and not alpha:
            picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
        if layout.transposed:
            picture = picture.swapaxes(0, 1)
        if layout.mirrored:
            picture = picture[:, ::-1]
        if layout.flipped:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def matrix_for(width: int, height: int) -> int:
    """The colour matrix that a film of this size has if it does not say: BT.709 for HD, BT.601 below."""
    return _BT709 if width >= 1280 or height >= 720 else _BT601


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)


def _planes(frame: VideoFrame) -> list[np.ndarray[Any, Any]]:
    planes: tuple[Any, ...] = frame.planes  # buffers, though they do not say so
    return [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in planes]


def _orientation(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """Transposed, mirrored, flipped: what the display matrix (ISO 14496-12, 6.2.2) comes to in quarter turns."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)
