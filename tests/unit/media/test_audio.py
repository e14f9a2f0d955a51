"""A sound is a value: checked, never changed, and cut, mixed and resampled as one would hear it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a._core.errors import BadValue
from ml4a.media import audio
from ml4a.media.audio import Sound


def tone(hertz: float, rate: int, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    """N×1 float32."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)[:, None]


def decibels(samples: np.ndarray) -> float:
    """Power of the middle, without the edges, relative to full scale."""
    edge = len(samples) // 10
    return 10 * np.log10(np.square(samples[edge:-edge], dtype=np.float64).mean() + 1e-30)


def pitch(sound: Sound) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(sound.samples[:, 0] * np.hanning(len(sound.samples))))
    return float(spectrum.argmax() * sound.rate / len(sound.samples))


def test_a_sound_says_what_it_is():
    sound = Sound(np.zeros((24_000, 2)), 48_000)
    assert (sound.duration, sound.channels, sound.rate, sound.samples.dtype) == (0.5, 2, 48_000, np.float32)
    assert repr(sound) == "<Sound: 0.500 s, 48000 Hz, 2 channels>"
    assert Sound([0.0, 0.5], 8000).samples.shape == (2, 1)


def test_a_sound_cannot_be_changed():
    mine = np.zeros((10, 1), np.float32)
    sound = Sound(mine, 8000)
    mine[0] = 1
    assert sound.samples[0] == 0
    with pytest.raises(ValueError):
        sound.samples[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        sound.rate = 1  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "full"), [(np.int16, 2**15), (np.int32, 2**31)])
