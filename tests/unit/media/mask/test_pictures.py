"""Masks from pictures: every pixel belongs somewhere, areas are as said, clusters stay what they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml4a._core.errors import BadMedia, BadValue, NotFound
from ml4a.media import image, mask

RAMP = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(8, axis=0)


def patches(widths: tuple[int, ...] = (64, 32, 16, 8), noise: float = 0.03, seed: int = 0) -> np.ndarray:
    """A picture of upright patches of four colours, from dark to bright, and some noise."""
    colours = np.linspace(0.1, 0.9, 4)[:, None] * np.array([1, 0.6, 0.2]) + np.array([0, 0.1, 0.3])
    row = np.repeat(colours, widths, axis=0)
    rng = np.random.default_rng(seed)
    return (row[None].repeat(40, axis=0) + rng.normal(0, noise, (40, len(row), 3))).clip(0, 1).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(1, 4),
    st.lists(st.floats(0, 1), min_size=1, max_size=4, unique=True),
    st.integers(1, 6),
)
def test_divisions_cover_every_pixel_exactly_once_whatever_its_size_and_channels(width, height, channels, levels, n):
    picture = np.random.default_rng(width * height).random((height, width, channels), dtype=np.float32)
    divided = mask.threshold(picture, sorted(levels))
    assert divided.channels == len(levels) + 1
    for made in (divided, mask.bands(picture, n), mask.kmeans(picture, n)):
        values = made((width, height))
        assert values.shape == (height, width, made.channels)
        assert set(np.unique(values)) <= {0, 1}
        np.testing.assert_array_equal(values.sum(axis=2), 1)


def test_thresholds_part_the_brightness():
    values = mask.threshold(RAMP, (0.25, 0.5))((256, 8))
    np.testing.assert_array_equal(values[0].argmax(axis=1), np.searchsorted([0.25, 0.5], RAMP[0]))
    coloured = np.zeros((1, 3, 3), np.float32)
    coloured[0, range(3), range(3)] = 1  # red, green, blue: 0.299, 0.587, 0.114
    np.testing.assert_array_equal(mask.threshold(coloured, (0.2, 0.5))((3, 1))[0].argmax(axis=1), (1, 2, 0))


def test_bands_have_equal_areas_from_dark_to_bright():
    picture = np.random.default_rng(0).random((100, 100)).astype(np.float32) ** 3
    values = mask.bands(picture, 5)((100, 100))
    np.testing.assert_allclose(values.mean(axis=(0, 1)), 0.2, atol=0.002)
    means = [picture[values[:, :, k] == 1].mean() for k in range(5)]
    assert means == sorted(means)


def test_clusters_are_the_colours_ordered_by_area():
    picture = patches()
    values = mask.kmeans(picture, 4)((picture.shape[1], 40))
    expected = np.repeat(range(4), [64, 32, 16, 8])
    assert (values.argmax(axis=2) == expected).mean() > 0.99
    np.testing.assert_array_equal(values, mask.kmeans(picture, 4)((picture.shape[1], 40)))


def test_clusters_keep_their_channel_from_frame_to_frame():
    """The areas change their order of size; the colours stay with their channels."""
    before = None
    for frame in range(15):
        share = frame / 14
        widths = np.round(np.array([64, 32, 16, 8]) * (1 - share) + np.array([8, 16, 32, 64]) * share).astype(int)
        picture = patches(tuple(widths), seed=frame)
        before = mask.kmeans(picture, 4, previous=before)
        labels = before((widths.sum(), 40)).argmax(axis=2)
        means = [picture[labels == k].mean() for k in range(4)]
        assert means == sorted(means)
    alone = mask.kmeans(picture, 4)((120, 40)).argmax(axis=2)
    np.testing.assert_array_equal(alone, 3 - labels)


def test_clusters_stay_where_they_were_if_the_colours_have_no_clusters_of_their_own():
    """The colours of a circle of hues can be parted anywhere; a little noise must not turn the parting."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    hues = np.stack([0.5 + 0.3 * np.cos(angle), 0.5 + 0.3 * np.sin(angle), 0 * angle], axis=1)
    before, agreed = None, []
    for frame in range(8):
        noise = np.random.default_rng(frame).normal(0, 0.03, (40, 120, 3))
        now = mask.kmeans((hues + noise).clip(0, 1), 4, previous=before)
        if before is not None:
            agreed.append((now((120, 40)) == before((120, 40))).all(axis=2).mean())
        before = now
    assert min(agreed) > 0.9


def test_the_mask_before_may_have_another_size_and_other_channels():
    picture = patches()
    half = mask.kmeans(picture[::2, ::2], 4)
    same = mask.kmeans(picture, 4, previous=half)((120, 40))
    assert (same == mask.kmeans(picture, 4)((120, 40))).all(axis=2).mean() > 0.99
    array = half((60, 20))
    np.testing.assert_array_equal(mask.kmeans(picture, 4, previous=array)((120, 40)), same)
    assert mask.kmeans(picture, 3, previous=half).channels == 3
    assert mask.kmeans(picture, 6, previous=half).channels == 6


@pytest.mark.parametrize("n", range(1, 8))
def test_channels_are_assigned_so_that_most_pixels_keep_theirs(n):
    import itertools

    from ml4a.media.mask._clusters import assignment

    gain = np.random.default_rng(n).integers(0, 50, (n, n))
    best = max(sum(gain[row, column] for row, column in enumerate(order)) for order in itertools.permutations(range(n)))
    found = assignment(gain)
    assert sorted(found) == list(range(n))
    assert gain[range(n), found].sum() == best


