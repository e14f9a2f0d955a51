"""Pictures that listen: what happens in a sound, as signals that drive any parameter of a warp, mask or colour.

    from ml4a.media import audio, listen

    song = audio.load("song.mp3")
    push = 1 + 0.1 * listen.onsets(song, rate=30)              # a zoom that kicks at every drum and note
    bass = listen.bands(song, rate=30)["bass"]
    push.at(2.5), bass.at(2.5)

A signal has one value for each frame of a film of `rate` frames a second: the value at n / rate tells of the sound in
[n / rate, (n + 1) / rate). Frames are counted in samples, each by itself, so that nothing drifts, however long the
sound and whatever the rates. Values are in [0, 1]. A sound is a `Sound`, or anything that `audio.load` takes.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue, UnknownName

from .. import audio
from ..audio import Source
from ..signals import Samples, Signal, number
from . import _beats, _onsets, _power

__all__ = ["BANDS", "bands", "beats", "loudness", "onsets", "parse", "pulse", "tempo"]

BANDS: Mapping[str, tuple[float, float]] = {"bass": (20, 150), "mid": (150, 2000), "treble": (2000, 16000)}
"""Hz: bass drum and bass; voices and most instruments; cymbals, consonants, brilliance."""

_AS_HEARD = 0.6
"""Twice as loud to the ear is 10 dB more: loudness goes with amplitude to this power (Stevens, 1955)."""
_SLOWEST_FRAMES, _FASTEST_FRAMES = 0.1, 1000
_SILENCE = 1e-8
"""Power (80 dB below full scale) beneath which a sound counts as silent."""
_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)"
_TEXT = re.compile(rf"(?:(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})@)?(?P<file>.+?)(?::(?P<feature>\w+|\d+-\d+))?")


def loudness(sound: Source, rate: float | Fraction = 30, *, decay: float = 0.1) -> Samples:
    """How loud it is to the ear, frame by frame; 1 is its loudest frame.

    Deep and high sounds count as ears weigh them (ITU-R BS.1770), and half the value sounds half as loud.

    Args:
        sound: What to listen to.
        rate: Frames a second; 30000/1001 for films from television.
        decay: Seconds in which the value halves when the sound falls silent; it rises at once. 0: it falls at once.

    Raises:
        BadValue: a rate or decay out of range.
    """
    heard, frame_rate = _heard(sound, rate)
    edges = _power.frame_edges(len(heard.samples), heard.rate, frame_rate)
    power = _power.power_by_frame(heard.samples[:, 0], heard.rate, edges, [_power.ear])
    return _signal(_as_heard(power[0]), frame_rate, decay)


def bands(
    sound: Source,
    rate: float | Fraction = 30,
    ranges: Mapping[str, tuple[float, float]] = BANDS,
    *,
    decay: float = 0.1,
) -> dict[str, Samples]:
    """How loud it is in bands of pitch, frame by frame; 1 is each band's own loudest frame.

    Args:
        sound: What to listen to.
        rate: Frames a second.
        ranges: Name → (lowest, highest) in Hz.
        decay: Seconds in which a value halves; it rises at once.

    Raises:
        BadValue: a band that is none, a rate or decay out of range.
    """
    if not isinstance(ranges, Mapping) or not ranges:
        raise BadValue("the bands are a mapping of names to (lowest, highest) in Hz, such as {'bass': (20, 150)}")
    limits = [_checked_band(name, range_) for name, range_ in ranges.items()]
    heard, frame_rate = _heard(sound, rate)
    edges = _power.frame_edges(len(heard.samples), heard.rate, frame_rate)
    responses = [lambda hertz, low=low, high=high: _power.band(low, high, hertz) for low, high in limits]
    power = _power.power_by_frame(heard.samples[:, 0], heard.rate, edges, responses)
    values = zip(ranges, power, strict=True)
    return {name: _signal(_as_heard(band), frame_rate, decay) for name, band in values}


def onsets(sound: Source, rate: float | Fraction = 30, *, decay: float = 0.15) -> Samples:
    """A flash where something begins: a drum, a note, a word. It is as high as the beginning is strong, and fades.

    The flash is in the very frame in which the sound begins, give or take one at the frame's edges. Speech and music
    alike: what is found is a rise of the spectrum (SuperFlux; Böck & Widmer, DAFx 2013).

    Args:
        sound: What to listen to.
        rate: Frames a second.
        decay: Seconds in which a flash halves; 0: it lasts one frame.

    Raises:
        BadValue: a rate or decay out of range.
    """
    heard, frame_rate = _heard(sound, rate)
    hops, strengths = _onsets.picked(_onsets.novelty(heard.samples[:, 0], heard.rate))
    return _flashes(heard, hops, strengths, frame_rate, decay)


def beats(sound: Source, *, around: float = 120) -> np.ndarray[Any, Any]:
    """When its beats fall, in seconds, ascending: where one would tap. Empty if there are none to be heard.

    The tempo may drift, but not jump: the beats are a chain of onsets about one period apart (Ellis, 2007).

    Args:
        sound: What to listen to.
        around: The tempo to expect, in beats a minute: it decides where half or double would do as well.

    Raises:
        BadValue: `around` is out of range.
    """
    heard, _ = _heard(sound, 1)
    return _beat_hops(heard, around) * (_onsets.hop_of(heard.rate) / heard.rate)


def tempo(sound: Source, *, around: float = 120) -> float:
    """Beats a minute; 0 if there are none to be heard.

    Args:
        sound: What to listen to.
        around: The tempo to expect: it decides where half or double would do as well.

    Raises:
        BadValue: `around` is out of range.
    """
    steps = np.diff(beats(sound, around=around))
    if not len(steps):
        return 0.0
    usual = np.median(steps)
    return 60 / float(steps[np.abs(steps - usual) < 0.1 * usual].mean())


def pulse(sound: Source, rate: float | Fraction = 30, *, decay: float = 0.15, around: float = 120) -> Samples:
    """1 at each beat, fading until the next.

    Args:
        sound: What to listen to.
        rate: Frames a second.
        decay: Seconds in which it halves; 0: it lasts one frame.
        around: The tempo to expect, in beats a minute: it decides where half or double would do as well.

    Raises:
        BadValue: a number out of range.
    """
    heard, frame_rate = _heard(sound, rate)
    hops = _beat_hops(heard, around)
    return _flashes(heard, hops, np.ones(len(hops)), frame_rate, decay)


def parse(text: str, rate: float | Fraction = 30) -> Signal:
    """The signal that a line such as `1..1.1@song.wav:bass` stands for: `LOW..HIGH@FILE:FEATURE`.

    The feature is `onsets` (also if it is left out), `pulse`, `loudness`, one of `BANDS`, or a band in Hz: `60-90`. It
    moves between LOW and HIGH, which are 0 and 1 if left out.

        1..1.1@song.wav:bass      song.mp3:pulse      -0.02..0.02@voice.wav:300-3000      drums.flac

    Args:
        text: The line.
        rate: Frames a second.

    Raises:
        BadValue: it cannot be read so, or names no feature.
        NotFound, BadMedia, TooLarge: as `audio.load`.
    """
    match = _TEXT.fullmatch(text)
    if match is None or (match["low"] is None and ".." in text.partition("@")[0] and "@" in text):
        raise BadValue(f"{text!r} is no LOW..HIGH@FILE:FEATURE, such as 1..1.1@song.wav:bass")
    signal = _feature(match["file"], match["feature"] or "onsets", rate)
    if match["low"] is None:
        return signal
    low, high = float(match["low"]), float(match["high"])
    return low + (high - low) * signal


def _feature(file: str, name: str, rate: float | Fraction) -> Samples:
    features = {"onsets": onsets, "pulse": pulse, "loudness": loudness}
    if name in features:
        return features[name](file, rate)
    low, dash, high = name.partition("-")
    limits = (float(low), float(high)) if dash else BANDS.get(name)
    if limits is None:
        raise UnknownName("feature of a sound", name, [*features, *BANDS])
    return bands(file, rate, {name: limits})[name]


def _heard(sound: Source, rate: float | Fraction) -> tuple[audio.Sound, Fraction]:
    """The sound in one channel, and the frame rate as the fraction that is meant."""
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not math.isfinite(rate):
        raise BadValue(f"rate must be a finite number of frames a second, not {rate!r}")
    if not _SLOWEST_FRAMES <= rate <= _FASTEST_FRAMES:
        raise BadValue(f"rate must be between {_SLOWEST_FRAMES} and {_FASTEST_FRAMES} frames a second, not {rate!r}")
    return audio.load(sound, channels=1), Fraction(rate).limit_denominator(1001)


def _checked_band(name: str, limits: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise BadValue(f"the band {name!r} must be (lowest, highest) in Hz, not {limits!r}")
    low, high = (number(f"a limit of the band {name!r}", limit) for limit in limits)
    if not 0 <= low < high:
        raise BadValue(f"the band {name!r} must rise from 0 Hz or more, not from {low:g} to {high:g}")
    return low, high


def _as_heard(power: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    loudest = power.max()
    return (power / loudest) ** (_AS_HEARD / 2) if loudest > _SILENCE else np.zeros_like(power)


def _beat_hops(sound: audio.Sound, around: float) -> np.ndarray[Any, Any]:
    slowest, fastest = _beats.SLOWEST, _beats.FASTEST
    if not slowest <= number("around", around) <= fastest:
        raise BadValue(f"around must be between {slowest:g} and {fastest:g} beats a minute, not {around!r}")
    novelty = _onsets.novelty(sound.samples[:, 0], sound.rate)
    period = _beats.period(novelty, sound.rate / _onsets.hop_of(sound.rate), around)
    return np.empty(0, int) if period is None else _beats.track(novelty, period)


def _flashes(
    sound: audio.Sound,
    hops: np.ndarray[Any, Any],
    strengths: np.ndarray[Any, Any],
    frame_rate: Fraction,
    decay: float,
) -> Samples:
    edges = _power.frame_edges(len(sound.samples), sound.rate, frame_rate)
    values = np.zeros(len(edges) - 1)
    frames = np.searchsorted(edges, hops * _onsets.hop_of(sound.rate), "right") - 1
    np.maximum.at(values, frames, strengths)
    return _signal(values, frame_rate, decay)


def _signal(values: np.ndarray[Any, Any], frame_rate: Fraction, decay: float) -> Samples:
    """Values that rise at once, and fall no faster than by half in `decay` seconds."""
    if number("decay", decay) < 0:
        raise BadValue(f"decay must be 0 or more seconds, not {decay!r}")
    if decay > 0:
        # In logarithms a decay is a straight line; the highest of all lines from before is what is left.
        slope = np.arange(len(values)) / (float(frame_rate) * decay) * math.log(2)
        with np.errstate(divide="ignore"):
            values = np.exp(np.maximum.accumulate(np.log(values) + slope) - slope)
    return Samples(np.clip(values, 0, 1), float(frame_rate))
