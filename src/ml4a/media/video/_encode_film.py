"""How the pictures of films are encoded: as H.264, VP9 or ProRes, by the container."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _record_tags
from .._ffmpeg import output_file
from ._frames import Frame, on_white
from ._pixels import matrix_for
from ._source import UNSPECIFIED, Header

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.filter import Graph
    from av.packet import Packet

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
TRANSPARENT = frozenset(["mov", "webm"])
"""Containers of codecs that have transparency: ProRes and VP9."""

_HD_COLORS, _SD_COLORS = 1, 6
"""BT.709 and BT.601, in ITU-T H.273."""
_LIMITED = 1
_GLOBAL_HEADER = 1 << 22
"""FFmpeg's flag: what all frames need is said once, by the container, as all of these have it."""
_THREADS = 4
"""The encoders', on which the bytes of H.264 depend; on fewer cores they take turns."""


@contextlib.contextmanager
def film_file(path: Path, record: str | None) -> Iterator[OutputContainer]:
    """The container that the suffix of `path` chooses, with a record's text in its metadata; see `output_file`."""
    muxer = MUXERS[path.suffix.lower()]
    # The index goes to the front, so that a browser need not load the whole film to begin. Matroska would have random
    # numbers in its header, and no two files alike.
    options = {"movflags": "faststart+use_metadata_tags"} if muxer in ("mp4", "mov") else {"fflags": "bitexact"}
    with output_file(path, muxer, options) as output:
        if record is not None:
            output.metadata.update(_record_tags.of(record, muxer))
        yield output


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    pixels: str
    options: dict[str, str]
    chroma: str = "left"
    """Where players expect the colour samples, next to their pixels."""
    pads: bool = False
    """Whether sides have to be even."""

    @property
    def alpha(self) -> bool:
        """Whether there is transparency."""
        return self.pixels.startswith("yuva")


class Pictures:
    """The encoder of a film's pictures.

    Args:
        muxer: FFmpeg's name of the container that it is for.
        shape: H×W×C of the frames.
        header: Gives the frames' clock and colours.
        quality: 1 to 100.
    """

    def __init__(self, muxer: str, shape: tuple[int, ...], header: Header, quality: int) -> None:
        import av

        height, width, channels = shape
        transparent = channels == 4 and muxer in TRANSPARENT
        if muxer == "webm":
            codec = _vp9(quality, transparent=transparent)
        elif transparent:
            codec = _prores()
        else:
            codec = _h264(quality, in_order=header.animation)
        # H.264 with a colour sample for 2×2 pixels has no odd sizes: the last row is there twice, so nothing is lost.
        self._padding = (height % 2, width % 2) if codec.pads else (0, 0)
        self._width, self._height = width + self._padding[1], height + self._padding[0]
        self.tick = header.time_base
        """Seconds of which packets' times are multiples."""
        self._last = -1
        self._durations: dict[int, int] = {}
        self._codec, self._header = codec, header
        self._hd = matrix_for(self._width, self._height) == _HD_COLORS
        self._converter = _converter(self._width, self._height, self.tick, codec, hd=self._hd)
        # No stream's encoder: streams and containers hold each other, and so an encoder's memory, long after the end.
        self._encoder: Any = av.CodecContext.create(codec.name, "w")
        self._encoder.options.update(codec.options)
        self._encoder.framerate = header.rate
        self._encoder.bit_rate = 0
        self._encoder.flags |= _GLOBAL_HEADER
        self._set_up(self._encoder)

    def track(self, output: OutputContainer) -> Any:
        """A new stream in a container, for packets of such an encoder."""
        stream: Any = output.add_stream(self._codec.name, rate=self._header.rate, options=self._codec.options)
        self._set_up(stream.codec_context)
        return stream

    def _set_up(self, encoder: Any) -> None:
        encoder.thread_count = _THREADS
        encoder.width, encoder.height, encoder.pix_fmt = self._width, self._height, self._codec.pixels
        encoder.time_base = self.tick
        encoder.color_range = _LIMITED
        encoder.colorspace = usual = _HD_COLORS if self._hd else _SD_COLORS
        colors = self._header.colors
        encoder.color_primaries, encoder.color_trc = (usual if it == UNSPECIFIED else it for it in colors)

    def encode(self, frame: Frame) -> list[Packet]:
        """What the encoder gives for another uint8 frame; their times increase."""
        import av

        array = frame.array if self._codec.alpha else on_white(frame.array)
        if any(self._padding):
            array = np.pad(array, ((0, self._padding[0]), (0, self._padding[1]), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_numpy_buffer(array, format="rgba" if self._codec.alpha else "rgb24")
        self._last = max(round(frame.time / self.tick), self._last + 1)
        self._durations[self._last] = round(frame.duration / self.tick)
        picture.pts, picture.time_base = self._last, self.tick
        self._converter.push(picture)
        return self._timed(self._encoder.encode(self._converter.pull()))

    def finish(self) -> list[Packet]:
        """What the encoder still holds."""
        return self._timed(self._encoder.encode(None))

    def _timed(self, packets: list[Packet]) -> list[Packet]:
        for packet in packets:  # encoders forget how long the frames lasted
            packet.duration = self._durations.pop(packet.pts or 0, 0)
        return packets


def _converter(width: int, height: int, tick: Fraction, codec: _Codec, *, hd: bool) -> Graph:
    """From RGB to YCbCr. Only FFmpeg's filter lets one say where the colour samples lie."""
    from av import VideoFormat
    from av.filter import Graph

    graph = Graph()
    pixels = VideoFormat("rgba" if codec.alpha else "rgb24")
    source = graph.add_buffer(width=width, height=height, format=pixels, time_base=tick)
    matrix = "bt709" if hd else "smpte170m"
    scale = graph.add("scale", f"out_color_matrix={matrix}:out_range=tv:out_chroma_loc={codec.chroma}:flags=bicubic")
    graph.link_nodes(source, scale, graph.add("format", codec.pixels), graph.add("buffersink"))
    graph.configure()
    return graph


def _h264(quality: int, *, in_order: bool) -> _Codec:
    """Quality 90 is a rate factor of 18, which few can tell from the original."""
    options = {"preset": "veryfast", "crf": f"{48 - quality / 3:.1f}"}
    # MP4 cannot say how long the last frame lasts if frames are stored out of order; in animations it matters.
    return _Codec("libx264", "yuv420p", {**options, "bf": "0"} if in_order else options, pads=True)


def _vp9(quality: int, *, transparent: bool) -> _Codec:
    options = {"crf": f"{60 - 0.4 * quality:.0f}", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
    if transparent:
        # Frames that are never shown, by which others are predicted, have no transparency to go with them.
        options["auto-alt-ref"] = "0"
    return _Codec("libvpx-vp9", "yuva420p" if transparent else "yuv420p", options, chroma="center")


def _prores() -> _Codec:
    return _Codec("prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"})
