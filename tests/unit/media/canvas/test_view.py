"""Seeing what scores do; and that they agree with the canvas of 2021 where both do one thing."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import pytest
from figures import Figures
from PIL import Image
from sampling import grain

from ml4a._core.errors import BadValue
from ml4a.media import canvas
from ml4a.media.canvas import expand, fan, rotate, shift, spiral, stretch, swirl, zoom
from ml4a.media.signals import wave


def test_the_test_grid_is_that_of_2021():
    figures = Figures("canvas")
    for name, (size, options) in json.loads(str(figures["grids_json"])).items():
        np.testing.assert_array_equal(canvas.test_grid(tuple(size), **options) * 255, figures[name])


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (16, 14), 9])
def test_the_test_grid_may_be_smaller_than_its_cross(size):
    width, height = (size, size) if isinstance(size, int) else size
    assert canvas.test_grid(size).shape == (height, width, 3)


@pytest.mark.parametrize("options", [{"spacing": 0}, {"thickness": 1.5}, {"spacing": True}, {"size": (0, 5)}])
def test_a_grid_without_lines_is_refused(options):
    with pytest.raises(BadValue):
        canvas.test_grid(**options)


def test_a_warp_shows_the_test_grid_through_it():
    shown = np.asarray(Image.open(io.BytesIO(zoom(2)._repr_png_())))
    np.testing.assert_allclose(shown, zoom(2)(canvas.test_grid()) * 255, atol=1)
    assert Image.open(io.BytesIO(zoom(wave(2, 1, 2))._repr_png_())).width > 320  # several moments


def test_a_view_is_a_picture_a_sheet_or_a_clip():
    picture = np.random.default_rng(0).random((30, 40, 3), dtype=np.float32)
    assert canvas.view(zoom(2), picture).size == (40, 30)
    assert canvas.view(zoom(wave(2)), picture).width > 100
    clip = canvas.view(zoom(wave(2)), picture, seconds=1, rate=5, size=60)
    assert (clip.count, clip.size) == (5, (80, 60))
    with pytest.raises(BadValue, match="count"):
        canvas.view(zoom(wave(2)), picture, count=0)
    with pytest.raises(BadValue, match="a warp such as"):
        canvas.view(picture)


SIZE = (96, 96)


@pytest.mark.parametrize(
    ("score", "mod"),
    [
        (shift(0.1, 0.2), {"shift": (0.2, 0.1)}),
        (stretch(1.3, 0.8), {"stretch": (0.8, 1.3)}),
        (zoom(1.4), {"zoom": 1.4}),
        (expand(0.05), {"expand": 0.05 * 96}),
        (rotate(0.3), {"rot_const": 0.3}),
        (swirl(0.8), {"rot_dst": 0.8 / 96}),
        (fan(0.2), {"rot_ang": 0.2}),
        (spiral(0.2, periods=4), {"spiral_margin": 0.2, "spiral_periods": 4}),
        (rotate(0.3) @ zoom(1.4), {"rot_const": 0.3, "zoom": 1.4}),
    ],
    ids=repr,
)
def test_a_score_agrees_with_the_canvas_of_2021_where_only_one_pass_is_active(score, mod):
    """That one's middle is half a pixel to the right and below of the middle, and its border is another."""
    picture = np.random.default_rng(1).random((96, 96, 3), dtype=np.float32)
    picture = cv2.GaussianBlur(picture, (0, 0), 1)
    middle = 47.5 / 96
    old = canvas.classic(picture, {"center": (middle, middle), **mod})
    inside = np.abs(canvas.coordinates(score, SIZE)).max(axis=2) < 0.48
    inside[45:51, :51] = False  # the seam of the fan, and the centre, where there is no direction
    np.testing.assert_allclose(score(picture)[inside], old[inside], atol=1e-4 + grain() / 3)
    assert inside.mean() > 0.3
