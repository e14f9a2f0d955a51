"""Several sounds made into one: one after the other, or all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml4a._core.errors import BadValue

from . import _mix
from ._sound import Sound, checked_seconds, read_only


def concat(sounds: Sequence[Sound], gap: float = 0, *, crossfade: float = 0) -> Sound:
    """One after the other. All get the first's rate and the most channels.

    Args:
        sounds: At least one.
        gap: Seconds of silence between.
        crossfade: Instead, seconds in which each turns into the next, at equal power.

    Raises:
        BadValue: no sounds, some of more than two channels and others of another number, a gap as well as a crossfade,
            or a sound that is shorter than the crossfade.
    """
    alike = _alike(sounds)
    first = alike[0]
    silence = round(checked_seconds("gap", gap) * first.rate)
    overlap = round(checked_seconds("crossfade", crossfade) * first.rate)
    if silence and overlap:
        raise BadValue("give a gap or a crossfade, not both")
    shortest = min(len(sound.samples) for sound in alike)
    if overlap > shortest and len(alike) > 1:
        what = f"the shortest sound lasts {shortest / first.rate:.3f} s"
        raise BadValue(f"{what}, so the crossfade can be no longer, and {crossfade!r} s is")
    parts = [sound.samples for sound in alike]
    if silence:
        between = np.zeros((silence, first.channels), np.float32)
        parts = [part for samples in parts for part in (between, samples)][1:]
    return Sound(read_only(_mix.join(parts, overlap)), first.rate)


def mix(
    sounds: Sequence[Sound], *, starts: Sequence[float] | None = None, gains: Sequence[float] | None = None
) -> Sound:
    """All at the same time, added up. All get the first's rate and the most channels. The sum may be beyond [-1, 1].

        audio.mix([voice, music], gains=[0, -12]).leveled()

    Args:
        sounds: At least one.
        starts: When each begins, in seconds; None: all at once.
        gains: How much louder (positive) or quieter each is made, in decibels; None: not at all.

    Raises:
        BadValue: no sounds, another number of starts or gains, or channels as `concat`.
    """
    alike = _alike(sounds)
    starts = [0.0] * len(alike) if starts is None else [checked_seconds("a start", start) for start in starts]
    gains = [0.0] * len(alike) if gains is None else list(gains)
    for name, values in (("starts", starts), ("gains", gains)):
        if len(values) != len(alike):
            raise BadValue(f"there are {len(alike)} sounds but {len(values)} {name}")
    alike = [sound.gain(gain) if gain else sound for sound, gain in zip(alike, gains, strict=True)]
    first = alike[0]
    places = [round(start * first.rate) for start in starts]
    count = max(place + len(sound.samples) for place, sound in zip(places, alike, strict=True))
    total = np.zeros((count, first.channels), np.float32)
    for place, sound in zip(places, alike, strict=True):
        total[place : place + len(sound.samples)] += sound.samples
    return Sound(read_only(total), first.rate)


def _alike(sounds: Sequence[Sound]) -> list[Sound]:
    """The sounds at the first's rate, with the most channels."""
    if isinstance(sounds, Sound) or not sounds or not all(isinstance(sound, Sound) for sound in sounds):
        raise BadValue("give a list of sounds, at least one")
    most = max(sound.channels for sound in sounds)
    if most > 2 and any(sound.channels != most for sound in sounds):
        raise BadValue(f"some have {most} channels, others fewer; mix them down with .stereo() first")
    alike = [sound.stereo() if sound.channels < most else sound for sound in sounds]
    return [sound.resampled(sounds[0].rate) for sound in alike]
