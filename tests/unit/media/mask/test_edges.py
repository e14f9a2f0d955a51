"""Masks that follow a photograph's edges, and colours without what was behind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml4a import image, mask
from ml4a._core.errors import BadValue

SIZE = (451, 300)


@pytest.fixture(scope="module")
def fur():
    """A cat's face with a hairy edge, its mask, and the face on a cup of coffee."""
    cat = image.load("sample:chelsea", as_array=True)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    angle, distance = np.arctan2(y - 150, x - 225), np.hypot(x - 225, y - 150)
    hair = np.interp(angle, np.linspace(-np.pi, np.pi, 720), np.random.default_rng(0).random(720) * 14)
    alpha = np.clip((100 + hair - distance) / 6, 0, 1).astype(np.float32)[:, :, None]
    return cat, alpha, alpha * cat + (1 - alpha) * image.load("sample:coffee", SIZE, as_array=True)


def test_a_coarse_mask_takes_on_the_photographs_edges(fur):
    _, alpha, photo = fur
    coarse = cv2.resize(alpha, (128, 128), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(coarse, SIZE)
    fine = mask.refine(coarse, photo)(SIZE)[:, :, 0]
    assert np.abs(fine - alpha[:, :, 0]).mean() < 0.65 * np.abs(plain - alpha[:, :, 0]).mean()


def test_a_mask_that_is_the_same_everywhere_stays_so(fur):
    *_, photo = fur
    for value in (0.0, 0.4, 1.0):
        fine = mask.refine(mask.solid(value), photo, size=64)(SIZE)
        assert np.abs(fine - value).max() < 1e-4


def test_a_mask_of_two_channels_is_not_refined(fur):
    with pytest.raises(BadValue, match="one channel"):
        mask.refine(mask.solid(n=2), fur[2])


def test_the_old_background_leaves_the_edges(fur):
    cat, alpha, photo = fur
    colors = mask.foreground_colors(photo, alpha)
    edge = ((alpha > 0.05) & (alpha < 0.95))[:, :, 0]
    assert np.abs(colors - cat)[edge].mean() < 0.5 * np.abs(photo - cat)[edge].mean()
    assert np.array_equal(colors[alpha[:, :, 0] == 1], photo[alpha[:, :, 0] == 1])
    assert np.array_equal(colors[:40, :40], photo[:40, :40]), "far from the mask nothing changes"


def test_a_clean_cutout_shows_no_rim_on_a_new_background(fur):
    cat, alpha, photo = fur
    green = np.full_like(cat, (0, 0.6, 0.2))
    due = alpha * cat + (1 - alpha) * green

    def error(clean: bool) -> float:
        cut = mask.cutout(photo, alpha[:, :, 0], clean=clean)
        assert np.array_equal(cut[:, :, 3:], alpha)
        return float(np.abs(cut[:, :, :3] * cut[:, :, 3:] + (1 - cut[:, :, 3:]) * green - due).mean())

    assert error(clean=True) < 0.6 * error(clean=False)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2)])
def test_pictures_of_any_size_will_do(size):
    photo = np.random.default_rng(1).random((size[1], size[0], 3), np.float32)
    alpha = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size[1], size[0], 1)
    colors = mask.foreground_colors(photo, alpha)
    assert colors.shape == photo.shape
    assert colors.min() >= 0
    assert colors.max() <= 1
    assert mask.refine(alpha, photo)(size).shape == alpha.shape
