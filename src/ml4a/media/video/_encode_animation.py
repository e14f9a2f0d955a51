"""Frames in, an animated GIF, WebP or PNG out."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core.record import Record

from .. import _blocks
from .._ffmpeg import output_file
from ..image import _metadata
from ._frames import Frame
from ._palette import Palette
from ._source import Header

if TYPE_CHECKING:
    from av import VideoFrame


@dataclass(frozen=True, slots=True)
class _Format:
    muxer: str
    codec: str
    tick: Fraction
    """Seconds; frames begin at multiples of it."""
    shortest: int
    """Ticks; viewers slow shorter frames down."""
    forever: dict[str, str]
    """The muxer's option for repeating without end."""


_PNG = _Format("apng", "apng", Fraction(1, 1000), 1, {"plays": "0"})
_FORMATS = {
    ".gif": _Format("gif", "gif", Fraction(1, 100), 2, {"loop": "0"}),
    ".webp": _Format("webp", "libwebp_anim", Fraction(1, 1000), 1, {"loop": "0"}),
    ".png": _PNG,
    ".apng": _PNG,
}
SUFFIXES = tuple(_FORMATS)

_LOSSLESS = 100
_HAS_XMP, _HAS_ALPHA = 4, 16
"""Flags in the VP8X chunk of a WebP."""


def write_animation(
    path: Path, frames: Iterator[Frame], header: Header, *, quality: int, record: Record | None = None
) -> None:
    """Write uint8 frames to `path`, whose suffix chooses the format. The animation repeats without end.

    A GIF has 256 colours, no half-transparent pixels and at most 50 frames a second; frames between are left out.

    Args:
        path: Where.
        frames: All of one size.
        header: Gives their rate.
        quality: 1 to 100, for WebP; 100 is lossless.
        record: What made it.

    Raises:
        OSError: the file cannot be written.
        av.error.FFmpegError: the codec cannot encode such frames.
    """
    first = last = next(frames)
    form = _FORMATS[path.suffix.lower()]
    begun = -form.shortest
    with output_file(path, form.muxer, form.forever) as output:
        track: Any = output.add_stream(form.codec, rate=header.rate, options=_options(form, quality))
        to_video = _set_up(track.codec_context, form, first.array.shape)
        for last in itertools.chain([first], frames):
            tick = round(last.time / form.tick)
            if tick < begun + form.shortest:
                continue
            begun = tick
            video = to_video(last.array)
            video.pts, video.time_base = tick, form.tick
            output.mux(track.encode(video))
        output.mux(track.encode(None))
    until = round((last.time + last.duration) / form.tick)
    missing = _Missing(max(form.shortest, until - begun), record, first.array.shape)
    path.write_bytes(_FINISH[form.muxer](path.read_bytes(), missing))


@dataclass(frozen=True, slots=True)
class _Missing:
    """What FFmpeg does not write."""

    duration: int
    """Ticks of the last frame; FFmpeg gives it as long as the one before."""
    record: Record | None
    shape: tuple[int, ...]
    """H×W×C of the frames; FFmpeg forgets that some pixels are transparent if it has cut all of them off its frames."""


def _options(form: _Format, quality: int) -> dict[str, str]:
    if form.muxer != "webp":
        return {}
    return {"quality": f"{quality}", "lossless": f"{quality == _LOSSLESS:d}"}


def _set_up(context: Any, form: _Format, shape: tuple[int, ...]) -> Callable[[np.ndarray[Any, Any]], VideoFrame]:
    """Tell the encoder what comes; return what makes its frames of H×W×C uint8 arrays."""
    import av

    height, width, channels = shape
    arrays = "rgba" if channels == 4 else "rgb24"
    encoded = {"gif": "pal8", "webp": "bgra", "apng": arrays}[form.muxer]
    context.width, context.height, context.pix_fmt, context.time_base = width, height, encoded, form.tick
    if encoded == "pal8":
        palette = Palette()
        make: Any = av.VideoFrame.from_ndarray  # takes pairs for pal8, though its types do not say so
        return lambda picture: make(palette(picture), format="pal8")
    return lambda picture: av.VideoFrame.from_ndarray(picture, format=arrays).reformat(format=encoded)


def _finish_gif(data: bytes, missing: _Missing) -> bytes:
    result = bytearray(data)
    start = [block.start for block in _blocks.gif_blocks(io.BytesIO(data)) if block.kind == b"\xf9"][-1]
    struct.pack_into("<H", result, start + 2, min(missing.duration, 0xFFFF))
    if missing.record is not None:
        position = _blocks.gif_header_length(io.BytesIO(data))
        result[position:position] = _gif_comment(_metadata.pillow_options("GIF", missing.record)["comment"])
    return bytes(result)


def _gif_comment(comment: bytes) -> bytes:
    parts = [comment[start : start + 255] for start in range(0, len(comment), 255)]
    return b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _finish_png(data: bytes, missing: _Missing) -> bytes:
    result = bytearray(data)
    chunk = [chunk for chunk in _blocks.png_chunks(io.BytesIO(data)) if chunk.kind == b"fcTL"][-1]
    end = chunk.start + chunk.length
    milliseconds = missing.duration
    delay = (milliseconds, 1000) if milliseconds <= 0xFFFF else (min(milliseconds // 1000, 0xFFFF), 1)
    struct.pack_into(">HH", result, chunk.start + 20, *delay)
    struct.pack_into(">I", result, end, zlib.crc32(result[chunk.start - 4 : end]))
    return _metadata.insert_into_png(bytes(result), missing.record)


def _finish_webp(data: bytes, missing: _Missing) -> bytes:
    height, width, channels = missing.shape
    if data[12:16] != b"VP8X":  # frames that are all alike become a still picture, which may lack this header
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        data = data[:12] + struct.pack("<4sIB3x", b"VP8X", 10, 0) + size + data[12:]
    result = bytearray(data)
    flags = 20
    starts = [chunk.start for chunk in _blocks.webp_chunks(io.BytesIO(data)) if chunk.kind == b"ANMF"]
    for start in starts[-1:]:
        result[start + 12 : start + 15] = min(missing.duration, 0xFFFFFF).to_bytes(3, "little")
    if channels == 4:
        result[flags] |= _HAS_ALPHA
    if missing.record is not None:
        packet = _metadata.packet(missing.record)
        result += struct.pack("<4sI", b"XMP ", len(packet)) + packet + b"\0" * (len(packet) % 2)
        result[flags] |= _HAS_XMP
    struct.pack_into("<I", result, 4, len(result) - 8)
    return bytes(result)


_FINISH = {"gif": _finish_gif, "apng": _finish_png, "webp": _finish_webp}
