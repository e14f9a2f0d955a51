"""Sounds are found for spectra, and for pictures that their spectrograms then show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ml4a._core.errors import BadValue, NotFound
from ml4a.media import audio, image
from ml4a.media.audio import Sound


def lightness(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), np.float64) @ [0.2126, 0.7152, 0.0722]


def likeness(picture: Image.Image, sound: Sound, low: float, high: float) -> float:
    """Correlation of a picture with the spectrogram between two pitches."""
    shown = sound.spectrogram(picture.size, low=low, high=high)
    return float(np.corrcoef(lightness(picture).ravel(), lightness(shown).ravel())[0, 1])


def lettering() -> Image.Image:
    picture = Image.new("RGB", (256, 128), "black")
    ImageDraw.Draw(picture).text((14, 30), "ml4a", fill="white", font=ImageFont.load_default(90))
    return picture


@pytest.mark.parametrize("name", ["chelsea", pytest.param("astronaut", marks=pytest.mark.slow)])
def test_the_spectrogram_shows_the_photograph(name):
    photo = image.load(f"sample:{name}", size=128)
    sound = audio.from_picture(photo, 3)
    assert (sound.duration, sound.rate, sound.channels) == (3, 44_100, 1)
    assert np.abs(sound.samples).max() == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    assert likeness(photo, sound, 200, 10_000) > 0.9
    assert likeness(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), sound, 200, 10_000) < 0.5
    assert likeness(photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM), sound, 200, 10_000) < 0.5


def test_letters_can_be_read_at_other_pitches_and_rates():
    sound = audio.from_picture(lettering(), 3, low=300, high=5000, rate=16_000)
    assert sound.rate == 16_000
    assert likeness(lettering(), sound, 300, 5000) > 0.9
    spectrum = np.abs(audio.stft(sound.samples[:, 0], 1024, 256)).mean(axis=1)
    hertz = np.arange(513) * 16_000 / 1024
    assert spectrum[(hertz < 250) | (hertz > 5300)].max() < 0.03 * spectrum.max()


def test_more_turns_bring_the_spectrum_nearer():
    music = audio.sample(1, rate=16_000).mono().samples[:, 0]
    wanted = np.abs(audio.stft(music, 512, 128))

    def distance(iterations: int) -> float:
        found = audio.griffin_lim(wanted, 128, iterations=iterations, length=len(music))
        return float(np.linalg.norm(np.abs(audio.stft(found, 512, 128)) - wanted) / np.linalg.norm(wanted))

    assert distance(0) > 2 * distance(8) > 2 * distance(64)
    assert distance(64) < 0.1


def test_the_seed_chooses_the_phases():
    wanted = np.abs(audio.stft(np.random.default_rng(0).normal(size=4000), 256, 64))
    first, again, other = (audio.griffin_lim(wanted, 64, iterations=4, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert first.shape == (64 * (wanted.shape[1] - 1),)
    assert audio.griffin_lim(wanted, 64, iterations=1, length=5000).shape == (5000,)
    picture = lettering()
    sounds = [audio.from_picture(picture, 0.5, iterations=2, seed=seed).samples for seed in (0, 0, 1)]
    assert np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[0], sounds[2])


def test_pictures_of_every_kind_are_heard_by_their_light():
    grey = np.linspace(0, 1, 12 * 16, dtype=np.float32).reshape(12, 16, 1).repeat(3, axis=2)
    due = audio.from_picture(grey, 0.2, iterations=2).samples
    tensor_like = Image.fromarray(np.rint(grey * 255).astype(np.uint8))
    assert np.abs(audio.from_picture(tensor_like, 0.2, iterations=2).samples - due).max() < 0.1
    alpha = np.concatenate([np.ones_like(grey), grey[:, :, :1]], axis=2)
    np.testing.assert_allclose(audio.from_picture(alpha, 0.2, iterations=2).samples, due, atol=1e-5)


def test_black_is_silent_and_any_size_will_do():
    assert not audio.from_picture(np.zeros((4, 4, 3), np.float32), 0.2).samples.any()
    for size in ((1, 1), (1, 700), (700, 1)):
        white = np.ones((*size, 3), np.float32)
        for seconds, rate in ((0.001, 44_100), (0.3, 8000), (0.3, 192_000)):
            sound = audio.from_picture(white, seconds, low=100, high=4000, rate=rate, iterations=2)
            assert len(sound.samples) == round(seconds * rate)
            assert np.abs(sound.samples).max() > 0.1


@pytest.mark.parametrize(
    ("options", "says"),
    [({"seconds": 0}, "seconds"), ({"seconds": 601}, "seconds"), ({"seconds": math.nan}, "seconds"),
     ({"low": 0}, "low and high"), ({"low": 10_000}, "low and high"), ({"high": 30_000}, "low and high"),
     ({"rate": 8000}, "low and high"), ({"rate": 1}, "rate"), ({"iterations": -1}, "iterations"),
     ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed")],
)  # fmt: skip
def test_what_makes_no_sound_is_refused(options, says):
    with pytest.raises(BadValue, match=says):
        audio.from_picture(lettering(), **options)


def test_what_is_no_spectrum_is_refused():
    for bad in (np.ones(4), np.ones((1, 4)), -np.ones((5, 4)), np.full((5, 4), np.nan), np.ones((5, 4), np.complex64)):
        with pytest.raises(BadValue, match="magnitudes"):
            audio.griffin_lim(bad, 2)
    with pytest.raises(NotFound):
        audio.from_picture("missing.png")


def test_a_spectrogram_shows_the_pitches_asked_for():
    time = np.arange(32_000) / 16_000
    sound = Sound(np.sin(2 * np.pi * 1000 * time), 16_000)
    for low, high in ((500, 2000), (250, 4000), (30, 8000)):
        rows = lightness(sound.spectrogram((20, 101), low=low, high=high)).mean(axis=1)
        due = 100 * math.log(high / 1000) / math.log(high / low)
        assert rows.argmax() == pytest.approx(due, abs=1.5)
    assert sound.spectrogram((20, 20)).tobytes() == sound.spectrogram((20, 20), low=30, high=8000).tobytes()
    for low, high in ((0, 100), (100, 100), (100, 8001), (math.nan, 100)):
        with pytest.raises(BadValue, match=r"low|high"):
            sound.spectrogram(low=low, high=high)