def test_smoothing_removes_specks():
    picture = patches(noise=0.2)
    rough, smooth = (mask.kmeans(picture, 4, smooth=radius)((120, 40)).argmax(axis=2) for radius in (0, 0.15))
    changes = [(np.diff(labels, axis=1) != 0).mean() for labels in (rough, smooth)]
    assert changes[1] < changes[0] / 4


def test_flat_pictures_leave_channels_empty_but_make_no_trouble():
    flat = np.full((5, 7, 3), 0.5, np.float32)
    assert mask.kmeans(flat, 4)((7, 5)).sum() == 35
    assert mask.bands(flat, 4)((7, 5)).sum() == 35


@pytest.mark.parametrize("kind", ["pil", "array", "tensor", "path"])
def test_every_kind_of_picture_gives_the_same_mask(kind, tmp_path):
    array = (patches() * 255).astype(np.uint8)
    rgba = np.dstack([array, np.full(array.shape[:2], 51, np.uint8)])
    path = image.save(rgba, tmp_path / "picture.png")
    given = {
        "pil": Image.fromarray(rgba),
        "array": rgba,
        "tensor": torch.from_numpy(rgba.transpose(2, 0, 1) / np.float32(255)),
        "path": path,
    }[kind]
    np.testing.assert_allclose(mask.from_alpha(given)((120, 40)), 0.2, atol=1e-6)
    luma = (array / 255) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(mask.from_luminance(given)((120, 40))[:, :, 0], luma, atol=1e-5)
    np.testing.assert_array_equal(mask.bands(given, 3)((120, 40)), mask.bands(array, 3)((120, 40)))
    assert mask.from_image(given).channels == 3


def test_opaque_pictures_have_a_full_alpha_and_grey_ones_one_channel():
    assert mask.from_alpha(RAMP)((9, 9)).min() == 1
    assert mask.from_image(RAMP).channels == 1
    assert mask.from_image(Image.new("L", (3, 3), 51))((3, 3))[0, 0] == pytest.approx(0.2)


def test_values_are_resized_bilinearly_and_averaged():
    values = np.array([[0, 1]], np.float32)
    np.testing.assert_allclose(mask.from_array(values)((8, 1))[0, :, 0], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
    np.testing.assert_allclose(mask.from_array(np.eye(8))((2, 2))[:, :, 0], np.eye(2) / 4)
    many = np.random.default_rng(0).random((6, 8, 7)).astype(np.float32)
    np.testing.assert_allclose(mask.from_array(many)((4, 3)), many.reshape(3, 2, 4, 2, 7).mean(axis=(1, 3)), atol=1e-6)
    np.testing.assert_array_equal(mask.from_array(many)((8, 6)), many)


def test_arrays_are_copied_and_of_several_types():
    values = np.full((3, 4), 0.5)
    made = mask.from_array(values)
    values[:] = 0
    assert made((4, 3)).min() == 0.5
    assert mask.from_array(np.full((3, 4), 51, np.uint8))((4, 3)).max() == pytest.approx(0.2)
    assert mask.from_array(np.eye(3) > 0)((3, 3)).sum() == 3
    assert made == mask.from_array(np.full((3, 4), 0.5, np.float32)) != mask.from_array(np.full((4, 3), 0.5))


def test_the_foreground_is_what_the_network_says():
    photo = Image.fromarray((patches() * 255).astype(np.uint8))
    seen = []

    def network(picture):
        seen.append(picture)
        return image.to_array(picture).mean(axis=2) > 0.5

    found = mask.foreground(photo, network)
    assert seen == [photo]
    np.testing.assert_array_equal(found((120, 40))[:, :, 0], image.to_array(photo).mean(axis=2) > 0.5)
    picture = mask.foreground(photo, lambda p: p.convert("L"))
    np.testing.assert_allclose(picture((120, 40)), mask.from_luminance(photo)((120, 40)), atol=0.003)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mask.from_array(np.full((3, 3), np.nan)), "a mask's values are in"),
        (lambda: mask.from_array(np.full((3, 3), -1.0)), "these reach from -1 to -1"),
        (lambda: mask.from_array(np.full((3, 3), 255.0)), "these reach from 255 to 255"),
        (lambda: mask.from_array(np.zeros((0, 3))), "H×W or H×W×n with 1 to 64 channels, not 0×3×1"),
        (lambda: mask.from_array(np.zeros((3, 3, 65))), "1 to 64 channels"),
        (lambda: mask.from_array(np.zeros((2, 3, 3, 1))), "not 2×3×3×1"),
        (lambda: mask.from_array(np.zeros((3, 3), complex)), "floats in"),
        (lambda: mask.from_array("photo.jpg"), "mask.from_image takes pictures"),
        (lambda: mask.threshold(RAMP, (0.5, 0.2)), "levels must rise"),
        (lambda: mask.threshold(RAMP, (0.5, 0.5)), "levels must rise"),
        (lambda: mask.threshold(RAMP, (50, 200)), "levels must rise, from 0 at least to 1"),
        (lambda: mask.threshold(RAMP, ()), "levels must rise"),
        (lambda: mask.threshold(RAMP, (float("nan"),)), "a level must be a finite number"),
        (lambda: mask.bands(RAMP, 0), "n must be a whole number between 1 and 64"),
        (lambda: mask.kmeans(RAMP, 2.5), "n must be a whole number"),
        (lambda: mask.kmeans(RAMP, 3, smooth=-1), "smooth must be 0 or more"),
        (lambda: mask.kmeans(np.full((3, 3, 3), np.nan), 2), "float picture's values are in"),
        (lambda: mask.kmeans(RAMP, 3, previous=np.full((3, 3), np.nan)), "a mask's values are in"),
        (lambda: mask.foreground(RAMP, lambda p: "no"), "no"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises((BadValue, NotFound, BadMedia), match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
