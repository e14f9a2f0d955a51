"""Files opened and decoded by FFmpeg, which is only shown what it is asked to open."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core import limits
from ml4a._core.errors import BadMedia

from . import sources

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@contextlib.contextmanager
def open_container(source: Path | bytes, container: str) -> Iterator[InputContainer]:
    """A file, opened as the one container that it was recognised to be.

    Raises:
        BadMedia: it is not, or it is broken.
    """
    import av.error

    # A file object has no protocols: nothing in the file can make FFmpeg open another file or address.
    options = {"protocol_whitelist": "", "max_streams": str(limits.FILM_STREAMS + 1)}
    with sources.open_file(source) as file:
        try:
            opened = av.open(file, "r", format=container, options=options, **_lenient(av.__version__))
        except av.error.FFmpegError as error:
            reason = f"{sources.shown(source)} is broken, or its index is missing: {error.strerror}"
            raise BadMedia(reason) from None
        with opened:
            yield opened


def decode(file: InputContainer, track: Any) -> Iterator[Any]:
    """The frames of a track of pictures or sound; None for a packet that cannot be decoded."""
    import av.error

    decoder = _decoder(track)
    packets = file.demux(track)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the rest of the file is not there
            packet = None
        try:
            yield from decoder.decode(packet)
        except av.error.EOFError:  # it was at its end already
            return
        except av.error.FFmpegError:
            yield None
        if packet is None:
            return


def _lenient(version: str) -> dict[str, Any]:
    """So that metadata which are no UTF-8 are no error, as they never are from PyAV 19 on."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def _decoder(track: Any) -> Any:
    """What decodes a track. FFmpeg's own decoders of VP8 and VP9 pass the transparency over."""
    import av

    usual = track.codec_context
    if track.metadata.get("alpha_mode") == "1" and usual.name in _WITH_ALPHA:
        return av.CodecContext.create(_WITH_ALPHA[usual.name], "r")
    return usual


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


def fraction(rational: Any) -> Fraction:
    """PyAV's rationals, which are Python's up to its version 18 and its own from 19."""
    return Fraction(rational.numerator, rational.denominator)
