"""`steady` takes the flicker out of a film and leaves its detail and its motion alone."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import pytest
from known_motion import (
    KnownFilm,
    effect,
    error_where_uncovered,
    flicker,
    flickering_effect,
    laplacian_energy,
    texture,
)

from ml4a._core.errors import BadValue
from ml4a.media.motion import Steady


@functools.cache
def film_and_results():
    film = KnownFilm()
    return film, flickering_effect(film)


@functools.cache
def held(amount):
    film, results = film_and_results()
    steady = Steady(amount)
    return [steady(frame, result) for frame, result in zip(film.frames, results, strict=True)]


def test_nothing_changes_at_zero():
    film, results = film_and_results()
    steady = Steady(0)
    assert all(steady(frame, result) is result for frame, result in zip(film.frames, results, strict=True))


@pytest.mark.parametrize(("amount", "most"), [(0.25, 0.7), (0.5, 0.5), (0.8, 0.35), (1, 0.3)])
def test_flicker_falls_with_the_amount(amount, most):
    film, results = film_and_results()
    assert flicker(film, held(amount)) < most * flicker(film, results)


@pytest.mark.parametrize("amount", [0.25, 0.5, 0.8, 1])
def test_sharpness_is_kept(amount):
    _, results = film_and_results()
    assert 0.8 < laplacian_energy(held(amount)) / laplacian_energy(results) < 1.25


@pytest.mark.parametrize("amount", [0.5, 1])
def test_what_was_just_uncovered_is_no_worse_than_frame_by_frame(amount):
    film, results = film_and_results()
    assert error_where_uncovered(film, held(amount)) <= 1.02 * error_where_uncovered(film, results)


def test_a_moving_square_leaves_no_ghost():
    film = KnownFilm(pan=(0, 0), zoom=1, roll=0, grain=0)
    steady = Steady(1)
    results = [steady(frame, effect(frame)) for frame in film.frames]
    for number in range(2, film.count):
        missed = np.abs(results[number] - effect(film.clean[number]))
        assert missed[film.uncovered(number)].mean() < 1 / 255
        assert missed.mean() < 2 / 255


def test_results_stay_in_range():
    for each in held(1):
        assert 0 <= each.min() <= each.max() <= 1
        assert each.dtype == np.float32


def test_a_cut_begins_anew():
    steady = Steady(1)
    first, second = texture(120, 160, 1), texture(120, 160, 9)
    steady(first, effect(first))
    result = effect(second)
    assert steady(second, result) is result


def test_a_result_of_another_size_than_before_begins_anew():
    film, results = film_and_results()
    steady = Steady(1)
    steady(film.frames[0], results[0])
    smaller = np.ascontiguousarray(results[1][::2, ::2])
    assert steady(film.frames[1], smaller) is smaller


@pytest.mark.parametrize("scale", [0.5, 2])
def test_results_may_be_smaller_or_larger_than_their_frames(scale):
    film, results = film_and_results()
    size = (round(320 * scale), round(240 * scale))
    frames = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in film.frames]
    steady = Steady(0.8)
    assert flicker(film, [steady(f, r) for f, r in zip(frames, results, strict=True)]) < 0.5 * flicker(film, results)


def test_transparency_is_held_too():
    film, results = film_and_results()
    alpha = np.linspace(0, 1, 320, dtype=np.float32)[None, :, None].repeat(240, axis=0)
    steady = Steady(0.8)
    for frame, result in zip(film.frames[:3], results[:3], strict=True):
        shown = steady(frame, np.concatenate([result, alpha], axis=2))
    assert shown.shape == (240, 320, 4)
    assert np.abs(shown[:, :, 3:] - alpha).mean() < 0.02


def test_two_films_do_not_disturb_each_other():
    film, results = film_and_results()
    first, second = Steady(0.5), Steady(0.5)
    for number in range(4):
        a = first(film.frames[number], results[number])
        second(film.frames[-1 - number], results[-1 - number])
        np.testing.assert_array_equal(a, held(0.5)[number])


def test_frames_may_be_as_small_as_one_pixel():
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 40), (9, 5)):
        steady = Steady(1)
        for _ in range(3):
            frame = rng.random((height, width, 3), np.float32)
            assert steady(frame, frame).shape == frame.shape


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_amounts_out_of_bounds_are_refused(amount):
    with pytest.raises(BadValue, match="steady must be between 0 and 1"):
        Steady(amount)
