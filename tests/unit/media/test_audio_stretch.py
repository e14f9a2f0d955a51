"""Time is stretched without pitch and pitch without time; sounds fade into each other and are mixed by level."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from ml4a._core.errors import BadValue
from ml4a.media import audio
from ml4a.media.audio import Sound

RATE = 22_050


def tone(hertz: float, seconds: float = 1.5) -> Sound:
    return Sound(0.5 * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE), RATE)


def strokes(count: int = 6) -> Sound:
    """Short bursts, half a second apart, the first after a quarter."""
    burst = 0.8 * np.exp(-np.arange(150) / 30) * np.sin(np.arange(150) * 0.6)
    samples = np.zeros(count * RATE // 2)
    for place in range(RATE // 4, len(samples), RATE // 2):
        samples[place : place + 150] = burst
    return Sound(samples, RATE)


def frequency(sound: Sound) -> float:
    edge = len(sound.samples) // 8
    middle = sound.samples[edge:-edge, 0]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 19))
    return float(spectrum.argmax() * sound.rate / (1 << 19))


def purity(sound: Sound) -> float:
    """Decibels of the strongest tone above all else."""
    edge = len(sound.samples) // 8
    middle = sound.samples[edge:-edge, 0]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    peak = int(power.argmax())
    near = power[max(0, peak - 6) : peak + 7].sum()
    return float(10 * np.log10(near / (power.sum() - near)))


@pytest.fixture(params=["signalsmith", "atempo"])
def way(request, monkeypatch):
    """With the library, and where there is none for the machine."""
    if request.param == "signalsmith":
        pytest.importorskip("python_stretch", reason="python-stretch has no wheel for this machine")
    else:
        monkeypatch.setitem(sys.modules, "python_stretch.Signalsmith", None)
    return request.param


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2])
def test_a_stretched_tone_keeps_its_pitch(way, factor):
    stretched = tone(441).stretched(factor)
    assert len(stretched.samples) == round(1.5 * RATE * factor)
    assert frequency(stretched) == pytest.approx(441, rel=0.002)
    assert purity(stretched) > 25


@pytest.mark.parametrize("semitones", [-12, -3.5, 1, 7, 12])
def test_a_pitched_tone_keeps_its_time(way, semitones):
    pitched = tone(441).pitched(semitones)
    assert len(pitched.samples) == round(1.5 * RATE)
    assert frequency(pitched) == pytest.approx(441 * 2 ** (semitones / 12), rel=0.002)
    assert purity(pitched) > 25


def test_far_stretches_are_made_of_clean_ones():
    pytest.importorskip("python_stretch", reason="python-stretch has no wheel for this machine")
    for factor in (0.2, 4):
        assert purity(tone(441, 3).stretched(factor)) > 25
        assert frequency(tone(441, 3).stretched(factor)) == pytest.approx(441, rel=0.002)


def test_strokes_stay_short_and_come_when_they_are_due():
    pytest.importorskip("python_stretch", reason="python-stretch has no wheel for this machine")
    for sound, factor in ((strokes().stretched(2), 2), (strokes().stretched(0.5), 0.5), (strokes().pitched(3), 1)):
        power = sound.samples[:, 0] ** 2
        for number in range(6):
            due = round((0.25 + number * 0.5) * factor * RATE)
            around = power[due - 1500 : due + 3000]
            assert around[1500 - 220 : 1500 + 330].sum() > 0.9 * around.sum()


def test_music_keeps_its_colours(way):
    music = audio.sample(2)

    def bands(sound: Sound) -> np.ndarray:
        power = np.abs(audio.stft(sound.mono().samples[:, 0], 4096, 1024)) ** 2
        edges = np.unique(np.geomspace(8, 2000, 30).astype(int))
        return 10 * np.log10(np.add.reduceat(power.mean(axis=1), edges) + 1e-9)

    assert np.abs(bands(music.stretched(1.5)) - bands(music)).mean() < 2
    assert music.stretched(1.5).channels == music.channels


@pytest.mark.parametrize(
    ("rate", "channels", "count"), [(8000, 1, 800), (192_000, 8, 9600), (44_100, 2, 1), (1000, 3, 50)]
)
def test_any_sound_is_stretched(way, rate, channels, count):
    sound = Sound(np.random.default_rng(0).uniform(-1, 1, (count, channels)), rate)
    for factor in (0.11, 1.5):
        stretched = sound.stretched(factor)
        assert stretched.samples.shape == (max(1, round(count * factor)), channels)
    assert sound.pitched(-5).samples.shape == sound.samples.shape
    silent = Sound(np.zeros((count, channels)), rate)
    assert np.abs(silent.stretched(1.5).samples).max() < 1e-6


def test_stretching_is_the_same_each_time_and_nothing_is_nothing():
    music = audio.sample(1)
    assert np.array_equal(music.stretched(1.3).samples, music.stretched(1.3).samples)
    assert music.stretched(1) is music
    assert music.pitched(0) is music


@pytest.mark.parametrize("bad", [0, -1, 11, math.nan, "2"])
def test_what_is_no_stretch_is_refused(bad):
    with pytest.raises(BadValue, match="factor"):
        tone(441, 0.1).stretched(bad)
    with pytest.raises(BadValue, match="semitones"):
        tone(441, 0.1).pitched(bad * 25 if bad not in (0, -1) else 25)


def test_sounds_fade_into_each_other_at_equal_power():
    rng = np.random.default_rng(0)
    a, b = (Sound(rng.normal(0, 0.1, (RATE, 1)), RATE) for _ in range(2))
    joined = audio.concat([a, b], crossfade=0.4)
    assert len(joined.samples) == 2 * RATE - round(0.4 * RATE)
    np.testing.assert_array_equal(joined.samples[: round(0.6 * RATE)], a.samples[: round(0.6 * RATE)])
    np.testing.assert_array_equal(joined.samples[-round(0.6 * RATE) :], b.samples[-round(0.6 * RATE) :])
    power = np.square(joined.samples[round(0.6 * RATE) : RATE]).mean()
    assert power == pytest.approx(0.01, rel=0.05)
    third = audio.concat([a, b, a], crossfade=1)
    assert third.duration == 1  # all of each lies in the others
    assert np.array_equal(audio.concat([a], crossfade=5).samples, a.samples)


def test_crossfades_that_cannot_be_are_refused():
    sounds = [tone(441, 1), tone(441, 0.2)]
    with pytest.raises(BadValue, match=r"the shortest sound lasts 0\.200 s"):
        audio.concat(sounds, crossfade=0.3)
    with pytest.raises(BadValue, match="a gap or a crossfade"):
        audio.concat(sounds, 0.1, crossfade=0.1)


def test_each_sound_of_a_mix_has_its_level():
    a, b = tone(441, 0.5), Sound(tone(700, 0.5).stereo().samples, RATE)
    mixed = audio.mix([a, b], gains=[-6, 0], starts=[0, 0.25])
    due = np.zeros((round(0.75 * RATE), 2))
    due[: len(a.samples)] += a.samples * 10 ** (-6 / 20)
    due[round(0.25 * RATE) :][: len(b.samples)] += b.samples
    np.testing.assert_allclose(mixed.samples[: len(due)], due[: len(mixed.samples)], atol=1e-6)
    with pytest.raises(BadValue, match="2 sounds but 1 gains"):
        audio.mix([a, b], gains=[1])
