"""Frames in, a film out: H.264 or VP9, with the source's sound."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ._demux import FilmFile
from ._frames import Frame, on_white
from ._pixels import matrix_for
from ._sound import Sound
from ._webp import WebPFile

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.filter import Graph
    from av.packet import Packet

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
RECORD_TAG = "ml4a"

_UNSPECIFIED = 2
_HD_COLORS, _SD_COLORS = 1, 6
"""BT.709 and BT.601, in ITU-T H.273."""
_LIMITED = 1


Source: TypeAlias = FilmFile | WebPFile
"""What the frames come from."""


def write_film(
    path: Path,
    frames: Iterator[Frame],
    source: Source,
    *,
    quality: int,
    record: str | None = None,
    cut_short: threading.Event | None = None,
) -> None:
    """Write uint8 frames to `path`, whose suffix chooses the container.

    Args:
        path: Where.
        frames: All of one size.
        source: Gives the frames' clock; its sound goes along.
        quality: 1 to 100.
        record: Text for the container's metadata.
        cut_short: Set if the frames end before the source does: the sound then ends with them.

    Raises:
        OSError: the file cannot be written.
        av.error.FFmpegError: the codec cannot encode such frames.
    """
    first = next(frames)
    muxer = MUXERS[path.suffix.lower()]
    # The index goes to the front, so that a browser need not load the whole film to begin.
    options = {"movflags": "faststart+use_metadata_tags"} if muxer in ("mp4", "mov") else {}
    with contextlib.ExitStack() as closing:
        output = closing.enter_context(output_file(path, muxer, options))
        if record is not None:
            output.metadata.update({RECORD_TAG: record, "comment": "made with ml4a"})
        pictures = _Pictures(output, first, source, quality)
        sound = None
        if isinstance(source, FilmFile) and source.sound:
            sound = closing.enter_context(contextlib.closing(Sound(source, output)))
        for frame in itertools.chain([first], frames):
            output.mux(pictures.encode(frame))
            if sound:
                sound.carry(until=frame.time + frame.duration)
        if sound:
            if cut_short is None or not cut_short.is_set():
                sound.carry()
            sound.finish()
        output.mux(pictures.finish())


@contextlib.contextmanager
def output_file(path: Path, muxer: str, options: dict[str, str]) -> Iterator[OutputContainer]:
    """A container to write to. It is completed if the block ends well; otherwise the file is left as it is."""
    import av

    with path.open("w+b") as file:
        output = av.open(file, "w", format=muxer, options=options)
        try:
            yield output
            output.close()
        except BaseException:
            file.close()
            with contextlib.suppress(Exception):
                output.close()
            raise


class _Pictures:
    """The picture track of a film."""

    def __init__(self, output: OutputContainer, first: Frame, source: Source, quality: int) -> None:
        height, width = first.array.shape[:2]
        vp9 = output.format.name == "webm"
        # H.264 with a colour sample for 2×2 pixels has no odd sizes: the last row is there twice, so nothing is lost.
        self._padding = (0, 0) if vp9 else (height % 2, width % 2)
        height, width = height + self._padding[0], width + self._padding[1]
        hd = matrix_for(width, height) == _HD_COLORS
        self._tick = source.time_base
        self._last = -1
        self._durations: dict[int, int] = {}
        # Players expect the colour samples of H.264 at the left of their pixels, and those of VP9 in the middle.
        self._converter = _converter(width, height, self._tick, hd=hd, chroma="center" if vp9 else "left")
        codec, options = _vp9(quality) if vp9 else _h264(quality, in_order=source.animation)
        self._track: Any = output.add_stream(codec, rate=source.rate, options=options)
        context = self._track.codec_context
        context.width, context.height, context.pix_fmt, context.time_base = width, height, "yuv420p", self._tick
        context.color_range = _LIMITED
        context.colorspace = usual = _HD_COLORS if hd else _SD_COLORS
        context.color_primaries, context.color_trc = (usual if it == _UNSPECIFIED else it for it in source.colors)

    def encode(self, frame: Frame) -> list[Packet]:
        import av

        array = on_white(frame.array)
        if any(self._padding):
            array = np.pad(array, ((0, self._padding[0]), (0, self._padding[1]), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_numpy_buffer(array, format="rgb24")
        self._last = max(round(frame.time / self._tick), self._last + 1)
        self._durations[self._last] = round(frame.duration / self._tick)
        picture.pts, picture.time_base = self._last, self._tick
        self._converter.push(picture)
        return self._timed(self._track.encode(self._converter.pull()))

    def finish(self) -> list[Packet]:
        """What the encoder still holds."""
        return self._timed(self._track.encode(None))

    def _timed(self, packets: list[Packet]) -> list[Packet]:
        for packet in packets:  # encoders forget how long the frames lasted
            packet.duration = self._durations.pop(packet.pts or 0, 0)
        return packets


def _converter(width: int, height: int, tick: Fraction, *, hd: bool, chroma: str) -> Graph:
    """From RGB to YCbCr with a quarter of the colour samples. Only FFmpeg's filter lets one say where these lie."""
    from av import VideoFormat
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format=VideoFormat("rgb24"), time_base=tick)
    matrix = "bt709" if hd else "smpte170m"
    scale = graph.add("scale", f"out_color_matrix={matrix}:out_range=tv:out_chroma_loc={chroma}:flags=bicubic")
    graph.link_nodes(source, scale, graph.add("format", "yuv420p"), graph.add("buffersink"))
    graph.configure()
    return graph


def _h264(quality: int, *, in_order: bool) -> tuple[str, dict[str, str]]:
    """Quality 90 is a rate factor of 18, which few can tell from the original."""
    options = {"preset": "veryfast", "crf": f"{48 - quality / 3:.1f}"}
    # MP4 cannot say how long the last frame lasts if frames are stored out of order; in animations it matters.
    return "libx264", {**options, "bf": "0"} if in_order else options


def _vp9(quality: int) -> tuple[str, dict[str, str]]:
    return "libvpx-vp9", {
        "crf": f"{60 - 0.4 * quality:.0f}",
        "b": "0",
        "deadline": "good",
        "cpu-used": "5",
        "row-mt": "1",
    }
