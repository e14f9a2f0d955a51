"""What each warp does, at which place it looks, and that it is a value."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from every_warp import every_warp

from ml4a._core.errors import BadValue
from ml4a.media import canvas, motion
from ml4a.media.canvas import (
    curl,
    displace,
    expand,
    fan,
    flow,
    identity,
    kaleidoscope,
    lens,
    noise,
    perspective,
    polar,
    ripple,
    rotate,
    shear,
    shift,
    spiral,
    stretch,
    swirl,
    twirl,
    unpolar,
    zoom,
)
from ml4a.media.signals import keys, wave

SIZE = (64, 48)


def kinds(warps):
    return [warp.kind for warp in warps]


def looks(warp, x, y, size=(200, 200), time=0.0):
    """Where the pixel at (x, y) looks: both are on the canvas."""
    places = canvas.coordinates(warp, size, time)
    unit = min(size)
    column, row = round(x * unit + size[0] / 2 - 0.5), round(y * unit + size[1] / 2 - 0.5)
    start = canvas.coordinates(identity(), size)[row, column]
    return places[row, column], start


def test_every_kind_is_tested():
    assert {*kinds(every_warp()), "identity", "compose", "together", "mix"} == canvas.Warp.kinds.keys()


@pytest.mark.parametrize("warp", every_warp(), ids=kinds(every_warp()))
def test_every_warp_moves_and_stays_finite(warp):
    for size in ((1, 1), (1, 7), (33, 1), SIZE):
        assert np.isfinite(canvas.coordinates(warp, size)).all()
    moved = np.abs(canvas.coordinates(warp, SIZE) - canvas.coordinates(identity(), SIZE)).max()
    assert moved > 0.01


@pytest.mark.parametrize("warp", every_warp(), ids=kinds(every_warp()))
def test_a_warp_is_a_value(warp):
    assert warp == warp.at(3)
    assert hash(warp) == hash(warp.at(3))
    with pytest.raises(AttributeError):
        warp.amount = 2
    assert warp != identity()


@pytest.mark.parametrize(
    "warp",
    [
        *(identity(), shift(), stretch(), zoom(1), rotate(0), shear(), perspective(), zoom(1) @ rotate(0)),
        *(expand(0), spiral(0), ripple(0), lens(0), swirl(0), twirl(0), fan(0), noise(0), curl(0)),
        displace(np.ones((2, 2, 3)), 0),
    ],
    ids=repr,
)
def test_what_does_nothing_gives_the_very_same_values(warp):
    picture = np.random.default_rng(0).random((31, 44, 3), dtype=np.float32)
    result = warp(picture, interpolation="bicubic")
    np.testing.assert_array_equal(result, picture)
    assert result is not picture


def test_a_shift_moves_to_the_right_and_down():
    place, start = looks(shift(0.2, 0.1), 0.1, 0.1)
    np.testing.assert_allclose(place, start - (0.2, 0.1), atol=1e-6)


def test_a_rotation_turns_counter_clockwise_on_the_screen():
    picture = np.zeros((41, 41, 1), np.float32)
    picture[18:23, 38:] = 1  # at the right border
    turned = rotate(math.pi / 2)(picture)
    assert turned[:3, 18:23].mean() == pytest.approx(1, abs=1e-3)  # at the upper one
    assert turned.sum() == pytest.approx(picture.sum(), rel=1e-3)


def test_four_quarter_turns_are_none():
    picture = np.random.default_rng(1).random((60, 60, 3), dtype=np.float32)
    quarter = rotate(math.pi / 2)
    np.testing.assert_allclose(quarter(quarter(quarter(quarter(picture)))), picture, atol=1e-6)
    np.testing.assert_allclose((quarter**4)(picture), picture, atol=1e-6)
    np.testing.assert_allclose(quarter(picture), np.rot90(picture), atol=1e-6)


@pytest.mark.parametrize(
    ("warp", "distance"),
    [
        (zoom(2), lambda r: r / 2),
        (expand(0.1), lambda r: r - 0.1),
        (expand(-0.1), lambda r: r + 0.1),
        (expand(0.9), lambda r: 0),
        (lens(1, radius=0.5), lambda r: 0.5 * (r / 0.5) ** 2),
        (lens(-0.5, radius=0.5), lambda r: 0.5 * (r / 0.5) ** 0.5),
        (lens(3, radius=0.1), lambda r: r),
        (ripple(0.05, 0.2, phase=0.25), lambda r: r - 0.05 * math.sin(2 * math.pi * (r / 0.2 - 0.25))),
    ],
    ids=lambda value: repr(value) if isinstance(value, canvas.Warp) else "",
)
def test_how_far_from_the_center_a_warp_looks(warp, distance):
    place, start = looks(warp, 0.2, -0.15)
    r = np.hypot(*start)
    np.testing.assert_allclose(place, start / r * distance(r), atol=2e-6)


@pytest.mark.parametrize(
    ("warp", "turn"),
    [
        (rotate(0.3), lambda r, a: 0.3),
        (swirl(2), lambda r, a: 2 * r),
        (fan(0.5), lambda r, a: 0.5 * a),
        (twirl(2, radius=0.5), lambda r, a: 2 * (1 - r / 0.5) ** 2),
        (twirl(2, radius=0.1), lambda r, a: 0),
    ],
    ids=lambda value: repr(value) if isinstance(value, canvas.Warp) else "",
)
@pytest.mark.parametrize(("x", "y"), [(0.2, -0.15), (-0.3, 0.2), (-0.1, -0.4)])
def test_how_far_round_the_center_a_warp_looks(warp, turn, x, y):
    place, start = looks(warp, x, y)
    r, a = np.hypot(*start), math.atan2(start[1], start[0])
    angle = a + turn(r, a)
    np.testing.assert_allclose(place, (r * math.cos(angle), r * math.sin(angle)), atol=2e-6)


def test_a_spiral_has_lobes():
    place, start = looks(spiral(0.3, periods=4), 0.2, -0.15)
    a = math.atan2(start[1], start[0])
    np.testing.assert_allclose(place, start * (1 + 0.3 * math.sin(4 * a)), atol=2e-6)
    places = canvas.coordinates(spiral(-0.3, periods=4), SIZE)
    assert np.abs(places - canvas.coordinates(identity(), SIZE)).max() > 0.1  # lobes inwards are lobes as well


def test_a_shear_slants_and_a_perspective_narrows():
    place, start = looks(shear(0.5), 0.1, 0.2)
    np.testing.assert_allclose(place, start - (0.5 * start[1], 0), atol=1e-6)
    top, start = looks(perspective(y=1), 0.3, -0.4)
    np.testing.assert_allclose(top, start / (1 + start[1]), atol=1e-6)


@pytest.mark.parametrize("size", [(200, 200), (320, 200), (200, 320)])
def test_unrolling_a_disc_gives_what_was_rolled_up(size):
    there = canvas.coordinates(polar() @ unpolar(), size)
    np.testing.assert_allclose(there, canvas.coordinates(identity(), size), atol=2e-5)


def test_a_disc_has_the_lower_edge_in_the_middle():
    place, _ = looks(polar(), 0, 0)
    assert place[1] == pytest.approx(0.5, abs=0.02)
    place, _ = looks(polar(), 0, -0.497)
    np.testing.assert_allclose(place, (0, -0.5), atol=0.02)  # and the middle of the upper one at the top


def test_a_kaleidoscope_looks_the_same_turned_and_mirrored():
    picture = np.random.default_rng(2).random((120, 120, 3), dtype=np.float32)
    picture = cv2.GaussianBlur(picture, (0, 0), 4)
    seen = kaleidoscope(4)(picture)
    np.testing.assert_allclose(seen, np.rot90(seen), atol=2e-3)
    np.testing.assert_allclose(seen, seen[::-1], atol=2e-3)
    assert np.abs(seen - seen.transpose(1, 0, 2)).mean() < 2e-3
    assert seen.std() > 0.3 * picture.std()


@pytest.mark.parametrize("make", [zoom, expand, swirl, twirl, fan, lens, ripple, spiral], ids=lambda make: make.kind)
def test_a_center_moves_what_happens(make):
    around, middle = make(0.5, center=(0.13, -0.2)), make(0.5)
    there = shift(0.13, -0.2) @ middle @ shift(-0.13, 0.2)
    mirrored = shift(-0.13, 0.2) @ around @ shift(0.13, -0.2)
    np.testing.assert_allclose(canvas.coordinates(around, SIZE), canvas.coordinates(there, SIZE), atol=1e-5)
    np.testing.assert_allclose(canvas.coordinates(mirrored, SIZE), canvas.coordinates(middle, SIZE), atol=1e-5)


def test_a_displacement_moves_to_the_right_where_it_is_red_and_down_where_green():
    picture = np.full((4, 4, 3), 0.5, np.float32)
    picture[:2, :, 0] = 1
    picture[2:, :, 1] = 0
    there, here = (canvas.coordinates(warp, SIZE) for warp in (displace(picture, 0.2), identity()))
    np.testing.assert_allclose((there - here)[0, 0], (-0.2, 0), atol=1e-6)
    np.testing.assert_allclose((there - here)[-1, -1], (0, 0.2), atol=1e-6)


def test_a_flow_moves_as_the_flow_says():
    vectors = np.zeros((24, 32, 2), np.float32)
    vectors[:, :, 0] = 3
    picture = np.random.default_rng(3).random((48, 64, 3), dtype=np.float32)
    moved = flow(motion.Flow(vectors))(picture, border="clamp")  # 3 pixels of 32 are 6 of 64
    np.testing.assert_allclose(moved[:, :-6], picture[:, 6:], atol=1e-5)
    half = flow(motion.Flow(vectors), amount=0.5)(picture, border="clamp")
    np.testing.assert_allclose(half[:, :-3], picture[:, 3:], atol=1e-5)


def test_what_a_warp_holds_does_not_change_with_its_source():
    vectors = np.ones((4, 4, 2), np.float32)
    warp = flow(motion.Flow(vectors))
    before = canvas.coordinates(warp, SIZE)
    vectors[:] = 0
    np.testing.assert_array_equal(canvas.coordinates(warp, SIZE), before)
    assert warp == flow(motion.Flow(np.ones((4, 4, 2), np.float32))) != flow(motion.Flow(vectors))


def test_key_frames_drive_any_number():
    warp = zoom(keys({0: 1.0, 2: 2.0}), center=(keys({0: 0.0, 2: 0.2}), 0.1))
    assert warp.moving
    assert warp.at(1) == zoom(1.5, center=(0.1, 0.1))
    picture = np.random.default_rng(4).random((40, 50, 3), dtype=np.float32)
    np.testing.assert_array_equal(warp(picture, time=1), zoom(1.5, center=(0.1, 0.1))(picture))
    assert np.abs(warp(picture, time=2) - warp(picture, time=1)).max() > 0.1


def test_a_signal_that_leaves_the_range_is_held_at_its_end():
    assert zoom(keys({0: -5.0})).at(0) == zoom(0.001)
    assert lens(wave(1, -3, 100)).at(0.5) == lens(10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: zoom(0), "zoom: factor must be between 0.001 and 1000, not 0"),
        (lambda: zoom(math.nan), "factor must be a finite number"),
        (lambda: zoom("2"), "factor must be a number"),
        (lambda: zoom(True), "factor must be a number"),
        (lambda: stretch(x=-1), "stretch: x must be between"),
        (lambda: kaleidoscope(2.5), "n must be a whole number"),
        (lambda: kaleidoscope(wave(1)), "n cannot change with time"),
        (lambda: rotate(0.1, center=3), r"rotate: center must be a pair \(x, y\)"),
        (lambda: rotate(0.1, center=(0, math.inf)), "center must be a finite number"),
        (lambda: rotate(0.1, center=(0, 1, 2)), "must be a pair"),
        (lambda: noise(0.1, octaves=0), "octaves must be between 1 and 16"),
        (lambda: noise(0.1, period=0), "period must be between"),
        (lambda: noise(0.1, seed=-1), "seed must be 0 or more"),
        (lambda: lens(-1), "strength must be between"),
        (lambda: flow(np.zeros((2, 2, 2))), "motion must be a motion.Flow, not ndarray"),
        (lambda: flow(motion.Flow(np.full((2, 2, 2), np.nan))), "finite"),
        (lambda: displace(np.full((2, 2, 3), np.nan)), "values are in"),
        (lambda: zoom(2) ** -1, "repeated a whole number of times"),
        (lambda: zoom(2) ** 1.5, "repeated a whole number of times"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(make, message):
    with pytest.raises(BadValue, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
