"""Lines become one pixel wide, and neither fall apart nor grow together."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ml4a.media.trace import skeleton, thinned
from ml4a.media.trace._thinning import are_lines, strong, without_specks, without_spurs


def parts(ink: np.ndarray) -> tuple[int, int]:
    """How many connected pieces of ink there are, and how many of paper."""
    paper = np.pad(~ink, 1, constant_values=True)
    return (
        cv2.connectedComponents(ink.astype(np.uint8), connectivity=8)[0] - 1,
        cv2.connectedComponents(paper.astype(np.uint8), connectivity=4)[0] - 1,
    )


def canvas(height: int = 80, width: int = 100) -> np.ndarray:
    return np.zeros((height, width), np.uint8)


def strokes_of_a_brush(seed: int) -> np.ndarray:
    """Thick curves that cross, and rings."""
    random = np.random.default_rng(seed)
    ink = canvas(120, 160)
    for _ in range(4):
        points = random.integers(5, 115, (4, 2)).astype(np.int32)
        cv2.polylines(ink, [points], False, 1, int(random.integers(1, 10)))
    cv2.circle(ink, (int(random.integers(20, 140)), 60), int(random.integers(8, 40)), 1, int(random.integers(1, 7)))
    return ink.astype(bool)


@pytest.mark.parametrize("seed", range(6))
def test_lines_keep_their_pieces_and_their_holes(seed):
    ink = strokes_of_a_brush(seed)
    thin = thinned(ink)
    assert thin.any()
    assert not (thin & ~ink).any()
    assert parts(thin) == parts(ink)
    assert are_lines(thin)
    assert not are_lines(ink)


def test_what_is_one_pixel_wide_already_stays_as_it_is():
    ink = canvas()
    cv2.ellipse(ink, (50, 40), (30, 20), 0, 0, 360, 1, 1)
    thin = thinned(thinned(ink.astype(bool)))
    assert np.array_equal(thinned(thin), thin)
    assert thin.sum() > 0.7 * ink.sum()


def test_the_skeleton_is_in_the_middle():
    ink = canvas()
    ink[30:41, 10:90] = 1
    rows = np.nonzero(thinned(ink.astype(bool))[:, 20:80])[0]
    assert set(rows) <= {34, 35, 36}
    assert len(rows) == 60


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 200)])
def test_pictures_of_all_ink_leave_something(size):
    thin = thinned(np.ones(size, bool))
    assert thin.shape == size
    assert thin.sum() >= 1
    assert not thinned(np.zeros(size, bool)).any()


def test_the_input_is_left_as_it_was():
    ink = strokes_of_a_brush(1)
    before = ink.copy()
    thinned(ink)
    assert np.array_equal(ink, before)


def test_faint_lines_stay_where_they_belong_to_strong_ones():
    soft = canvas().astype(np.float32)
    soft[20, 10:90] = 0.2
    soft[20, 40] = 0.9
    soft[60, 10:90] = 0.2
    found = strong(soft, 0.1, 0.4)
    assert found[20, 10:90].all()
    assert not found[60].any()


def test_specks_go_and_lines_stay():
    ink = canvas().astype(bool)
    ink[10, 10:30] = True
    ink[40, 40:43] = True
    cleaned = without_specks(ink, 4)
    assert cleaned[10].sum() == 20
    assert not cleaned[40].any()
    assert np.array_equal(without_specks(ink, 0), ink)


def test_twigs_are_taken_off_and_lines_keep_their_ends():
    ink = canvas().astype(bool)
    ink[40, 10:90] = True
    line = ink.copy()
    ink[37:40, 50] = True  # a twig of three pixels
    ink[20:40, 70] = True  # a branch
    branched = line.copy()
    branched[20:40, 70] = True
    assert np.array_equal(without_spurs(ink, 4), branched)


def test_a_skeleton_closes_gaps_where_lines_meet():
    crests = canvas().astype(np.float32)
    crests[40, 10:90] = 0.8
    crests[20:38, 50] = 0.8  # which ends two pixels above the line
    crests[70, 10:13] = 0.8
    thin = skeleton(crests)
    assert parts(thin)[0] == 1
    assert thin[22:40, 50].all()
    assert not thin[70].any()
    assert parts(skeleton(crests, gap=1))[0] == 2
