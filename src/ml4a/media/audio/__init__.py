"""Sound: read, cut, mix, level, stretch, write, show.

    from ml4a.media import audio

    song = audio.load("song.mp3")
    song.trimmed(10, 20).faded(0.1, 2).save("chorus.wav")

Any container that FFmpeg reads will do, films too. A `Sound` is its samples, N×C float32, nominally in [-1, 1], and
their rate; nothing changes it: its methods give new sounds. `ml4a.media.listen` finds the beats, bands and onsets in it
that move pictures.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadMedia, BadValue, TooLarge

from ..image._display import _in_notebook
from . import _mix, _player, _song
from ._from_picture import from_picture
from ._griffin_lim import checked_generator, griffin_lim
from ._mel import TACOTRON, WAV2LIP, LogScale, MelSettings, mel, mel_basis
from ._read import SoundFile
from ._sound import INK, PAPER, Sound, checked_rate, checked_seconds, read_only
from ._stft import istft, stft
from ._together import concat, mix
from ._write import FORMATS
from ._writer import SoundWriter, writer

__all__ = [
    "SUFFIXES",
    "TACOTRON",
    "WAV2LIP",
    "LogScale",
    "MelSettings",
    "Sound",
    "SoundWriter",
    "Source",
    "blocks",
    "concat",
    "display",
    "from_picture",
    "griffin_lim",
    "istft",
    "load",
    "mel",
    "mel_basis",
    "mix",
    "play",
    "sample",
    "stft",
    "writer",
]

SUFFIXES = tuple(FORMATS)
"""How the names of files end that `Sound.save` and `writer` can write."""
MOST_BYTES = 2 << 30
"""Bytes of samples that `load` keeps in memory: an hour and a half of stereo at 48 kHz."""
_MOST_BARS = 256

Source: TypeAlias = "str | bytes | os.PathLike[str] | Sound"
"""Where a sound comes from: a path, an http(s) URL, the bytes of a file, or a sound already here."""


def load(
    source: Source,
    rate: int | None = None,
    channels: int | None = None,
    start: float = 0,
    seconds: float | None = None,
) -> Sound:
    """Read a sound: WAV, FLAC, MP3, Ogg, Opus, AAC, AIFF, AU, CAF, or the first sound track of a film.

    Args:
        source: A path, an http(s) URL, the bytes of a file, or a `Sound`.
        rate: Samples a second that the sound is converted to; None: those of the file.
        channels: 1 or 2 to mix down (or double); None: those of the file.
        start: Seconds to leave out at the beginning.
        seconds: How much to read; None: all.

    Raises:
        NotFound: there is no such file.
        BadMedia: no sound (text, a picture, a silent film), broken, without samples, or with NaN among them.
        TooLarge: more than 2 GiB of samples; or channels, streams or a rate beyond any limit.
        BadValue: nothing is left after `start`.
    """
    _check_channels(channels)
    rate = None if rate is None else checked_rate(rate)
    if isinstance(source, Sound):
        sound = _part(source, channels, start, seconds)
    elif isinstance(source, str | bytes | os.PathLike):
        sound = _read(SoundFile(source), channels, start, seconds)
    else:
        raise BadValue(f"a sound is a path, an address, bytes or a Sound, not {type(source).__name__}")
    return sound if rate is None else sound.resampled(rate)


def blocks(
    source: str | bytes | os.PathLike[str], seconds: float = 1.0, *, channels: int | None = None, start: float = 0
) -> Iterator[Sound]:
    """A sound, block by block, however long it is: only one block is in memory at a time.

    Args:
        source: As `load` takes it.
        seconds: Of each block, to the nearest sample; the last may be shorter.
        channels: 1 or 2 to mix down (or double); None: those of the file.
        start: Seconds to leave out at the beginning.

    Raises:
        NotFound, BadMedia, TooLarge, BadValue: as `load`, before the first block or when it comes to it.
    """
    _check_channels(channels)
    file = SoundFile(source)
    return _blocks(file, _length(seconds, file.rate), channels, checked_seconds("start", start))


def _blocks(file: SoundFile, length: int, channels: int | None, start: float) -> Iterator[Sound]:
    waiting: list[np.ndarray[Any, Any]] = []
    count = 0
    for part in _cut(file, start, None):
        waiting.append(part)
        count += len(part)
        if count >= length:
            joined = np.concatenate(waiting)
            whole = count // length * length
            for first in range(0, whole, length):
                yield _sound_of(file, _mixed(joined[first : first + length], channels))
            waiting, count = [joined[whole:]], count - whole
    if count:
        yield _sound_of(file, _mixed(np.concatenate(waiting), channels))


def sample(bars: int = 8, *, rate: int = 44_100, seed: int = 0) -> Sound:
    """A piece of music to try things on, synthesised by our own code: strings, bass and drums, 112 beats a minute.

    Args:
        bars: Of four beats; 8 take 19 seconds.
        rate: Hz.
        seed: Chooses the melody.

    Raises:
        BadValue: a number out of range.
    """
    if not (isinstance(bars, int) and 1 <= bars <= _MOST_BARS):
        raise BadValue(f"bars must be a whole number between 1 and {_MOST_BARS}, not {bars!r}")
    checked_generator(seed)
    return _composed(bars, checked_rate(rate), int(seed))


@functools.lru_cache(maxsize=4)
def _composed(bars: int, rate: int, seed: int) -> Sound:
    return Sound(read_only(_song.compose(rate, bars, seed)), rate)


def display(source: Source, *, play: bool = False) -> None:
    """Show a sound in a notebook: its waveform and a player. Elsewhere, say how to save it instead.

    Args:
        source: As `load` takes it.
        play: Whether it starts by itself.
    """
    sound = load(source)
    if not _in_notebook():
        print(f"{sound!r}; notebooks play it, elsewhere use sound.save(…)")  # noqa: T201
        return
    from IPython.display import HTML  # type: ignore[import-not-found]  # a notebook brings it along
    from IPython.display import display as show  # type: ignore[import-not-found]

    show(HTML(_player.page(sound.samples, sound.rate, INK, PAPER, autoplay=play)))


def play(source: Source) -> None:
    """Play a sound in a notebook, at once."""
    display(source, play=True)


def _part(sound: Sound, channels: int | None, start: float, seconds: float | None) -> Sound:
    start = checked_seconds("start", start)
    if start > 0 or seconds is not None:
        end = None if seconds is None else start + _length(seconds, sound.rate) / sound.rate
        sound = sound.trimmed(start, end)
    mixed = _mixed(sound.samples, channels)
    return sound if mixed is sound.samples else Sound(read_only(mixed), sound.rate)


def _read(file: SoundFile, channels: int | None, start: float, seconds: float | None) -> Sound:
    parts, size = [], 0
    for part in _cut(file, start, seconds):
        parts.append(_mixed(part, channels))
        size += parts[-1].nbytes
        if size > MOST_BYTES:
            what = f"{file.name} holds more than {MOST_BYTES >> 30} GiB of samples"
            raise TooLarge(f"{what}; load a part (start, seconds), or read it with audio.blocks")
    if not parts:
        raise BadValue(f"nothing is left of {file.name} after start={start} s")
    return _sound_of(file, np.concatenate(parts))


def _cut(file: SoundFile, start: float, seconds: float | None) -> Iterator[np.ndarray[Any, Any]]:
    """The file's blocks from `start` on, for as long as said."""
    first = round(checked_seconds("start", start) * file.rate)
    last = None if seconds is None else first + _length(seconds, file.rate)
    done = 0
    for block in file.blocks():
        part = block[max(0, first - done) : None if last is None else last - done]
        done += len(block)
        if len(part):
            yield part
        if last is not None and done >= last:
            return


def _length(seconds: float, rate: int) -> int:
    length = round(checked_seconds("seconds", seconds) * rate)
    if length < 1:
        raise BadValue(f"seconds must be at least one sample long, not {seconds!r}")
    return length


def _sound_of(file: SoundFile, samples: np.ndarray[Any, Any]) -> Sound:
    if not np.isfinite(samples).all():
        raise BadMedia(f"{file.name} holds samples that are no numbers (NaN or infinity); export it again")
    return Sound(read_only(samples), file.rate)


def _check_channels(channels: int | None) -> None:
    if channels not in (None, 1, 2):
        raise BadValue(f"channels must be 1, 2 or None, not {channels!r}")


def _mixed(samples: np.ndarray[Any, Any], channels: int | None) -> np.ndarray[Any, Any]:
    if channels is None or channels == samples.shape[1]:
        return samples
    return _mix.mono(samples) if channels == 1 else _mix.stereo(samples)
