"""Walks, loops and splines go where they should, smoothly, in any shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a._core.errors import BadValue
from ml4a.media import latents


def steps(path: np.ndarray, closed: bool = False) -> np.ndarray:
    flat = path.reshape(len(path), -1)
    return np.linalg.norm(np.diff(np.concatenate([flat, flat[:1]]) if closed else flat, axis=0), axis=1)


def turns(path: np.ndarray) -> np.ndarray:
    """How much each step of a closed path differs from the one before."""
    flat = path.reshape(len(path), -1)
    return np.linalg.norm(np.diff(np.concatenate([flat, flat[:2]]), n=2, axis=0), axis=1)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(2, 7),
    frames=st.integers(1, 9),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    loop=st.booleans(),
    spherical=st.booleans(),
    ease=st.sampled_from(["linear", "in", "out", "in_out"]),
)
def test_a_walk_meets_every_endpoint_once(count, frames, shape, loop, spherical, ease):
    endpoints = np.random.default_rng(count).standard_normal((count, *shape)).astype(np.float32)
    path = latents.walk(endpoints, frames, ease=ease, loop=loop, spherical=spherical)
    assert path.dtype == np.float32
    assert path.shape == ((count - (not loop)) * frames, *shape)
    np.testing.assert_allclose(path[::frames], endpoints if loop else endpoints[:-1], atol=1e-5)


def test_a_loop_closes_and_easing_slows_down_at_the_endpoints():
    endpoints = latents.random(4, 16, seed=1)
    linear, eased = (latents.walk(endpoints, 30, ease=ease, loop=True) for ease in ("linear", "in_out"))
    assert steps(linear, closed=True)[-1] == pytest.approx(steps(linear, closed=True)[-2], rel=1e-3)
    assert steps(eased, closed=True)[-1] < steps(eased)[15] / 10
    assert steps(eased)[0] < steps(eased)[15] / 10


def test_eases_begin_at_0_end_at_1_and_never_turn_back():
    t = np.linspace(0, 1, 101)
    for kind in ("linear", "in", "out", "in_out"):
        eased = latents.ease(t, kind)
        np.testing.assert_allclose(eased[[0, -1]], [0, 1], atol=1e-12)
        assert (np.diff(eased) > 0).all()
    slopes = {kind: np.diff(latents.ease(t, kind))[[0, -1]] * 100 for kind in ("in", "out", "in_out")}
    assert slopes["in"][0] < 0.1 < slopes["in"][1]
    assert slopes["out"][1] < 0.1 < slopes["out"][0]
    assert max(slopes["in_out"]) < 0.1


def test_slerp_stays_on_the_sphere_and_goes_evenly():
    a, b = latents.random(2, 64, seed=2)
    a, b = a / np.linalg.norm(a) * 3, b / np.linalg.norm(b) * 5
    arc = latents.slerp(a, b, np.linspace(0, 1, 11))
    np.testing.assert_allclose(np.linalg.norm(arc, axis=1), np.linspace(3, 5, 11), rtol=1e-5)
    directions = arc / np.linalg.norm(arc, axis=1, keepdims=True)
    angles = np.arccos((directions[1:] * directions[:-1]).sum(axis=1))
    np.testing.assert_allclose(angles, angles[0], rtol=1e-3)
    np.testing.assert_allclose(latents.slerp(a, b, 0.3), arc[3], atol=1e-5)
    assert (
        np.linalg.norm(latents.interpolate(a, b, 3)[1])
        < 3.5
        < np.linalg.norm(latents.interpolate(a, b, 3, spherical=True)[1])
    )


def test_slerp_between_equal_opposite_and_zero_vectors_is_the_straight_line():
    a = np.array([1.0, 2.0])
    for b in (a, -a, 0 * a, 3 * a):
        np.testing.assert_allclose(latents.slerp(a, b, 0.25), 0.75 * a + 0.25 * b, atol=1e-6)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("loop", [False, True])
def test_a_spline_passes_through_its_endpoints_in_order(degree, loop):
    endpoints = latents.random(7, 30, seed=3).reshape(7, 3, 10)
    curve = latents.spline(endpoints, 4000, degree=degree, loop=loop)
    assert curve.shape == (4000, 3, 10)
    away = np.linalg.norm((curve[:, None] - endpoints).reshape(4000, 7, -1), axis=2)
    nearest = away.argmin(axis=0)
    assert away.min(axis=0).max() < 0.1
    assert (np.diff(nearest) > 0).all()
    np.testing.assert_allclose(curve[0], endpoints[0], atol=1e-4)
    if not loop:
        np.testing.assert_allclose(curve[-1], endpoints[-1], atol=1e-4)


@pytest.mark.parametrize("smoothing", [0, 5])
@pytest.mark.parametrize("count", [3, 5, 40])
def test_a_closed_spline_has_no_seam(smoothing, count):
    curve = latents.spline(latents.random(count, 12, seed=4), 50 * count, smoothing=smoothing, loop=True)
    lengths, bends = steps(curve, closed=True), turns(curve)
    assert lengths[-3:].max() < 1.2 * lengths[:-3].max()
    assert bends[-3:].max() <= 1.5 * np.quantile(bends[:-3], 0.98)


def test_smoothing_is_the_sum_of_squared_distances():
    endpoints = latents.random(12, 8, seed=5).astype(np.float64)
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(endpoints, axis=0), axis=1))])
    paces = []
    for smoothing in (1, 10, 30):
        curve = latents.spline(endpoints, 20_001, smoothing=smoothing)
        missed = curve[np.rint(way / way[-1] * 20_000).astype(int)] - endpoints
        assert (missed**2).sum() == pytest.approx(smoothing, rel=0.01)
        paces.append(np.linalg.norm(np.diff(curve, n=2, axis=0), axis=1).mean())
    assert paces == sorted(paces, reverse=True)


def test_keyframes_come_at_their_frames_and_the_loop_is_smooth():
    keyframes = latents.random(5, 24, seed=6).reshape(5, 4, 6)
    path = latents.cubic_loop(keyframes, 20)
    assert path.shape == (100, 4, 6)
    np.testing.assert_allclose(path[::20], keyframes, atol=1e-5)
    assert turns(path)[-3:].max() < 1.2 * turns(path)[:-3].max()
    assert latents.cubic_loop(latents.random(300, 8, seed=6), 2).shape == (600, 8)


def test_gaussian_loops_drift_without_a_seam_at_unit_size():
    slow, fast = (latents.gaussian_loop(4, smoothing, rate=15, dimensions=200, seed=7) for smoothing in (1.0, 0.2))
    assert slow.shape == (60, 200)
    assert slow.dtype == np.float32
    for path in (slow, fast):
        assert np.mean(path**2) == pytest.approx(1, rel=1e-5)
        lengths = steps(path, closed=True)
        assert lengths[-1] < 1.2 * lengths[:-1].max()
    assert steps(fast).mean() > 3 * steps(slow).mean()
    assert latents.gaussian_loop(1, 0, rate=15, dimensions=4, seed=0).shape == (15, 4)
    assert np.isfinite(latents.gaussian_loop(0.5, 100, rate=10, dimensions=4, seed=0)).all()


def test_seeds_repeat_zero_too_and_none_does_not():
    for draw in (lambda s: latents.random(2, 5, seed=s), lambda s: latents.gaussian_loop(1, dimensions=5, seed=s)):
        np.testing.assert_array_equal(draw(0), draw(0))
        assert (draw(0) != draw(1)).any()
        assert (draw(None) != draw(None)).any()
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    latents.random(3, 4, seed=1)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_labels_are_blends_of_the_classes_named():
    blended = latents.labels([2, 0, 4, 1], 31, classes=5)
    assert blended.shape == (31, 5)
    np.testing.assert_allclose(blended.sum(axis=1), 1, atol=1e-6)
    assert blended.min() >= 0
    np.testing.assert_array_equal(blended[[0, -1]], np.eye(5, dtype=np.float32)[[2, 1]])
    assert ((blended > 0).sum(axis=1) <= 2).all()
    np.testing.assert_array_equal(latents.labels([3], 4, classes=5), np.eye(5, dtype=np.float32)[[3] * 4])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: latents.walk([np.zeros(4)], 5), "two or more endpoints"),
        (lambda: latents.walk([np.zeros(4), np.zeros(5)], 5), "have one shape"),
        (lambda: latents.walk([np.zeros(4), np.full(4, np.nan)], 5), "finite"),
        (lambda: latents.walk(["a", "b"], 5), "two or more endpoints"),
        (lambda: latents.walk(np.ones((3, 4)), 0), "frames_per must be between 1"),
        (lambda: latents.walk(np.ones((3, 4)), 5, ease="bounce"), "no ease named 'bounce'"),
        (lambda: latents.spline(np.eye(3), 10), "4 endpoints or more, not 3"),
        (lambda: latents.spline(np.eye(4)[[0, 1, 1, 2, 3]], 10), "endpoints 1 and 2 of the spline are equal"),
        (lambda: latents.spline(np.eye(4), 10, degree=6), "degree must be between 1 and 5"),
        (lambda: latents.spline(np.eye(4), 10, smoothing=-1), "smoothing must be 0 or more"),
        (lambda: latents.spline(np.eye(2), 10, loop=True), "three endpoints or more"),
        (lambda: latents.labels([0, 7], 10, classes=7), "from 0 to 6"),
        (lambda: latents.labels([], 10, classes=7), "one or more"),
        (lambda: latents.labels([0, 1, 2, 3], 2, classes=7), "3 frames or more, not 2"),
        (lambda: latents.gaussian_loop(0.01), "one frame or more"),
        (lambda: latents.random(1, seed=2**32), r"below 2\*\*32"),
        (lambda: latents.random(0), "count must be between 1"),
    ],
)
def test_what_makes_no_path_is_refused(wrong, words):
    with pytest.raises(BadValue, match=words):
        wrong()
