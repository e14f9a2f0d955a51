"""Sound files written block by block, however long they become."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ml4a._core import files, progress
from ml4a._core.errors import BadValue
from ml4a._core.record import Record

from . import _write
from ._read import MOST_CHANNELS
from ._sound import Sound, checked_rate


class SoundWriter:
    """What `writer` yields."""

    def __init__(self, encoder: _write.Encoder, rate: int, channels: int, name: str) -> None:
        self._encoder, self._name = encoder, name
        self.rate = rate
        """Hz of the samples that it takes."""
        self.channels = channels
        """How many channels they have."""
        self.duration = 0.0
        """Seconds written so far."""
        self._count = 0

    def write(self, block: Sound | np.ndarray[Any, Any]) -> None:
        """Add a block to the end.

        Args:
            block: A sound of the file's rate and channels; or samples of any kind that `Sound` takes.

        Raises:
            BadValue: another rate or number of channels, NaN, or a rate that the format does not know.
        """
        sound = block if isinstance(block, Sound) else Sound(block, self.rate)
        if (sound.rate, sound.channels) != (self.rate, self.channels):
            here = f"{self.channels} channel{'s' * (self.channels > 1)} at {self.rate} Hz"
            raise BadValue(
                f"{self._name} is of {here}; {sound!r} is not: use .resampled, .mono or .stereo on the whole"
            )
        self._encoder.write(sound.samples)
        self._count += len(sound.samples)
        self.duration = self._count / self.rate
        progress.report(self._name, self.duration, None, "s")


@contextlib.contextmanager
def writer(
    path: str | os.PathLike[str],
    rate: int,
    channels: int = 1,
    *,
    overwrite: bool = False,
    bits: int | None = None,
    record: Record | None = None,
) -> Iterator[SoundWriter]:
    """Write a sound block by block; the file appears, whole, when the `with` block ends well, and else not at all.

        with audio.writer("quiet.flac", 44_100, 2) as file:
            for block in audio.blocks("long.wav"):
                file.write(block.gain(-6))

    Only what the encoder holds back is in memory, however long the file becomes.

    Args:
        path: Where. The suffix chooses the format, as for `Sound.save`.
        rate: Hz of the samples that will be written.
        channels: How many they have.
        overwrite: Whether a file of that name may be replaced.
        bits: A sample, as for `Sound.save`.
        record: What made the sound.

    Raises:
        BadValue: no such format, or one that does not take so many channels; or nothing was written.
        OutputExists: the file exists and `overwrite` is false, or it is a folder.
        CannotWrite: no permission, no space.
    """
    target, rate = Path(path), checked_rate(rate)
    if isinstance(channels, bool) or not isinstance(channels, int) or not 1 <= channels <= MOST_CHANNELS:
        raise BadValue(f"channels must be a whole number between 1 and {MOST_CHANNELS}, not {channels!r}")
    _write.check(target, channels, bits)
    with (
        files.atomic(target, overwrite=overwrite) as temporary,
        _write.encoder(temporary, rate, channels, bits=bits, record=_write.record_text(record)) as encoder,
    ):
        file = SoundWriter(encoder, rate, channels, target.name)
        yield file
        if not file.duration:
            raise BadValue(f"nothing was written to {target.name}, and a sound has at least one sample")
