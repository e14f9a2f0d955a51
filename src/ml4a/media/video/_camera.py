"""Cameras, by FFmpeg's devices: Video4Linux, AVFoundation, DirectShow."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ml4a._core.errors import BadMedia, BadValue, NotFound

from .._ffmpeg import fraction
from ._frames import Frame
from ._pipeline import ahead
from ._pixels import Converter, Layout
from ._source import FINE_TICK, Header

if TYPE_CHECKING:
    from av.container import InputContainer

PREFIX = "camera:"

_DEFAULT_RATE = Fraction(30)
_DEVICES = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none"), "win32": ("dshow", "video={}")}
"""By platform, FFmpeg's name of what reads cameras and how it calls the one of a number."""


class Camera:
    """A live source: it has no length, and each pass begins now.

    Args:
        name: A number, a device such as `/dev/video2`, or on Windows the name of a camera.
        form: FFmpeg's name of what reads it, as in `_DEVICES`.
        options: For FFmpeg: `video_size`, `framerate`.

    Raises:
        NotFound: there is no such camera.
        BadMedia: it gives no pictures.
    """

    track = None
    damaged = 0

    def __init__(self, name: str, form: str, options: dict[str, str] | None = None) -> None:
        self._name, self._form, self._options = name, form, options or {}
        with self._opened() as file:
            first = next(file.decode(video=0), None)
            if first is None:
                raise BadMedia(f"the camera {name} gives no pictures; does another program use it?")
            self._layout = Layout.of(first, file.streams.video[0].sample_aspect_ratio, animation=False)
            guessed = file.streams.video[0].average_rate
        rate = fraction(guessed) if guessed else _DEFAULT_RATE
        self.size = self._layout.size
        self.header = Header(f"the camera {name}", rate, FINE_TICK, None, None)

    def frames(self, start: Fraction = Fraction(0), queue: int = 1) -> Generator[Frame, None, None]:
        """What the camera sees from now on, uint8, without what it saw before `start`."""
        with contextlib.closing(ahead(self._read, queue)) as frames:
            for frame in frames:
                if frame.time + frame.duration > start:
                    yield frame

    def _read(self) -> Generator[Frame, None, None]:
        converter = Converter(self._layout)
        step = 1 / self.header.rate
        with self._opened() as file:
            origin: Fraction | None = None
            time = -step
            for frame in file.decode(video=0):
                picture = converter(frame)
                if picture is None:
                    continue
                if frame.pts is None or not frame.time_base:
                    time += step
                else:
                    now = frame.pts * fraction(frame.time_base)
                    origin = now if origin is None else origin
                    time = max(time + FINE_TICK, now - origin)
                yield Frame(picture, time, step)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[InputContainer]:
        import av
        import av.error

        try:
            file = av.open(self._name, "r", format=self._form, options=self._options)
        except (av.error.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "FFmpeg was built without it"
            raise NotFound(f"there is no camera {self._name} ({self._form}: {reason}); is it plugged in?") from None
        with file:
            yield file


def find(name: str, *, size: tuple[int, int] | None = None, rate: float | None = None) -> Camera:
    """The camera that `camera:NAME` means on this system: a number, or what the system calls it.

    Raises:
        NotFound: there is no such camera.
        BadValue: no name.
    """
    if not name:
        raise BadValue("camera: is followed by the number or the name of a camera, as in camera:0")
    form, pattern = next((each for system, each in _DEVICES.items() if sys.platform.startswith(system)), ("v4l2", "{}"))
    options: dict[str, Any] = {}
    if size is not None:
        options["video_size"] = f"{size[0]}x{size[1]}"
    if rate is not None:
        options["framerate"] = f"{rate:g}"
    return Camera(pattern.format(name) if name.isdecimal() or form == "dshow" else name, form, options)
