"""Loudness is the standard's, and sounds are brought to it; silence is cut off and out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml4a._core.errors import BadValue
from ml4a.media import audio
from ml4a.media.audio import Sound


def tone(
    decibels: float, seconds: float = 3, *, rate: int = 48_000, channels: int = 2, hertz: float = 997
) -> np.ndarray:
    """N×C: a sine with this peak in every channel."""
    wave = 10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("rate", [1000, 8000, 11_025, 44_100, 48_000, 192_000, 384_000])
def test_a_sine_of_997_hertz_has_the_loudness_of_the_standard(rate):
    hertz = 997 if rate > 2000 else 440
    both = Sound(tone(-20, rate=rate, hertz=hertz), rate).loudness()
    assert both == pytest.approx(-20 if rate > 2000 else -20.7, abs=0.1)
    assert Sound(tone(-20, rate=rate, channels=1, hertz=hertz), rate).loudness() == pytest.approx(both - 3.01, abs=0.02)


def test_the_ear_hears_deep_tones_less_and_high_ones_more():
    levels = [Sound(tone(-20, hertz=hertz), 48_000).loudness() for hertz in (40, 997, 6000)]
    assert levels[0] < levels[1] - 5
    assert levels[2] > levels[1] + 2


def test_what_is_much_quieter_does_not_count():
    """Cases 3 and 4 of EBU Tech 3341."""
    parts = [tone(level, seconds) for level, seconds in ((-36, 10), (-23, 60), (-36, 10))]
    assert Sound(np.concatenate(parts), 48_000).loudness() == pytest.approx(-23, abs=0.1)
    parts = [tone(-72, 10), *parts, tone(-72, 10)]
    assert Sound(np.concatenate(parts), 48_000).loudness() == pytest.approx(-23, abs=0.1)


def test_channels_count_by_where_their_speakers_stand():
    """Case 6 of EBU Tech 3341: left, right, centre, and two behind, which count for more; the subwoofer does not."""
    five = np.concatenate([tone(level, channels=1) for level in (-28, -28, -24, -30, -30)], axis=1)
    assert Sound(five, 48_000).loudness() == pytest.approx(-23, abs=0.1)
    six = np.insert(five, 3, 0.5 * tone(0, channels=1)[:, 0], axis=1)
    assert Sound(six, 48_000).loudness() == pytest.approx(-23, abs=0.1)
    assert Sound(tone(-20, 1, channels=8), 48_000).loudness() > Sound(tone(-20, 1), 48_000).loudness() + 3


def test_silence_has_none_and_short_sounds_are_heard_as_if_repeated():
    assert Sound(np.zeros((48_000, 2)), 48_000).loudness() == -math.inf
    assert Sound(tone(-80), 48_000).loudness() == -math.inf
    assert Sound(tone(-20, 0.1), 48_000).loudness() == pytest.approx(-20, abs=0.2)
    assert math.isfinite(Sound(np.ones(1), 8000).loudness())


@pytest.mark.parametrize("lufs", [-30, -23, -16])
def test_sounds_come_to_the_loudness_asked_for(lufs):
    music = audio.sample(2)
    leveled = music.leveled(lufs)
    assert leveled.loudness() == pytest.approx(lufs, abs=0.1)
    factor = leveled.samples.max() / music.samples.max()
    np.testing.assert_allclose(leveled.samples, factor * music.samples, atol=1e-6)


def test_peaks_hold_the_level_back_unless_told_not_to():
    clicks = np.zeros(48_000)
    clicks[::12_000] = 0.5
    sound = Sound(clicks, 48_000)
    assert np.abs(sound.leveled(-10).samples).max() == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    assert np.abs(sound.leveled(-10, peak=-6).samples).max() == pytest.approx(10 ** (-6 / 20), rel=1e-4)
    assert sound.leveled(-10, peak=None).loudness() == pytest.approx(-10, abs=0.1)
    silent = Sound(np.zeros(100), 8000)
    assert silent.leveled() is silent


@pytest.mark.parametrize("lufs", [1, -71, math.nan, "loud"])
def test_levels_beyond_all_are_refused(lufs):
    with pytest.raises(BadValue, match="lufs"):
        Sound(np.ones(10), 8000).leveled(lufs)


def gaps(rate: int = 8000, channels: int = 1) -> Sound:
    """Silence, a tone, silence, a tone, silence: a second each, the tone in the last channel."""
    samples = np.zeros((5 * rate, channels))
    for second in (1, 3):
        samples[second * rate : (second + 1) * rate, -1] = tone(-12, 1, rate=rate, channels=1, hertz=400)[:, 0]
    return Sound(samples, rate)


@pytest.mark.parametrize("rate", [1000, 8000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_silence_is_cut_off_both_ends(rate, channels):
    sound = gaps(rate, channels)
    cut = sound.without_silence()
    assert cut.duration == pytest.approx(3.1, abs=0.021)
    np.testing.assert_array_equal(cut.samples, sound.samples[(start := round(0.95 * rate)) : start + len(cut.samples)])
    assert sound.without_silence(keep=0).duration == pytest.approx(3, abs=0.021)
    assert sound.without_silence(keep=10).duration == 5


def test_pauses_are_cut_down_without_a_click():
    hum = 0.001 * np.sin(2 * np.pi * 50 * np.arange(40_000) / 8000)
    sound = Sound(gaps().samples[:, 0] + hum, 8000)
    for pauses in (0.5, 0.1, 0.004, 0):
        cut = sound.without_silence(keep=0, pauses=pauses)
        assert cut.duration == pytest.approx(2 + pauses, abs=0.021)
    cut = sound.without_silence(keep=0, pauses=0.5).samples[:, 0]
    pause = cut[round(1.05 * 8000) : round(1.45 * 8000)]
    assert np.abs(np.diff(pause)).max() < 0.0001  # a step from crest to trough would be 0.002
    assert np.abs(pause).max() < 0.0016
    assert sound.without_silence(keep=0, pauses=2).duration == pytest.approx(3, abs=0.021)


def test_the_threshold_decides_what_is_silence():
    samples = np.concatenate([tone(-50, 1), tone(-12, 1), tone(-50, 1)])
    assert Sound(samples, 48_000).without_silence(keep=0).duration == pytest.approx(1, abs=0.021)
    assert Sound(samples, 48_000).without_silence(-60, keep=0).duration == 3
    with pytest.raises(BadValue, match="all of the sound is below -40 dB"):
        Sound(tone(-50, 1), 48_000).without_silence()
    for bad in ({"threshold": 1}, {"keep": -1}, {"pauses": -1}, {"threshold": math.nan}):
        with pytest.raises(BadValue):
            gaps().without_silence(**bad)
