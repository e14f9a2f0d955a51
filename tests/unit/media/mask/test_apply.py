"""Masks on pictures of all kinds: what shows, what is cut out, and that no hidden colour bleeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image, mask, signals

SIZE = (12, 8)
RNG = np.random.default_rng(0)
A, B = (RNG.random((8, 12, 3), dtype=np.float32) for _ in range(2))
LEFT = np.zeros((8, 12), np.float32)
LEFT[:, :6] = 1


def of_kind(array: np.ndarray, kind: str) -> object:
    return {"array": lambda: array, "pil": lambda: image.to_picture(array),
            "tensor": lambda: torch.from_numpy(array.transpose(2, 0, 1))}[kind]()  # fmt: skip


@pytest.mark.parametrize("kind", ["array", "pil", "tensor"])
@pytest.mark.parametrize("other", ["array", "pil", "tensor"])
def test_the_first_shows_where_the_mask_is_one_in_its_own_kind(kind, other):
    result = mask.composite(of_kind(A, kind), of_kind(B, other), LEFT)
    assert image.kind_of(result) == kind
    expected = np.where(LEFT[:, :, None] > 0, A, B)
    assert np.abs(image.to_array(result) - expected).max() <= (1 / 255 if "pil" in (kind, other) else 0)
    for changed in (mask.apply, mask.cutout):
        assert image.kind_of(changed(of_kind(A, kind), LEFT)) == kind


def test_between_0_and_1_they_are_mixed():
    half = mask.solid(0.25)
    np.testing.assert_allclose(mask.composite(A, B, half), 0.25 * A + 0.75 * B, atol=1e-6)
    np.testing.assert_array_equal(mask.composite(A, B, mask.solid()), A)
    np.testing.assert_array_equal(mask.composite(A, B, mask.solid(0)), B)


def test_masks_may_be_arrays_pictures_functions_and_of_two_channels():
    expected = mask.composite(A, B, mask.from_array(LEFT))
    picture = Image.fromarray((LEFT * 255).astype(np.uint8))
    for given in (LEFT, LEFT[:, :, None], LEFT > 0, (LEFT * 255).astype(np.uint8), picture, lambda size, time: LEFT):
        np.testing.assert_array_equal(mask.composite(A, B, given), expected)
    shares = np.stack([LEFT * 0.3, (1 - LEFT) * 0.3], axis=2)
    np.testing.assert_allclose(mask.composite(A, B, shares), expected, atol=1e-6)
    np.testing.assert_allclose(mask.composite(A, B, shares * 0), (A + B) / 2, atol=1e-6)


def test_moving_masks_are_seen_at_a_time():
    wipe = mask.rectangle(10, 10, center=(signals.keys({0: -5 - 0.75, 1: -5 + 0.75}), 0))
    np.testing.assert_array_equal(mask.composite(A, B, wipe, time=0), B)
    np.testing.assert_array_equal(mask.composite(A, B, wipe, time=1), A)
    np.testing.assert_allclose(mask.composite(A, B, wipe, time=0.5)[:, :6], A[:, :6], atol=1e-6)


def test_another_size_is_brought_to_that_of_the_first():
    large = np.full((80, 120, 3), 0.5, np.float32)
    assert mask.composite(A, large, LEFT).shape == A.shape
    np.testing.assert_allclose(mask.composite(A, large, LEFT)[:, 6:], 0.5, atol=1e-6)


def test_colours_of_transparent_pixels_do_not_bleed():
    green = np.zeros((8, 12, 4), np.float32)
    green[:, :, 1] = 1  # transparent
    red = np.zeros((8, 12, 3), np.float32)
    red[:, :, 0] = 1
    mixed = mask.composite(green, red, mask.solid(0.5))
    np.testing.assert_allclose(mixed, np.broadcast_to([1, 0, 0, 0.5], mixed.shape), atol=1e-6)
    green[:, :, 3] = 0.5
    np.testing.assert_allclose(mask.composite(red, green, mask.solid(0.5))[0, 0], [2 / 3, 1 / 3, 0, 0.75], atol=1e-6)
    nothing = np.zeros((8, 12, 4), np.float32)
    assert np.isfinite(mask.composite(nothing, nothing, LEFT)).all()


def test_a_picture_times_a_mask():
    np.testing.assert_array_equal(mask.apply(A, LEFT), A * LEFT[:, :, None])
    np.testing.assert_array_equal(mask.apply(A, B), A * B)
    alpha = np.dstack([A, LEFT])
    np.testing.assert_array_equal(mask.apply(alpha, mask.solid(0.5))[:, :, 3], LEFT)
    before = A.copy()
    mask.apply(A, mask.solid(0))
    np.testing.assert_array_equal(A, before)


def test_cutting_out_multiplies_the_alpha_and_keeps_colours():
    cut = mask.cutout(A, LEFT)
    np.testing.assert_array_equal(cut, np.dstack([A, LEFT]))
    np.testing.assert_array_equal(mask.cutout(cut, mask.solid(0.5))[:, :, 3], LEFT / 2)
    assert mask.cutout(image.to_picture(A), LEFT).mode == "RGBA"


def test_a_round_trip_through_pictures():
    for channels in (1, 3):
        values = np.random.default_rng(1).random((8, 12, channels)).astype(np.float32)
        back = mask.from_image(mask.to_image(values))(SIZE)
        assert np.abs(back - values).max() <= 0.5001 / 255
    assert mask.to_image(mask.circle(), (30, 20)).size == (30, 20)
    assert mask.to_image(mask.circle()).size == (512, 512)
    assert mask.to_image(LEFT, 4).size == (4, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mask.composite(A, B, mask.arcs(3)), "mixed by 1 or 2 channels, not 3"),
        (lambda: mask.apply(A, mask.arcs(2)), "multiplied by 1 or 3 channels, not 2"),
        (lambda: mask.cutout(A, mask.arcs(3)), "one alpha, not 3"),
        (lambda: mask.to_image(mask.arcs(2)), "1 or 3 channels, not 2"),
        (lambda: mask.composite(A, B, LEFT, time=float("nan")), "the time must be a finite number"),
        (lambda: mask.composite(A * np.nan, B, LEFT), "a float picture's values are in"),
        (lambda: mask.composite(A, B, lambda size, time: LEFT.T), "a mask of 12×8 px has 8 rows and 12 columns"),
        (lambda: mask.composite(A, B, lambda size, time: LEFT * np.nan), "a mask's values are in"),
        (lambda: mask.composite(A, B, 0.5), "a picture is a path"),
        (lambda: mask.composite(A[:0], B, LEFT), "picture's array is"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(BadValue, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
