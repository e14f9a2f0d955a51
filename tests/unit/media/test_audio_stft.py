"""Short-time spectra hold all of a sound, and mel spectrograms show when and how high it is."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a._core.errors import BadValue
from ml4a.media import audio
from ml4a.media.audio import TACOTRON, WAV2LIP, LogScale, MelSettings, Sound


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def test_a_sine_is_in_its_bin():
    time = np.arange(16_000) / 16_000
    spectrum = np.abs(audio.stft(np.sin(2 * np.pi * 1000 * time), 512, 128))
    assert spectrum.shape == (257, 126)
    assert np.all(spectrum[:, 5:-5].argmax(axis=0) == 32)  # 1000 Hz of bins of 31.25 Hz
    np.testing.assert_allclose(spectrum[32, 5:-5], 512 / 4, rtol=1e-3)


def test_frames_are_where_the_definition_puts_them():
    samples = noise(1000)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    for padding, mode in (("reflect", "reflect"), ("zeros", "constant")):
        padded = np.pad(samples, 32, mode=mode)
        expected = np.stack([np.fft.rfft(padded[start : start + 64] * window) for start in range(0, 1001, 24)], axis=1)
        np.testing.assert_allclose(audio.stft(samples, 64, 24, padding=padding), expected, atol=1e-4)


@given(
    count=st.integers(1, 3000),
    half=st.integers(4, 300),
    share=st.floats(0.05, 0.5),
    padding=st.sampled_from(["reflect", "zeros"]),
)
@settings(max_examples=40, deadline=None)
def test_the_inverse_gives_the_sound_back(count, half, share, padding):
    samples = noise(count)
    hop = max(1, int(2 * half * share))
    spectrum = audio.stft(samples, 2 * half, hop, padding=padding)
    assert spectrum.shape == (half + 1, 1 + count // hop)
    whole = hop * (spectrum.shape[1] - 1)  # behind the last frame's middle, only half of its window looks
    np.testing.assert_allclose(audio.istft(spectrum, hop), samples[:whole], atol=1e-4)
    assert audio.istft(spectrum, hop, length=count).shape == (count,)


def test_a_window_may_be_shorter_than_the_frame():
    samples = noise(4000)
    spectrum = audio.stft(samples, 512, 100, window=300)
    assert spectrum.shape == (257, 41)
    np.testing.assert_allclose(audio.istft(spectrum, 100, window=300), samples[:4000], atol=1e-4)


def test_the_inverse_is_the_nearest_sound_there_is():
    rng = np.random.default_rng(1)
    wanted = (rng.normal(size=(33, 20)) + 1j * rng.normal(size=(33, 20))).astype(np.complex64)
    found = audio.istft(wanted, 16, length=16 * 19)

    def distance(samples: np.ndarray) -> float:
        # Frames at the ends look beyond the sound, where the transform of this sound alone cannot follow.
        there = audio.stft(samples, 64, 16, padding="zeros")[:, 3:-3] - wanted[:, 3:-3]
        weights = np.r_[1, np.full(31, 2), 1][:, None]
        return float((weights * np.abs(there) ** 2).sum())

    best = distance(found)
    for seed in range(5):
        change = np.zeros_like(found)
        change[100:200] = 0.01 * noise(100, seed)
        assert distance(found + change) > best


def test_what_no_frame_looks_at_is_silent():
    spectrum = audio.stft(noise(1000), 64, 64)
    rebuilt = audio.istft(spectrum, 64)
    assert np.isfinite(rebuilt).all()
    assert np.abs(rebuilt[32::64]).max() == 0  # where each window is zero
    assert audio.istft(spectrum, 64, length=5000)[1100:].any() == np.False_


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((noise(100).reshape(50, 2), 64, 16), "N floats"),
        ((np.arange(100), 64, 16), "N floats"),
        ((np.array([]), 64, 16), "N floats"),
        ((np.array([0.0, math.nan]), 64, 16), "finite"),
        ((noise(100), 63, 16), "even"),
        ((noise(100), 64, 0), "hop"),
        ((noise(100), 64, 65), "hop"),
        ((noise(100), 1 << 30, 16), "n_fft"),
    ],
)
def test_what_has_no_spectrum_is_refused(arguments, says):
    with pytest.raises(BadValue, match=says):
        audio.stft(*arguments)


def test_what_is_no_spectrum_is_refused():
    spectrum = audio.stft(noise(100), 64, 16)
    for bad in (spectrum[0], spectrum[:, :0], spectrum[:1], spectrum * np.nan):
        with pytest.raises(BadValue, match="spectrum"):
            audio.istft(bad, 16)
    with pytest.raises(BadValue, match="length"):
        audio.istft(spectrum, 16, length=0)
    with pytest.raises(BadValue, match="padding"):
        audio.stft(noise(100), 64, 16, padding="mirror")


@pytest.mark.parametrize("asked", [TACOTRON, WAV2LIP], ids=["tacotron", "wav2lip"])
def test_a_tone_is_in_its_band_at_its_time(asked):
    rate = 44_100
    time = np.arange(2 * rate) / rate
    samples = 0.5 * np.sin(2 * np.pi * 2000 * time) * (time > 1)
    bands = audio.mel(Sound(np.stack([samples, samples], axis=1), rate), asked)
    frames = asked.rate / asked.hop
    assert bands.dtype == np.float32
    assert bands.shape == (80, 1 + 2 * asked.rate // asked.hop)
    loudest = bands[:, int(1.1 * frames) : int(1.9 * frames)].mean(axis=1).argmax()
    assert loudest == (audio.mel_basis(asked)[:, round(2000 * asked.n_fft / asked.rate)]).argmax()
    assert bands[loudest, int(1.1 * frames)] > bands[loudest, int(0.9 * frames)] + 2


def test_silence_is_the_lowest_level():
    silence = Sound(np.zeros(1), 8000)
    assert np.all(audio.mel(silence, WAV2LIP) == -4)
    np.testing.assert_allclose(audio.mel(silence, TACOTRON), math.log(1e-5), rtol=1e-6)


def test_every_band_has_an_area_of_one():
    areas = audio.mel_basis(MelSettings(22_050, 16_384, 256, 1024, 40, 30, 11_000)).sum(axis=1) * 22_050 / 16_384
    np.testing.assert_allclose(areas, 1, atol=0.01)


def test_levels_are_scaled_and_held():
    scale = LogScale(factor=2, offset=1, floor=math.exp(-3), low=-4.5, high=0.5)
    np.testing.assert_allclose(scale(np.array([0, math.exp(-1), 1])), [-4.5, -1, 0.5])


@pytest.mark.parametrize(
    ("change", "says"),
    [({"high": 9000}, "bands lie"), ({"low": 8000}, "bands lie"), ({"bands": 0}, "bands"), ({"hop": 0}, "hop"),
     ({"rate": 1}, "rate"), ({"preemphasis": 1}, "preemphasis")],
)  # fmt: skip
def test_settings_that_make_no_spectrogram_are_refused(change, says):
    known = {"rate": 16_000, "n_fft": 800, "hop": 200, "window": 800, "bands": 80, "low": 55, "high": 7600}
    with pytest.raises(BadValue, match=says):
        MelSettings(**{**known, **change})


def test_memory_is_that_of_the_bands_and_not_of_the_spectrum():
    sound = Sound(noise(22_050 * 60), 22_050)
    audio.mel(sound, TACOTRON)
    tracemalloc.start()
    bands = audio.mel(sound, TACOTRON)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bands.nbytes < 2 << 20
    assert peak < 30 << 20  # the spectrum alone would take 21 MB, its frames 21 MB and their transform 21 MB more
