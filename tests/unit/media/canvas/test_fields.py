"""Noise and currents that move pictures: between nodes as exact as elsewhere, in time, and over any score."""

from __future__ import annotations

import numpy as np
import pytest
from sampling import grain

from ml4a.media import canvas
from ml4a.media import noise as fields
from ml4a.media.canvas import curl, identity, noise, rotate, zoom
from ml4a.media.signals import keys

ERROR = 0.05
"""Pixels."""


def moves(warp, size, time=0.0, before=None):
    """How far the pixels look away from where they looked before: pixels."""
    start = identity() if before is None else before
    return (canvas.coordinates(start @ warp, size, time) - canvas.coordinates(start, size, time)) * min(size)


@pytest.mark.parametrize(
    "warp",
    [
        noise(0.05),
        noise(0.05, 0.25),
        noise(0.05, 0.25, octaves=3, seed=2),
        noise(0.01, 0.6),
        noise(0.2, 0.1),
        noise(0.3, 0.02),
        noise(0.05, speed=1.0),
        noise(0.05, speed=2.0, period=3.0),
        curl(0.05),
        curl(0.05, 0.2),
        curl(0.02, 0.2, octaves=2, speed=0.5),
    ],
    ids=repr,
)
@pytest.mark.parametrize("before", [identity(), rotate(0.3), zoom(0.6), zoom(0.05)], ids=repr)
def test_what_is_interpolated_is_within_a_twentieth_of_a_pixel(warp, before):
    size, time = (320, 240), 0.7
    x, y = np.moveaxis(canvas.coordinates(before, size, time)[::3, ::3] / warp.scale, 2, 0)
    further = []
    if warp.period is not None:
        radius, angle = warp.speed * warp.period / (2 * np.pi), 2 * np.pi * time / warp.period
        further = [radius * np.cos(angle), radius * np.sin(angle)]
    elif warp.speed:
        further = [time * warp.speed]
    if warp.kind == "noise":
        exact = [fields.simplex(x, y, *further, octaves=warp.octaves, seed=(warp.seed, axis)) for axis in range(2)]
    else:
        exact = [move / 1.7 for move in fields.curl(x, y, *further, octaves=warp.octaves, seed=warp.seed)]
    found = moves(warp, size, time, before)[::3, ::3]
    expected = np.stack(exact, axis=2) * warp.amount * min(size)
    assert np.hypot(*np.moveaxis(found - expected, 2, 0)).max() <= ERROR + 5 * grain()
    assert np.abs(expected).max() > 1


def test_a_key_framed_amount_scales_the_moves():
    growing = noise(keys({0: 0.0, 4: 0.1}), 0.3)
    assert np.abs(moves(growing, (160, 120), 0)).max() == 0
    once, twice = (moves(growing, (160, 120), time) for time in (1.5, 3))
    np.testing.assert_allclose(twice, 2 * once, atol=2 * ERROR)


def test_seeds_differ_and_the_axes_are_independent():
    one, other = (moves(noise(0.1, 0.1, seed=seed), (160, 120)) for seed in range(2))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.3
    assert abs(np.corrcoef(one[:, :, 0].ravel(), one[:, :, 1].ravel())[0, 1]) < 0.3
    np.testing.assert_array_equal(one, moves(noise(0.1, 0.1, seed=0), (160, 120)))


def test_a_seed_that_is_drawn_is_kept():
    drawn = noise(0.1, seed=None)
    assert isinstance(drawn.seed, int)
    assert drawn != noise(0.1, seed=None)
    np.testing.assert_array_equal(moves(drawn, (80, 60)), moves(noise(0.1, seed=drawn.seed), (80, 60)))


@pytest.mark.parametrize("make", [noise, curl], ids=["noise", "curl"])
def test_a_speed_moves_them_and_a_period_brings_them_back(make):
    still, moving, looping = make(0.1), make(0.1, speed=1.0), make(0.1, speed=-1.0, period=2.5)
    assert not still.moving
    assert moving.moving
    np.testing.assert_array_equal(moves(still, (80, 60), 0), moves(still, (80, 60), 1.2))
    assert np.abs(moves(moving, (80, 60), 0) - moves(moving, (80, 60), 0.5)).max() > 1
    assert np.abs(moves(looping, (80, 60), 0) - moves(looping, (80, 60), 1.2)).max() > 1
    np.testing.assert_allclose(moves(looping, (80, 60), 0.3), moves(looping, (80, 60), 2.8), atol=ERROR)


def test_currents_neither_gather_nor_scatter():
    dx, dy = np.moveaxis(moves(curl(0.1, 0.3), (400, 400)).astype(np.float64), 2, 0)
    divergence = np.gradient(dx, axis=1) + np.gradient(dy, axis=0)
    rotation = np.gradient(dy, axis=1) - np.gradient(dx, axis=0)
    assert np.abs(divergence).mean() < 0.02 * np.abs(rotation).mean()
