"""What lies between two moments of a film, encoded by itself: a segment, which begins with a key frame.

Where segments begin depends on the frames' times alone, and the encoder has the same number of threads everywhere: the
same frames give the same segments, whoever computes them and wherever they were interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core.errors import BadMedia

from ._encode_film import Pictures
from ._frames import Frame
from ._parts import Part, PartWriter, Point
from ._source import Header

if TYPE_CHECKING:
    from av.packet import Packet

SECONDS = 4
"""How long a segment is."""

_ALPHA = "matroska_block_additional"
"""What FFmpeg calls the transparency that goes along with a frame of VP9."""
_LARGEST_PACKET = 1 << 30


def number_of(time: Fraction) -> int:
    """The segment that a frame belongs to."""
    return int(time // SECONDS)


class SegmentWriter:
    """A segment that is being encoded.

    Args:
        folder: Where parts are.
        first: The number of its first frame.
        shape: H×W×C of its frames.
        header: Gives the frames' clock.
        muxer: FFmpeg's name of the container that it is for.
        quality: 1 to 100.
    """

    def __init__(
        self, folder: Path, first: int, shape: tuple[int, ...], header: Header, muxer: str, quality: int
    ) -> None:
        self._first, self._shape = first, shape
        self._pictures = Pictures(muxer, shape, header, quality)
        self._table: list[tuple[int, ...]] = []
        self._file = PartWriter(folder)

    def add(self, frame: Frame) -> None:
        """Encode another uint8 frame."""
        self._keep(self._pictures.encode(frame))

    def close(self, path: Path, point: Point) -> Part:
        """Complete it, and let it appear as `path`."""
        self._keep(self._pictures.finish())
        table = np.array(self._table, np.int64).reshape(-1, 5)
        return self._file.close(path, self._first, self._shape, point, {}, {"packets": table})

    def abandon(self) -> None:
        """Leave nothing of it behind."""
        self._file.abandon()

    def _keep(self, packets: list[Packet]) -> None:
        for packet in packets:
            alpha = bytes(packet.get_sidedata(_ALPHA)) if packet.has_sidedata(_ALPHA) else b""
            self._file.write(bytes(packet))
            self._file.write(alpha)
            times = (packet.pts or 0, packet.duration or 0)
            self._table.append((packet.size, len(alpha), *times, int(packet.is_keyframe)))


@dataclass(frozen=True, slots=True)
class Packets:
    """The encoded frames of a segment, in the order of decoding."""

    part: Part
    table: np.ndarray[Any, Any]
    """N×5: bytes of the picture and of its transparency, time and duration in ticks, whether it is a key frame."""

    @classmethod
    def of(cls, part: Part) -> Packets:
        """Those of a segment that is kept.

        Raises:
            BadMedia: it is damaged.
        """
        table = part.array("packets")
        sane = table.dtype == np.int64 and table.ndim == 2 and table.shape[1] == 5 and len(table) > 0
        if not sane or (table[:, :2] < 0).any() or (table[:, :2] > _LARGEST_PACKET).any():
            raise BadMedia(f"{part.path} holds no segment; remove {part.path.parent} to begin anew")
        return cls(part, table)

    @property
    def times(self) -> np.ndarray[Any, Any]:
        """When they are shown, in ticks."""
        return self.table[:, 2]

    def read(self) -> Iterator[Packet]:
        """The packets themselves, without times.

        Raises:
            BadMedia: the segment is damaged.
        """
        import av
        from av.packet import PacketSideData, packet_sidedata_type_from_literal

        kind = packet_sidedata_type_from_literal(_ALPHA)
        with self.part.data() as data:
            for size, beside, _, _, key in self.table.tolist():
                content, alpha = data.read(size), data.read(beside)
                if (len(content), len(alpha)) != (size, beside):
                    raise EOFError
                packet = av.Packet(content)
                packet.is_keyframe = bool(key)
                if alpha:
                    make: Any = PacketSideData
                    side = make(kind, len(alpha))
                    side.update(alpha)
                    packet.set_sidedata(side)
                yield packet
            if data.read(1):
                raise EOFError


def write_frames(
    folder: Path, path: Path, first: int, frames: list[Frame], point: Point, *, compress: bool = False
) -> Part:
    """Keep uint8 frames as they are.

    Args:
        folder: Where parts are.
        path: What it is to be called.
        first: The number of the first of them.
        frames: All of one size, at least one.
        point: Where the computation was after the last of them.
        compress: Whether they are made smaller, without loss.
    """
    file = PartWriter(folder, compress=compress)
    try:
        for frame in frames:
            file.write(np.ascontiguousarray(frame.array).data.cast("B"))
        times = [[*_pair(frame.time), *_pair(frame.duration)] for frame in frames]
        return file.close(path, first, frames[0].array.shape, point, {"times": times}, {})
    except BaseException:
        file.abandon()
        raise


def read_frames(part: Part) -> Iterator[Frame]:
    """The frames that `write_frames` kept.

    Raises:
        BadMedia: they are damaged.
    """
    height, width, channels = part.shape
    with part.data() as data:
        for begin, begin_of, long, long_of in part.facts["times"]:
            pixels = np.frombuffer(data.read(height * width * channels), np.uint8).copy()
            yield Frame(pixels.reshape(part.shape), Fraction(begin, begin_of), Fraction(long, long_of))
        if data.read(1):
            raise EOFError


def _pair(time: Fraction) -> tuple[int, int]:
    return time.numerator, time.denominator
