"""The samples: photographs from the cache, paintings, a detail and a film."""

from __future__ import annotations

import itertools

import av
import numpy as np
import pytest
from PIL import Image

from ml4a import weights
from ml4a._core.errors import UnknownName
from ml4a.media import _pan, image, samples

SIZES = {"astronaut": (512, 512), "camera": (512, 512), "chelsea": (451, 300), "coffee": (600, 400),
         "hubble": (1000, 872), "rocket": (640, 427)}  # fmt: skip


def test_all_samples_are_named():
    assert samples.names() == sorted([*SIZES, "embers", "ink", "mosaic", "night", "pastel", "waves", "eye", "pan"])


@pytest.mark.parametrize("name", SIZES)
def test_a_photograph_is_the_verified_file_and_loads(name):
    path = samples.path(name)
    assert path == weights.find(f"samples/{name}")["photograph"]
    photo = image.sample(name)
    assert (photo.size, photo.mode) == (SIZES[name], "RGB")
    assert image.sample(name, size=64).size[1] == 64


def test_every_photograph_says_its_licence_and_who_took_it():
    for variant in weights.card("samples").weights.values():
        assert variant.licence in ("CC0-1.0", "public domain")
        assert variant.licence_source.startswith("skimage.data.")
        assert "photographed by" in variant.note


def test_an_unknown_sample_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'chelsea'"):
        samples.path("chelsee")


def test_the_eye_is_a_small_part_of_the_cat():
    eye = np.asarray(image.sample("eye"))
    assert eye.shape == (96, 128, 3)
    np.testing.assert_array_equal(eye, np.asarray(image.sample("chelsea"))[62:158, 112:240])


def test_a_sample_is_made_once(home):
    first = samples.path("ink")
    made = first.stat().st_mtime_ns
    assert samples.path("ink") == first
    assert first.stat().st_mtime_ns == made
    assert first.is_relative_to(home / "cache")
    first.unlink()
    assert samples.path("ink").is_file()


def test_the_film_is_three_seconds_with_sound_that_moves_smoothly():
    with av.open(str(samples.path("pan"))) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(film.streams.video[0])]
        assert float(film.streams.video[0].average_rate) == 25
    with av.open(str(samples.path("pan"))) as film:
        sound = np.concatenate([frame.to_ndarray() for frame in film.decode(film.streams.audio[0])], axis=1)
        rate = film.streams.audio[0].rate
    assert len(pictures) == 75
    assert pictures[0].shape == (360, 640, 3)
    assert sound.shape[1] / rate == pytest.approx(3, abs=0.05)
    assert 0.02 < np.abs(sound).mean() < 0.3
    steps = [np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(pictures)]
    assert np.abs(pictures[0].astype(int) - pictures[-1]).mean() > 3 * max(steps)
    assert max(steps) < 12


@pytest.mark.slow
def test_the_film_is_the_same_file_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(_pan, "SECONDS", 1)
    photograph = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)).save(photograph)
    for name in ("one.mp4", "two.mp4"):
        _pan.render(photograph, tmp_path / name)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
