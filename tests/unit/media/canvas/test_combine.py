"""Warps seen through each other, added and mixed; and between two scores."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml4a._core.errors import BadValue
from ml4a.media import canvas, mask
from ml4a.media.canvas import expand, identity, interpolate, kaleidoscope, mix, noise, rotate, shift, swirl, twirl, zoom
from ml4a.media.signals import keys, wave

SIZE = (64, 48)


def places(warp, size=SIZE, time=0.0):
    return canvas.coordinates(warp, size, time).astype(np.float64)


def photo(height=120, width=160, seed=0):
    """Smooth, so that interpolating it twice is nearly interpolating it once."""
    picture = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    return cv2.normalize(cv2.GaussianBlur(picture, (0, 0), 6), np.empty_like(picture), 0, 1, cv2.NORM_MINMAX)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (zoom(1.3), rotate(0.4)),
        (swirl(1), zoom(1.2)),
        (shift(0.1), expand(0.05)),
        (rotate(0.3), twirl(1, center=(0.1, 0))),
    ],
)
def test_a_composition_is_the_picture_of_b_seen_through_a(a, b):
    picture = photo()
    once, twice = (a @ b)(picture), a(b(picture))
    middle = slice(30, -30), slice(30, -30)
    np.testing.assert_allclose(once[middle], twice[middle], atol=0.01)


def test_affine_warps_in_a_row_are_one_matrix():
    a, b, c = zoom(1.3, center=(0.1, 0.2)), rotate(0.4), shift(0.1, -0.05)
    x, y = np.moveaxis(places(identity()), 2, 0)
    homogeneous = np.stack([x, y, np.ones_like(x)], axis=2)
    expected = homogeneous @ (c.matrix() @ b.matrix() @ a.matrix()).T
    np.testing.assert_allclose(places(a @ b @ c), expected[:, :, :2], atol=1e-6)


def test_zoom_then_its_inverse_is_the_picture():
    picture = photo()
    np.testing.assert_allclose((zoom(2) @ zoom(0.5))(picture), picture, atol=1e-5)
    np.testing.assert_allclose(
        zoom(0.5)(zoom(2)(picture, size=(320, 240)), size=(160, 120))[40:80, 50:110], picture[40:80, 50:110], atol=0.03
    )


def test_composition_is_associative_and_flat():
    a, b, c = zoom(1.1), swirl(1), rotate(0.2)
    assert (a @ b) @ c == a @ (b @ c)
    assert repr(a @ b @ c) == "zoom(1.1) @ swirl(1.0) @ rotate(0.2)"


def test_displacements_are_added():
    a, b, c = swirl(0.5), shift(0.1, 0.2), expand(0.1)
    still = places(identity())
    expected = still + sum(places(each) - still for each in (a, b, c))
    np.testing.assert_allclose(places(a & b & c), expected, atol=2e-6)
    np.testing.assert_allclose(places(shift(0.1) & shift(0.2, 0.1)), places(shift(0.3, 0.1)), atol=1e-6)
    assert a & b & c == (a & b) & c == a & (b & c)


def test_nothing_added_to_nothing_is_nothing():
    np.testing.assert_array_equal(places(swirl(1) @ (zoom(1) & rotate(0))), places(swirl(1)))


def test_seeing_through_binds_stronger_than_adding():
    score = zoom(1.02) @ rotate(0.01) & noise(0.1)
    assert repr(score) == "zoom(1.02) @ rotate(0.01) & noise(0.1)"
    assert repr((zoom(1.02) & noise(0.1)) @ rotate(0.01)) == "(zoom(1.02) & noise(0.1)) @ rotate(0.01)"


def test_powers_repeat():
    np.testing.assert_allclose(places(zoom(1.1) ** 3), places(zoom(1.1**3)), atol=1e-6)
    assert swirl(1) ** 0 == identity()
    assert swirl(1) ** 1 == swirl(1)


def test_a_mask_weighs_places():
    a, b = zoom(2), rotate(0.5)
    ramp = np.linspace(0, 1, SIZE[0], dtype=np.float32)[None, :].repeat(SIZE[1], 0)
    share = ramp[:, :, None]
    expected = share * places(a) + (1 - share) * places(b)
    np.testing.assert_allclose(places(mix(ramp, a, b)), expected, atol=1e-6)
    np.testing.assert_allclose(places(mix(np.dstack([ramp, 1 - ramp]) * 7, a, b)), expected, atol=1e-6)


def test_masks_of_three_are_divided_by_their_sum():
    warps = [zoom(2), swirl(1), shift(0.3)]
    weights = np.random.default_rng(1).random((*SIZE[::-1], 3), dtype=np.float32)
    weights[5:9, 5:9] = 0  # where there is none, all have equal shares
    shares = weights / np.maximum(weights.sum(2, keepdims=True), 1e-9)
    shares[5:9, 5:9] = 1 / 3
    expected = sum(shares[:, :, k, None] * places(warp) for k, warp in enumerate(warps))
    np.testing.assert_allclose(places(mix(weights, *warps)), expected, atol=2e-6)


def test_without_a_mask_all_have_equal_shares():
    expected = (places(zoom(2)) + places(swirl(1)) + places(shift(0.3))) / 3
    np.testing.assert_allclose(places(mix(None, zoom(2), swirl(1), shift(0.3))), expected, atol=1e-6)


def test_a_number_or_a_signal_goes_from_one_to_the_other():
    a, b = swirl(2), zoom(2)
    np.testing.assert_allclose(places(mix(0.25, a, b)), 0.25 * places(a) + 0.75 * places(b), atol=1e-6)
    moving = mix(keys({0: 0, 4: 2}), a, b)
    assert moving.moving
    np.testing.assert_allclose(places(moving, time=0), places(b), atol=1e-6)
    np.testing.assert_allclose(places(moving, time=1), places(mix(0.5, a, b)), atol=1e-6)
    np.testing.assert_allclose(places(moving, time=3), places(a), atol=1e-6)


def test_where_a_mask_is_one_nothing_of_the_other_is_seen():
    picture = photo()
    inside = mask.circle(0.3)
    mixed = mix(inside, identity(), swirl(2))(picture)
    full = inside((160, 120))[:, :, 0] == 1
    np.testing.assert_array_equal(mixed[full], picture[full])
    assert np.abs(mixed - picture)[~full].max() > 0.1


def test_a_mask_is_seen_through_the_warp_before():
    """The mask belongs to the mixed picture: a zoom enlarges it as well."""
    half = np.zeros((48, 64), np.float32)
    half[:, 32:] = 1
    score = shift(0.25) @ mix(half, zoom(2), identity())
    picture = photo(48, 64)
    expected = shift(0.25)(mix(half, zoom(2), identity())(picture))
    np.testing.assert_allclose(score(picture)[:, 20:], expected[:, 20:], atol=0.02)


def test_a_mask_may_move_or_be_any_function():
    moving = mix(lambda size, time: np.full((size[1], size[0]), min(time, 1), np.float32), zoom(2), identity())
    assert moving.moving
    np.testing.assert_allclose(places(moving, time=0.5), (places(zoom(2)) + places(identity())) / 2, atol=1e-6)
    assert not mix(mask.circle(0.3), zoom(2), identity()).moving
    assert mix(mask.circle(wave(1)), zoom(2), identity()).moving


def test_a_mask_of_another_size_is_stretched():
    score = mix(np.array([[1.0, 0.0]], np.float32), zoom(2), identity())
    share = np.clip(1 - (np.arange(64) / 63 * 65 / 64 - 0.5 / 64) * 1.5 + 0.25, 0, 1)  # falls between the two centres
    found = places(score)
    still, large = places(identity()), places(zoom(2))
    np.testing.assert_allclose(found[:, [0, -1]], np.stack([large[:, 0], still[:, -1]], 1), atol=1e-6)
    assert share[0] == 1
    assert np.all(np.diff(np.abs(found - still).sum(2) / np.abs(large - still).sum(2), axis=1) < 1e-4)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda: mix(None, zoom(2)), "two warps or more, not 1"),
        (lambda: mix(2.0, zoom(2), zoom(3)), "between 0 and 1"),
        (lambda: mix("circle", zoom(2), zoom(3)), "must be a finite number"),
        (lambda: mix(np.full((4, 4), np.nan), zoom(2), zoom(3)), "finite and from 0 up"),
        (lambda: mix(np.full((4, 4), -1.0), zoom(2), zoom(3)), "from 0 up"),
        (lambda: mix(np.zeros((0, 4)), zoom(2), zoom(3)), "floats from 0 up"),
        (lambda: mix(np.ones((4, 4, 3)), zoom(2), zoom(3))(photo()), "3 channels cannot mix 2"),
        (lambda: mix(0.5, zoom(2), zoom(3), zoom(4))(photo()), "1 channels cannot mix 3"),
        (lambda: mix(lambda size, time: "no", zoom(2), zoom(3))(photo()), "not str"),
        (lambda: mix(None, zoom(2), "zoom"), "mix: each of warps must be a warp, not str"),
        (lambda: canvas.compose(), "compose: warps must be 1 to 10000"),
        (lambda: canvas.together(zoom(2), 3), "each of warps must be a warp, not int"),
    ],
)
def test_wrong_mixtures_are_refused_in_one_line(score, message):
    with pytest.raises(BadValue, match=message) as caught:
        score()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("other", [3, "zoom", None])
def test_a_warp_goes_together_with_warps_only(other):
    with pytest.raises(TypeError):
        zoom(2) @ other
    with pytest.raises(TypeError):
        zoom(2) & other


def test_scores_inside_each_other_have_a_limit():
    score = zoom(1.1)
    with pytest.raises(BadValue, match="30 times"):
        for _ in range(50):
            score = (score @ rotate(0.1)) & swirl(0.1)


def test_what_is_as_deep_as_may_be_is_read_back():
    score, shape = zoom(keys({0: 1, 2: 1.5}), center=(wave(1), 0)), mask.circle(2 * wave(1, 0.1, 0.2))
    with pytest.raises(BadValue, match="30 times"):
        for _ in range(50):
            shape = ~((shape | mask.solid(0.1)) & mask.solid(0.9))
    deepest = mix(shape, score, score)
    with pytest.raises(BadValue, match="30 times"):
        for _ in range(50):
            score = mix(0.5, score, zoom(2))
    for each in (deepest, score):
        assert canvas.loads(canvas.dumps(each)) == each


def test_between_two_scores_every_number_is_between():
    a = zoom(1.0) @ rotate(0.1, center=(0.5, 0.25)) & noise(0.1, octaves=4)
    b = zoom(1.5) @ rotate(-0.3, center=(0.0, 1.0)) & noise(0.3, octaves=8)
    assert interpolate(a, b, 0) == a
    assert interpolate(a, b, 1) == b
    middle = interpolate(a, b, 0.7)
    seen, moved = middle.warps
    assert seen.warps[0].factor == pytest.approx(1.35)
    assert seen.warps[1].angle == pytest.approx(-0.18)
    assert seen.warps[1].center == pytest.approx((0.15, 0.775))
    assert (moved.amount, moved.octaves) == (pytest.approx(0.24), 7)


def test_between_two_scores_a_signal_moves():
    moving = interpolate(zoom(1.0), zoom(2.0), keys({0: 0, 2: 1}))
    assert moving.at(1) == zoom(1.5)
    assert interpolate(zoom(wave(1)), zoom(2.0), 0.5).moving
    assert interpolate(mix(0.2, zoom(1), zoom(2)), mix(0.6, zoom(2), zoom(2)), 0.5) == mix(0.4, zoom(1.5), zoom(2))


@pytest.mark.parametrize(
    ("a", "b", "r"),
    [
        (zoom(1), rotate(1), 0.5),
        (zoom(1) @ rotate(1), zoom(1) @ rotate(1) @ rotate(1), 0.5),
        (mix(None, zoom(1), zoom(2)), mix(0.5, zoom(1), zoom(2)), 0.5),
        (kaleidoscope(4), kaleidoscope(6), wave(1)),
        (zoom(1), zoom(2), np.nan),
        (zoom(1), 2, 0.5),
        (noise(1, seed=1), noise(1, seed=3), 0.5),
    ],
)
def test_scores_of_two_shapes_cannot_be_interpolated(a, b, r):
    with pytest.raises(BadValue):
        interpolate(a, b, r)
