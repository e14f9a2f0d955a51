"""Between two pictures, things are on their way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from known_motion import KnownFilm
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image, motion
from ml4a.media.motion import Flow


def error(picture: np.ndarray, due: np.ndarray, where: np.ndarray | slice = np.s_[:]) -> float:
    """Mean difference in levels."""
    return 255 * float(np.abs(picture - due)[where].mean())


@pytest.mark.parametrize(("gap", "most"), [(2, 0.3), (4, 0.22)])
def test_the_middle_is_far_closer_than_a_fade_or_the_nearest_frame(gap, most):
    film = KnownFilm(count=gap + 1)
    a, b, due = film.frames[0], film.frames[gap], film.clean[gap // 2]
    (middle,) = motion.between(a, b, 0.5)
    assert error(middle, due) < most * error((a + b) / 2, due)
    assert error(middle, due) < most * min(error(a, due), error(b, due))


def test_every_time_has_its_own_place():
    film = KnownFilm(count=5)
    pictures = motion.between(film.frames[0], film.frames[4], [0.25, 0.5, 0.75])
    for number, picture in enumerate(pictures, start=1):
        errors = [error(picture, clean) for clean in film.clean]
        assert np.argmin(errors) == number
        assert errors[number] < 0.4 * sorted(errors)[1]


def exactly(forward: np.ndarray, backward: np.ndarray):
    """An engine that knows the two flows that it will be asked for."""
    flows = iter([forward, backward])
    return lambda a, b: Flow(next(flows).astype(np.float32))


def test_what_one_picture_hides_is_taken_from_the_other():
    """A square flies over a ground that stays."""
    film = KnownFilm(count=3, square_step=(-8, 0), pan=(0, 0), zoom=1, roll=0)
    first, second, third = (film._inside_square(number) for number in range(3))
    engine = exactly(first[:, :, None] * np.array([-16, 0]), third[:, :, None] * np.array([16, 0]))
    a, b, due = film.frames[0], film.frames[2], film.clean[1]
    (middle,) = motion.between(a, b, 0.5, engine=engine)
    for strip in (first & ~second, third & ~second):  # what only the second picture shows, and what only the first
        assert error(middle, due, strip) < 0.3 * error((a + b) / 2, due, strip)


def test_motion_that_one_picture_does_not_know_is_taken_from_the_other():
    """A ground flies past behind a square that stays: where it appears, only the second picture tells how."""
    film = KnownFilm(count=3, square_step=(0, 0), pan=(-8, 2), zoom=1, roll=0)
    square = film._inside_square(0)
    ground = ~square[:, :, None] * np.array([16, -4])
    a, b, due = film.frames[0], film.frames[2], film.clean[1]
    (middle,) = motion.between(a, b, 0.5, engine=exactly(ground, -ground))
    ring = (cv2.dilate(square.astype(np.uint8), np.ones((25, 25))) > 0) & ~square
    assert error(middle, due, ring) < 0.37 * error((a + b) / 2, due, ring)


def test_a_shifted_photograph_is_on_its_way():
    photo = image.to_array(image.sample("chelsea"))
    a, b, due = photo[:260, :380], photo[20:280, 50:430], photo[10:270, 25:405]
    (middle,) = motion.between(a, b, [0.5])
    inner = np.s_[15:-15, 30:-30]
    assert error(middle, due, inner) < 1
    assert error((a + b) / 2, due, inner) > 15
    assert error(middle, due) < 2  # at the borders, too, where only one shows what is there


def test_the_ends_are_the_pictures_themselves():
    film = KnownFilm(count=3)
    first, last = motion.between(film.frames[0], film.frames[2], [0, 1])
    assert np.abs(first - film.frames[0]).max() < 1e-4
    assert np.abs(last - film.frames[2]).max() < 1e-4


def test_what_has_nothing_in_common_fades():
    a, b = (image.to_array(image.sample(name).resize((96, 80))) for name in ("astronaut", "coffee"))
    (middle,) = motion.between(a, b, 0.25)
    np.testing.assert_allclose(middle, 0.75 * a + 0.25 * b, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (33, 31)])
def test_pictures_of_any_size(shape):
    rng = np.random.default_rng(0)
    a = cv2.GaussianBlur(rng.random((*shape, 3), dtype=np.float32), (0, 0), 1)
    (middle,) = motion.between(a, a, 0.5)
    assert middle.shape == a.shape
    assert np.abs(middle - a).max() < 0.02


def test_large_pictures_keep_their_detail():
    photo = image.to_array(image.resize(image.sample("astronaut"), (1200, 1200)))
    a, b, due = photo[:800, :1000], photo[20:820, 40:1040], photo[10:810, 20:1020]
    (middle,) = motion.between(a, b, 0.5)
    inner = np.s_[30:-30, 50:-50]
    assert error(middle, due, inner) < 0.1 * error((a + b) / 2, due, inner)


def test_the_kind_that_comes_in_goes_out(tmp_path):
    a, b = image.sample("eye").resize((64, 48)), image.sample("eye").resize((128, 96))
    a.save(tmp_path / "a.png")
    (from_pil,) = motion.between(a, b, 0.5)  # the second in the size of the first
    assert isinstance(from_pil, Image.Image)
    assert (from_pil.mode, from_pil.size) == ("RGB", (64, 48))
    (from_path,) = motion.between(tmp_path / "a.png", b, 0.5)
    assert np.array_equal(np.asarray(from_path), np.asarray(from_pil))
    (from_array,) = motion.between(np.asarray(a), b, 0.5)
    assert from_array.dtype == np.float32
    assert np.abs(from_array - image.to_array(from_pil)).max() <= 0.5001 / 255
    (from_tensor,) = motion.between(torch.from_numpy(image.to_array(a).transpose(2, 0, 1)), b, 0.5)
    assert np.array_equal(from_tensor.numpy().transpose(1, 2, 0), from_array)


def test_grey_palette_cmyk_and_16_bits_are_pictures_like_others():
    photo = image.sample("chelsea").resize((72, 60))
    grey = photo.convert("L")
    (due,) = motion.between(grey.convert("RGB"), photo, 0.5)
    assert np.array_equal(np.asarray(motion.between(grey, photo, 0.5)[0]), np.asarray(due))
    deep = (np.asarray(grey, np.uint16) * 257)[:, :, None]
    assert np.abs(motion.between(deep, photo, 0.5)[0] - image.to_array(due)).max() <= 0.5001 / 255
    for mode in ("P", "CMYK"):
        (picture,) = motion.between(photo.convert(mode), photo, 0)
        assert np.abs(image.to_array(picture) - image.to_array(photo.convert(mode))).max() < 1 / 255


def test_transparent_pictures_keep_their_edge():
    """A disc moves; around it, nothing has a colour that could bleed in."""
    y, x = np.mgrid[:80, :120].astype(np.float32)
    ground = np.random.default_rng(1).random((80, 120, 3), dtype=np.float32)

    def disc(left: float) -> np.ndarray:
        inside = ((20 - np.hypot(x - left, y - 40)) / 3 + 0.5).clip(0, 1)
        shifted = np.roll(cv2.GaussianBlur(ground, (0, 0), 2), left, axis=1)
        return np.dstack([shifted * (inside[:, :, None] > 0), inside])

    a, b, due = disc(50), disc(56), disc(53)
    (middle,) = motion.between(a, b, 0.5)
    assert middle.shape == (80, 120, 4)
    assert error(middle[:, :, 3], due[:, :, 3]) < 0.6 * error(a[:, :, 3], due[:, :, 3])
    inside = cv2.erode(due[:, :, 3], np.ones((9, 9))) > 0
    assert middle[:, :, 3][inside].min() > 0.95
    edge = (middle[:, :, 3] > 0.1) & (middle[:, :, 3] < 0.9)
    assert edge.sum() > 100
    assert middle[:, :, :3][edge].mean() > 0.45  # not darkened by the black that is not to be seen


def test_an_opaque_and_a_transparent_picture():
    photo = image.sample("chelsea").resize((72, 60))
    half = photo.copy()
    half.putalpha(128)
    (middle,) = motion.between(photo, half, 0.5)
    assert middle.mode == "RGBA"
    assert abs(np.asarray(middle)[:, :, 3].mean() - 191.5) < 2
    assert error(image.to_array(middle)[:, :, :3], image.to_array(photo)) < 1


def test_the_engine_finds_the_motion():
    photo = image.to_array(image.sample("chelsea"))
    a, b, due = photo[:100, :140], photo[:100, 10:150], photo[:100, 5:145]

    def still(first, second):
        return Flow.still((first.shape[1], first.shape[0]))

    assert error(motion.between(a, b, 0.5, engine=still)[0], (a + b) / 2) < 0.1  # what stands still is mixed
    there = np.full((100, 140, 2), (-10, 0))
    assert error(motion.between(a, b, 0.5, engine=exactly(there, -there))[0], due) < 0.1


@pytest.mark.parametrize("times", [-0.1, 1.01, [0.5, 2], float("nan")])
def test_times_are_between_the_pictures(times):
    with pytest.raises(BadValue, match="times must be between 0 and 1"):
        motion.between(np.zeros((9, 9, 3)), np.zeros((9, 9, 3)), times)
