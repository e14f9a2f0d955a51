"""Latents against the library of 2021, SciPy's `splprep` inside it, and StyleGAN3's `gen_video`."""

from __future__ import annotations

import numpy as np
import pytest
from figures import Figures

from ml4a.media import latents

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("latents")


def error(result: np.ndarray, due: np.ndarray) -> float:
    assert result.dtype == np.float32
    assert result.shape == due.shape
    return float(np.abs(result - due).max() / due.std())


def test_walks(figures):
    endpoints = figures["endpoints"]
    assert error(latents.walk(endpoints, 5), figures["walk_5"]) < TOLERANCE
    assert error(latents.walk(endpoints, 5, loop=True), figures["walk_5_loop"]) < TOLERANCE
    assert error(latents.walk(list(endpoints[:, None]), 4), figures["walk_1x"][:, None]) < TOLERANCE
    assert error(latents.walk(endpoints, 5, loop=True), figures["interp_normal_5"]) < TOLERANCE


def test_eased_walks_without_the_frames_that_2021_had_twice(figures):
    endpoints = figures["endpoints"]
    due = figures["interp_ease_5"].reshape(len(endpoints), 5, -1)
    np.testing.assert_allclose(due[:-1, 4], due[1:, 0], atol=1e-6)  # each endpoint twice
    eased = latents.walk(endpoints, 4, ease="in_out", loop=True)
    assert error(eased, due[:, :4].reshape(eased.shape)) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "frames", "options"),
    [("nf17_k3_s0", 17, {}), ("nf17_k3_s3", 17, {"smoothing": 3}), ("nf9_k1_s0", 9, {"degree": 1})],
)
def test_splines_as_fitpack_computes_them(figures, name, frames, options):
    """In 2021 a curve was the mean of those of ten neighbouring dimensions, of which SciPy takes no more at once."""
    closed = np.concatenate([figures["endpoints"], figures["endpoints"][:1]])
    dimensions = closed.shape[1]
    total, times = np.zeros((frames, dimensions), np.float32), np.zeros(dimensions, np.float32)
    for first in range(dimensions - 9):
        total[:, first : first + 10] += latents.spline(closed[:, first : first + 10], frames, **options)
        times[first : first + 10] += 1
    assert error(total / times, figures[f"bspline_{name}"]) < TOLERANCE


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("smoothing", [0, 0.5, 10])
def test_splines_of_every_degree_are_scipys(figures, degree, smoothing):
    curve = latents.spline(figures["fitpack_points"], 15, degree=degree, smoothing=smoothing)
    assert error(curve, figures[f"fitpack_k{degree}_s{smoothing}"]) < TOLERANCE


@pytest.mark.parametrize("smoothing", [0.2, 1.0])
def test_gaussian_loops(figures, smoothing):
    drift = latents.gaussian_loop(2, smoothing, rate=10, dimensions=16, seed=5)
    assert error(drift[:, None], figures[f"gaussian_dur2_smooth{smoothing}_fps10"]) < TOLERANCE


def test_labels(figures):
    assert error(latents.labels([0, 3, 6], 20, classes=7), figures["labels_0_3_6_frames20"]) < TOLERANCE
    assert error(latents.labels(2, 4, classes=7), figures["labels_int2_frames4"]) < TOLERANCE


def test_lines_keyframes_and_seeds(figures):
    a, b = figures["endpoints"][:2]
    assert error(latents.interpolate(a, b, 7), figures["matrix_between_7"]) < TOLERANCE
    assert error(latents.cubic_loop(figures["cubic_ws"], 6), figures["cubic_frames6"]) < TOLERANCE
    assert error(latents.random(2, 8, seed=42), figures["randomstate_seed42_randn_2x8"]) < TOLERANCE
