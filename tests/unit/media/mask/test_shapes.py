"""Shapes have the area, the place and the edge that they should, at any size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a._core.errors import BadValue, TooLarge, UnknownName
from ml4a.media import mask, signals

STAR = [(math.sin(0.8 * math.pi * k) / 2, -math.cos(0.8 * math.pi * k) / 2) for k in range(5)]
SHAPES = [
    mask.solid(0.3, n=2),
    mask.circle(0.3, center=(0.1, -0.2), soft=0.2),
    mask.rectangle(0.8, 0.3, angle=0.4, corner=0.05),
    mask.polygon(STAR),
    mask.gradient((-0.3, 0.1), (0.4, 0.4)),
    mask.gradient((0, 0), (0, 0.7), shape="radial"),
    mask.checker(0.12, angle=0.2),
    mask.noise(0.3, octaves=2, seed=1),
    mask.text("ml4a", size=0.5),
    mask.arcs(3, 0.1, period=2, blend=0.3),
    mask.rects(4, (-0.4, 0.3), (0.4, -0.3), width=0.5, period=2),
    mask.stripes(2, 0.08, angle=0.5, period=1),
    mask.rays(3, 4, period=1, blend=0.5),
    mask.interpolation(3, period=2, blend=0.5),
    mask.from_array(np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 3, 2)),
    mask.circle(0.3).feathered(0.1),
    mask.circle(0.3).grown(0.05),
    mask.circle(0.3).shrunk(0.1),
    mask.stack(mask.circle(0.3), mask.checker()).normalized(),
    mask.arcs(3) - mask.circle(0.2),
]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.floats(-10, 10))
def test_every_mask_has_values_between_0_and_1_at_any_size_and_time(width, height, time):
    for shape in SHAPES:
        values = shape((width, height), time)
        assert values.shape == (height, width, shape.channels), shape
        assert values.dtype == np.float32
        assert values.min() >= 0, shape
        assert values.max() <= 1, shape  # both also false for NaN


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (mask.circle(0.3), math.pi * 0.09),
        (mask.circle(0.3, soft=0.1), math.pi * (0.09 + 0.05**2 / 3)),
        (mask.rectangle(0.8, 0.3, angle=0.4), 0.24),
        (mask.rectangle(0.8, 0.3, angle=0.4, corner=0.1), 0.24 - (4 - math.pi) * 0.01),
        (mask.polygon([(-0.4, 0.4), (0.4, 0.4), (0.1, -0.4)]), 0.32),
        (mask.polygon([(-0.4, -0.4), (0.4, -0.4), (0.4, 0.4), (0, 0), (-0.4, 0.4)]), 0.48),
    ],
)
def test_areas_are_those_of_geometry(shape, area):
    values = shape((300, 200))
    assert values.sum() / 200**2 == pytest.approx(area, rel=0.002)
    assert (values == 1).any()
    assert (values == 0).any()


def test_what_a_polygon_encloses_twice_is_outside():
    values = mask.polygon(STAR)((400, 400))[:, :, 0]
    assert values[200, 200] == 0
    assert values[60, 200] == 1  # in the upper point
    whole = mask.polygon([STAR[k] for k in (0, 3, 1, 4, 2)])  # the pentagon around it
    assert np.all(values <= whole((400, 400))[:, :, 0] + 1e-6)


def test_a_polygon_covers_pixels_by_their_share():
    square = mask.polygon([(-0.25, -0.25), (0.3, -0.25), (0.3, 0.25), (-0.25, 0.25)])
    np.testing.assert_allclose(square((4, 4))[1, :, 0], [0, 1, 1, 0.2], atol=1e-6)
    outside = mask.polygon([(-9, -9), (9, -9), (9, 9), (-9, 9)])
    np.testing.assert_allclose(outside((7, 5)), 1, atol=1e-6)
    assert mask.polygon([(2, 2), (3, 2), (3, 3)])((7, 5)).max() == 0


def test_circles_are_round_on_oblong_pictures_and_lie_where_they_should():
    values = mask.circle(0.25, center=(0.5, 0.25))((400, 200))[:, :, 0]
    rows, columns = np.nonzero(values > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (100, 199, 250, 349)
    assert columns.mean() == pytest.approx(299.5)  # x = 0.5 right of the middle
    assert rows.mean() > 100  # y is down


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_a_mask_looks_the_same_at_any_size(shape):
    small, large = shape((96, 64), 0.3), shape((384, 256), 0.3)
    reduced = large.reshape(64, 4, 96, 4, -1).mean(axis=(1, 3))
    assert np.abs(small - reduced).mean() < 0.02


def test_angles_are_counter_clockwise():
    values = mask.rectangle(0.9, 0.05, angle=math.pi / 4)((101, 101))[:, :, 0]
    assert values[30, 70] == 1  # up on the right
    assert values[70, 70] == 0


def test_gradients_lead_from_0_to_1():
    along = mask.gradient((-0.5, 0), (0.5, 0))((100, 20))[:, :, 0]
    wide = mask.gradient((-0.5, 0), (0.5, 0))((40, 20))
    assert wide[:, :10].max() < 0.03
    assert wide[:, 30:].min() > 0.97
    assert np.all(np.diff(along, axis=1) >= 0)
    assert np.ptp(along, axis=0).max() == 0
    radial = mask.gradient((0, 0), (0, 0.5), shape="radial")((101, 101))[:, :, 0]
    assert radial[50, 50] == 0
    assert radial[50, 75] == pytest.approx(0.5, abs=0.01)
    assert radial[0, 0] == 1


def test_checkers_alternate():
    values = mask.checker(0.25)((80, 80))[:, :, 0]
    cells = values.reshape(4, 20, 4, 20)[:, 10, :, 10]
    np.testing.assert_allclose(cells, (np.indices((4, 4)).sum(axis=0) + 1) % 2)
    assert values.mean() == pytest.approx(0.5, abs=0.01)


def test_noise_is_seeded_covers_half_and_loops():
    clouds = mask.noise(0.2, seed=1, period=4)
    np.testing.assert_array_equal(clouds((64, 48), 1.0), clouds((64, 48), 1.0))
    np.testing.assert_allclose(clouds((64, 48), 1.0), clouds((64, 48), 5.0), atol=1e-4)
    assert np.abs(clouds((64, 48), 1.0) - clouds((64, 48), 2.0)).mean() > 0.1
    assert np.abs(clouds((64, 48), 1.0) - mask.noise(0.2, seed=2, period=4)((64, 48), 1.0)).mean() > 0.1
    still = mask.noise(0.1, seed=3)
    np.testing.assert_array_equal(still((64, 48), 1.0), still((64, 48), 5.0))
    assert still((300, 300)).mean() == pytest.approx(0.5, abs=0.06)
    areas = [mask.noise(0.1, seed=3, level=level)((300, 300)).mean() for level in (-0.5, 0, 0.5)]
    assert areas == sorted(areas, reverse=True)
    islands = mask.noise(0.2, seed=3, soft=0)((300, 300))
    assert ((islands > 0) & (islands < 1)).mean() < 0.1


def test_words_can_be_read():
    values = mask.text("I", size=0.8, center=(0.25, 0))((200, 100))[:, :, 0]
    rows, columns = np.nonzero(values > 0.5)
    assert columns.mean() == pytest.approx(125, abs=2)
    assert rows.mean() == pytest.approx(50, abs=8)
    assert np.ptp(rows) > 3 * np.ptp(columns)
    two = mask.text("I\nI", size=0.3)((200, 100))[:, :, 0].max(axis=1)
    assert (np.diff((two > 0.5).astype(int)) == 1).sum() == 2  # two lines
    larger = [mask.text("ml4a", size)((200, 100)).sum() for size in (0, 0.1, 0.2, 0.4)]
    assert larger[0] == 0
    assert larger[2] / larger[1] == pytest.approx(4, rel=0.15)
    assert larger[3] / larger[2] == pytest.approx(4, rel=0.15)


def test_numbers_may_be_signals_and_are_held_to_their_range():
    growing = mask.circle(signals.keys({0: -1, 4: 1}), center=(signals.keys({0: 0, 4: 0.5}), 0))
    assert growing.moving
    assert not mask.circle().moving
    assert growing((64, 64), 1).sum() < 2  # a radius of -0.5 is none
    assert growing((640, 64), 3).sum() / 64**2 == pytest.approx(math.pi / 4, rel=0.02)
    beyond = mask.solid(signals.keys({0: -1, 1: 2}))
    assert [float(beyond((1, 1), time)[0, 0, 0]) for time in (0, 0.5, 1)] == [0, 0.5, 1]
    right = np.nonzero(growing((640, 64), 3)[32, :, 0] > 0.5)[0]
    assert right.mean() == pytest.approx(320 + 0.375 * 64, abs=1)
    triangle = mask.polygon([(0, signals.keys({0: 0, 1: -0.4})), (0.4, 0), (-0.4, 0)])
    assert triangle((50, 50), 1).sum() / 2500 == pytest.approx(0.16, rel=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mask.circle(-0.1), "mask.circle: radius must be between 0 and 10, not -0.1"),
        (lambda: mask.circle(float("nan")), "mask.circle: radius must be a finite number, not nan"),
        (lambda: mask.circle("0.3"), "radius must be a number"),
        (lambda: mask.circle(center=(0, float("inf"))), "a coordinate of center must be a finite number"),
        (lambda: mask.circle(center=0.5), r"center must be a pair \(x, y\)"),
        (lambda: mask.circle(center=(0, 1, 2)), r"center must be a pair \(x, y\)"),
        (lambda: mask.solid(n=0), "n must be between 1 and 64"),
        (lambda: mask.solid(n=signals.wave(1)), "n cannot change with time"),
        (lambda: mask.polygon([(0, 0), (1, 1)]), "three points or more, not 2"),
        (lambda: mask.polygon([]), "points must be 1 to 10000 things"),
        (lambda: mask.polygon("abc"), "points must be a list"),
        (lambda: mask.gradient((0, 0), (0, 0)), "start and end are both"),
        (lambda: mask.rects(start=(1, 1), end=(1, 1)), "start and end are both"),
        (lambda: mask.arcs(period=0), "period must be 0.001 or more"),
        (lambda: mask.arcs(blend=1.5), "blend must be between 0 and 1"),
        (lambda: mask.arcs(inwards="yes"), "inwards must be True or False"),
        (lambda: mask.text(" "), "must be 1 to 10,000 letters"),
        (lambda: mask.text("日本"), "the font has no '日本'"),
        (lambda: mask.text("a", font="/etc/passwd"), "name of an installed font or a Path"),
        (lambda: mask.text("a", font="no-such-font.ttf"), "there is no font 'no-such-font.ttf'"),
    ],
)
def test_bad_parameters_are_named(make, message):
    with pytest.raises((BadValue, FileNotFoundError), match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_names_that_do_not_exist_are_refused_with_the_nearest():
    with pytest.raises(BadValue, match="did you mean 'radial'"):
        mask.gradient(shape="radia")
    with pytest.raises(UnknownName, match="did you mean 'arcs'"):
        mask.classic({"type": "arc"})


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (2.5, 5), "5x5", (1, 2, 3), None])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(BadValue, match="size must be"):
        mask.circle()(size)


def test_times_and_sizes_beyond_bounds_are_refused():
    with pytest.raises(BadValue, match="the time must be a finite number, not nan"):
        mask.circle()((5, 5), float("nan"))
    with pytest.raises(TooLarge, match="more than the limit"):
        mask.circle()((100_000, 100_000))
    with pytest.raises(TooLarge, match="letters 20000 px high"):
        mask.text("a", size=4)((5000, 5000))
    assert mask.circle()(8).shape == (8, 8, 1)