def test_whole_numbers_become_fractions_of_their_largest(kind, full):
    assert Sound(np.array([-full, 0, full // 2], kind), 8000).samples[:, 0].tolist() == [-1, 0, 0.5]


@pytest.mark.parametrize(
    ("samples", "rate", "says"),
    [
        (np.zeros((0, 2)), 8000, "0×2"),
        (np.zeros((2, 3, 4)), 8000, "2×3×4"),
        (np.float32(1), 8000, "a number"),
        (np.array([0, np.nan]), 8000, "NaN"),
        (np.array([0, np.inf]), 8000, "infinity"),
        (np.zeros(5, np.uint8), 8000, "uint8"),
        (np.array(["a"]), 8000, "floats"),
        (np.zeros((2, 999)), 8000, "transpose"),
        (np.zeros((999, 65)), 8000, "64 channels"),
        (np.zeros(5), 0, "between 1000"),
        (np.zeros(5), 1e9, "768000"),
        (np.zeros(5), 44_100.5, "whole"),
        (np.zeros(5), True, "whole"),
        (np.zeros(5), "44100", "whole"),
    ],
)
def test_what_is_no_sound_is_refused(samples, rate, says):
    with pytest.raises(BadValue, match=says) as caught:
        Sound(samples, rate)
    assert "\n" not in str(caught.value)


def test_mono_is_the_mean_and_stereo_doubles():
    left, right = tone(440, 8000), tone(700, 8000)
    pair = Sound(np.hstack([left, right]), 8000)
    np.testing.assert_allclose(pair.mono().samples, (left + right) / 2, atol=1e-7)
    assert pair.mono().stereo().channels == 2
    np.testing.assert_array_equal(pair.mono().stereo().mono().samples, pair.mono().samples)
    assert pair.stereo().samples is pair.samples


def test_what_is_on_both_sides_keeps_its_power_in_mono():
    both = Sound(np.repeat(tone(440, 8000), 2, axis=1), 8000)
    assert decibels(both.mono().samples) == pytest.approx(decibels(both.samples), abs=1e-4)


@pytest.mark.parametrize("channels", range(3, 9))
def test_surround_sound_is_mixed_to_its_sides(channels):
    def heard(number):
        samples = np.zeros((10, channels))
        samples[:, number] = 1
        return Sound(samples, 8000).stereo().samples[0]

    assert heard(0)[0] > heard(0)[1] == 0  # left
    assert heard(1)[1] > heard(1)[0] == 0  # right
    if channels >= 5:
        assert heard(2)[0] == heard(2)[1] > 0  # centre
        assert heard(2)[0] == pytest.approx(heard(0)[0] * np.sqrt(0.5))
    if channels >= 6:
        assert not heard(3).any()  # subwoofer
    everything = Sound(np.ones((10, channels)), 8000)
    assert everything.stereo().samples.max() == pytest.approx(1)
    assert everything.mono().samples.max() == pytest.approx(1)


def test_many_channels_are_dealt_out_to_the_sides():
    samples = np.zeros((5, 32))
    samples[:, 30] = 1
    left, right = Sound(samples, 8000).stereo().samples[0]
    assert left == pytest.approx(1 / 16)
    assert right == 0


@pytest.mark.parametrize(
    ("rate", "target"), [(44_100, 48_000), (48_000, 44_100), (48_000, 22_050), (8000, 44_100), (96_000, 44_100)]
)
def test_resampling_keeps_tones_and_takes_out_aliases(rate, target):
    for hertz in (100, 1000, 0.42 * min(rate, target)):
        there = Sound(tone(hertz, rate), rate).resampled(target)
        assert there.rate == target
        assert len(there.samples) == target
        expected = tone(hertz, target)
        assert decibels(there.samples - expected) < decibels(expected) - 85
    if target < rate:
        for hertz in (0.51 * target, 0.75 * target, 0.49 * rate):
            if hertz < 0.5 * rate:
                alias = Sound(tone(hertz, rate), rate).resampled(target)
                assert decibels(alias.samples) < -85


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 3000),
    channels=st.integers(1, 4),
    rate=st.sampled_from([8000, 22_050, 44_100, 48_000, 96_000, 192_000]),
    target=st.sampled_from([1000, 8000, 11_025, 44_100, 48_000, 768_000]),
)
def test_resampling_keeps_duration_and_channels_apart(count, channels, rate, target):
    levels = np.arange(1, channels + 1) / 8
    there = Sound(np.ones((count, 1)) * levels, rate).resampled(target)
    assert there.samples.shape == (max(1, round(count * target / rate)), channels)
    apart = there.samples[:, :1] * np.arange(1, channels + 1)
    np.testing.assert_allclose(there.samples, apart, atol=1e-4)


def test_resampling_to_its_own_rate_is_the_sound_itself():
    sound = Sound(tone(440, 8000), 8000)
    assert sound.resampled(8000) is sound


def test_trimming_cuts_to_the_sample():
    sound = Sound(np.arange(1000) / 1000, 1000)
    np.testing.assert_array_equal(sound.trimmed(0.1, 0.35).samples, sound.samples[100:350])
    np.testing.assert_array_equal(sound.trimmed(-0.25).samples, sound.samples[750:])
    np.testing.assert_array_equal(sound.trimmed(0.2, -0.1).samples, sound.samples[200:900])
    assert sound.trimmed(0.5, 99).duration == 0.5
    assert sound.trimmed(-1e308, 1e308).duration == 1


@pytest.mark.parametrize("times", [(2, None), (0.5, 0.5), (0.5, 0.2), (np.nan, None), (0, np.inf), ("a", None)])
def test_trimming_everything_away_is_refused(times):
    with pytest.raises(BadValue):
        Sound(np.zeros(1000), 1000).trimmed(*times)


def test_fades_rise_and_fall_with_equal_power():
    sound = Sound(np.ones(1000), 1000).faded(0.2, 0.4)
    levels = sound.samples[:, 0]
    assert levels[0] < 0.01
    assert levels[-1] < 0.01
    np.testing.assert_array_equal(levels[200:600], 1)
    assert (np.diff(levels[:200]) > 0).all()
    assert (np.diff(levels[600:]) < 0).all()
    out = Sound(np.ones(1000), 1000).faded(fade_out=1).samples
    into = Sound(np.ones(1000), 1000).faded(fade_in=1).samples
    np.testing.assert_allclose(np.square(into) + np.square(out), 1, atol=1e-3)
    with pytest.raises(BadValue, match="fade_in"):
        sound.faded(-1)


def test_gain_is_in_decibels():
    sound = Sound(tone(440, 8000), 8000)
    assert decibels(sound.gain(-20).samples) == pytest.approx(decibels(sound.samples) - 20, abs=1e-3)
    assert np.abs(sound.gain(-30).normalized().samples).max() == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    assert np.abs(sound.normalized(0).samples).max() == pytest.approx(1)
    silence = Sound(np.zeros(10), 8000)
    assert silence.normalized() is silence
    for wrong in (np.nan, 1e4, -1e4, "loud"):
        with pytest.raises(BadValue, match="decibels"):
            sound.gain(wrong)


def test_sounds_follow_each_other():
    first, second = Sound(tone(440, 8000), 8000), Sound(tone(700, 16_000, level=0.25), 16_000)
    joined = audio.concat([first, second.stereo()], gap=0.5)
    assert (joined.rate, joined.channels, joined.duration) == (8000, 2, 2.5)
    np.testing.assert_array_equal(joined.samples[:8000], first.stereo().samples)
    assert not joined.samples[8000:12_000].any()
    assert pitch(Sound(joined.samples[12_000:], 8000)) == 700


def test_sounds_are_heard_together():
    first, second = Sound(tone(440, 8000), 8000), Sound(tone(700, 8000, 0.5), 8000)
    together = audio.mix([first, second], starts=[0, 0.75])
    assert together.duration == 1.25
    np.testing.assert_array_equal(together.samples[:6000], first.samples[:6000])
    np.testing.assert_allclose(together.samples[6000:8000], first.samples[6000:] + second.samples[:2000])
    np.testing.assert_array_equal(together.samples[8000:], second.samples[2000:])
    np.testing.assert_array_equal(audio.mix([first, first]).samples, 2 * first.samples)


@pytest.mark.parametrize("join", [audio.concat, audio.mix])
def test_nothing_and_misfits_are_not_joined(join):
    sound, surround = Sound(np.zeros(5), 8000), Sound(np.zeros((5, 6)), 8000)
    for sounds in ([], sound, [sound, "song.mp3"], [sound, surround]):
        with pytest.raises(BadValue):
            join(sounds)
    assert join([surround, surround]).channels == 6
    with pytest.raises(BadValue, match="starts"):
        audio.mix([sound, sound], starts=[0])


def test_the_sample_is_music_with_a_seed():
    song = audio.sample(2)
    assert (song.channels, song.rate) == (2, 44_100)
    assert song.duration == pytest.approx(2 * 4 * 60 / 112 + 1.5, abs=0.01)
    assert 0.5 < np.abs(song.samples).max() < 1
    assert audio.sample(2) is song
    assert audio.sample(2, seed=np.int64(0)) is song
    assert not np.array_equal(audio.sample(2, seed=1).samples, song.samples)
    left, right = song.samples.T
    assert not np.array_equal(left, right)
    for bars, seed in ((0, 0), (1.5, 0), (1, -1), (1, True)):
        with pytest.raises(BadValue):
            audio.sample(bars, seed=seed)


def test_a_sound_is_loaded_as_itself():
    sound = Sound(np.hstack([tone(440, 16_000), tone(700, 16_000)]), 16_000)
    assert audio.load(sound) is sound
    part = audio.load(sound, 8000, 1, 0.25, 0.5)
    assert (part.rate, part.channels, part.duration) == (8000, 1, 0.5)
    np.testing.assert_array_equal(part.samples, sound.trimmed(0.25, 0.75).mono().resampled(8000).samples)
    for wrong in (5, None, np.zeros(5)):
        with pytest.raises(BadValue, match="a sound is"):
            audio.load(wrong)
    with pytest.raises(BadValue, match="channels"):
        audio.load(sound, channels=3)
    with pytest.raises(BadValue, match="seconds"):
        audio.load(sound, seconds=0)
    with pytest.raises(BadValue, match="rate"):
        audio.load(sound, 12.5)


ODD = {
    "silent": Sound(np.zeros((4000, 1)), 8000),
    "one sample": Sound(np.full((1, 2), 0.5), 44_100),
    "eight channels": Sound(np.random.default_rng(0).uniform(-1, 1, (4000, 8)), 48_000),
    "8 kHz": Sound(tone(300, 8000), 8000),
    "192 kHz": Sound(tone(300, 192_000, 0.1), 192_000),
    "beyond full scale": Sound(tone(300, 8000, level=50), 8000),
}
EDITS = {
    "mono": (Sound.mono, 1),
    "stereo": (Sound.stereo, 1),
    "resampled": (lambda sound: sound.resampled(22_050), 1),
    "faded": (lambda sound: sound.faded(1, 1), 1),
    "gain": (lambda sound: sound.gain(-200), 1),
    "normalized": (Sound.normalized, 1),
    "leveled": (Sound.leveled, 1),
    "stretched": (lambda sound: sound.stretched(1.7), 1.7),
    "pitched": (lambda sound: sound.pitched(-4), 1),
    "joined": (lambda sound: audio.concat([sound, sound], gap=0.1), None),
    "mixed": (lambda sound: audio.mix([sound, sound], gains=[0, -6]), 1),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_sounds_come_out_of_every_edit(name):
    sound = ODD[name]
    for edit, factor in EDITS.values():
        result = edit(sound)
        assert np.isfinite(result.samples).all()
        due = 2 * sound.duration + 0.1 if factor is None else factor * sound.duration
        assert result.duration == pytest.approx(due, abs=1.01 / min(sound.rate, result.rate))
        if name == "silent":
            assert np.abs(result.samples).max() < 1e-6
    assert sound.spectrogram((30, 20)).size == sound.waveform((30, 20)).size == (30, 20)
    assert np.isfinite(audio.mel(sound, audio.WAV2LIP)).all()
    assert not np.isnan(sound.loudness())


@pytest.mark.parametrize("name", ODD)
def test_odd_sounds_are_saved_or_refused_with_the_way_out(name, tmp_path):
    sound = ODD[name]
    for suffix in audio.SUFFIXES:
        try:
            path = sound.save(tmp_path / f"sound{suffix}")
        except BadValue as error:
            assert name in ("eight channels", "192 kHz")
            assert "save as .wav" in str(error)
        else:
            assert audio.load(path).channels == sound.channels


@pytest.mark.parametrize("count", [1, 2, 10, 60, 500])
@pytest.mark.parametrize(("rate", "target"), [(22_050, 48_000), (48_000, 22_050), (8000, 16_000)])
def test_resampling_loses_nothing_of_the_shortest_sounds(count, rate, target):
    burst = Sound(np.full((count, 1), 0.5), rate).resampled(target)
    assert len(burst.samples) == max(1, round(count * target / rate))
    assert np.abs(burst.samples).max() > 0.2
    if count >= 60:
        assert burst.samples.mean() == pytest.approx(0.5, abs=0.02)
