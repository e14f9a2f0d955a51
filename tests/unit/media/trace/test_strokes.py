"""Every line is drawn once, and strokes go on as long as lines do."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from ml4a import trace
from ml4a._core.errors import BadValue


def drawing(draw, size=(120, 160)) -> np.ndarray:
    """Black on white, from what `draw` does to a plane of ink."""
    ink = np.zeros(size, np.uint8)
    draw(ink)
    return 1 - np.repeat(ink[:, :, None], 3, axis=2).astype(np.float32)


def length(stroke: np.ndarray) -> float:
    return float(np.hypot(*np.diff(stroke, axis=0).T).sum())


def is_closed(stroke: np.ndarray) -> bool:
    return len(stroke) > 2 and (stroke[0] == stroke[-1]).all()


def test_a_line_is_one_stroke_from_end_to_end():
    (stroke,) = trace.strokes(drawing(lambda ink: cv2.line(ink, (10, 20), (140, 90), 1)))
    ends = sorted(stroke[[0, -1]].tolist())
    np.testing.assert_allclose(ends, [[10.5, 20.5], [140.5, 90.5]], atol=0.01)
    assert len(stroke) <= 4  # it is straight
    assert length(stroke) == pytest.approx(np.hypot(130, 70), rel=0.01)


def test_a_ring_is_one_closed_stroke():
    (stroke,) = trace.strokes(drawing(lambda ink: cv2.circle(ink, (80, 60), 40, 1)))
    assert is_closed(stroke)
    np.testing.assert_allclose(np.hypot(*(stroke - [80.5, 60.5]).T), 40, atol=1)
    assert length(stroke) == pytest.approx(2 * np.pi * 40, rel=0.03)


def test_lines_that_cross_go_straight_on():
    def cross(ink):
        cv2.line(ink, (10, 60), (150, 60), 1)
        cv2.line(ink, (80, 10), (80, 110), 1)

    one, other = sorted(trace.strokes(drawing(cross)), key=length)
    assert length(one) == pytest.approx(100, abs=2)
    assert length(other) == pytest.approx(140, abs=2)


def test_a_branch_is_a_stroke_of_its_own():
    def tee(ink):
        ink[60, 10:150] = 1
        ink[20:60, 80] = 1

    branch, line = sorted(trace.strokes(drawing(tee)), key=length)
    assert length(branch) == pytest.approx(40, abs=1.5)
    assert length(line) == pytest.approx(139, abs=1.5)


@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_is_drawn_and_no_line_twice(seed):
    random = np.random.default_rng(seed)

    def scribble(ink):
        cv2.polylines(ink, [random.integers(5, 115, (7, 2)).astype(np.int32)], False, 1, 1)
        cv2.circle(ink, (100, 60), 30, 1)

    picture = drawing(scribble)
    thin = trace.thinned(picture[:, :, 0] < 0.5)
    strokes = trace.strokes(picture, tolerance=0, speck=0)
    drawn = np.zeros(thin.shape, np.uint8)
    for stroke in strokes:
        cv2.polylines(drawn, [np.floor(stroke).astype(np.int32)], False, 1)
    assert np.array_equal(drawn.astype(bool), thin)
    pairs = [pair for stroke in strokes for pair in itertools.pairwise(stroke.tolist())]
    steps = [tuple(sorted(map(tuple, pair))) for pair in pairs]
    assert len(set(steps)) == len(steps)
    total = sum(length(stroke) for stroke in strokes)
    assert thin.sum() - 30 < total < 1.42 * thin.sum()


def test_tolerance_leaves_fewer_points_and_stays_within_it():
    picture = drawing(lambda ink: cv2.ellipse(ink, (80, 60), (60, 40), 20, 0, 250, 1))
    (exact,) = trace.strokes(picture, tolerance=0)
    previous = len(exact)
    for tolerance in (0.4, 1.5, 6.0):
        (stroke,) = trace.strokes(picture, tolerance=tolerance)
        assert len(stroke) < previous
        previous = len(stroke)
        apart = [_distance(point, stroke) for point in exact]
        assert max(apart) <= tolerance + 0.8


def _distance(point, stroke):
    step = np.diff(stroke, axis=0)
    share = (((point - stroke[:-1]) * step).sum(1) / (step**2).sum(1)).clip(0, 1)
    return np.hypot(*(stroke[:-1] + share[:, None] * step - point).T).min()


def test_a_thick_line_is_drawn_once_along_its_middle():
    (stroke,) = trace.strokes(drawing(lambda ink: cv2.line(ink, (20, 60), (140, 60), 1, 9)))
    np.testing.assert_allclose(stroke[:, 1], 60.5, atol=2)
    assert length(stroke) == pytest.approx(124, abs=12)


def test_a_dot_is_a_point_and_a_speck_is_nothing():
    picture = drawing(lambda ink: ink.__setitem__((30, 40), 1))
    (dot,) = trace.strokes(picture, speck=1)
    assert dot.tolist() == [[40.5, 30.5]]
    assert trace.strokes(picture) == []


def test_white_paper_and_clear_film_have_no_strokes():
    assert trace.strokes(np.ones((20, 30, 3), np.float32)) == []
    assert trace.strokes(np.zeros((20, 30, 4), np.float32)) == []


def test_faint_lines_are_lines_unless_a_threshold_says_otherwise():
    picture = drawing(lambda ink: cv2.line(ink, (10, 20), (140, 90), 1)) * 0.1 + 0.9
    assert len(trace.strokes(picture)) == 1
    assert trace.strokes(picture, threshold=0.5) == []


@pytest.mark.parametrize(("name", "value"), [("tolerance", -1), ("threshold", 1.5), ("speck", -1), ("speck", 1.5)])
def test_a_value_out_of_bounds_is_refused(name, value):
    with pytest.raises(BadValue, match=name):
        trace.strokes(np.ones((8, 8, 3), np.float32), **{name: value})
