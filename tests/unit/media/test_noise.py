"""Noise: what it is by definition, its range and statistics, seeds, loops, currents, and what is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a._core.errors import BadValue, TooLarge
from ml4a.media import noise
from ml4a.media.noise import _octaves, _simplex
from ml4a.media.noise._lattice import lattice

GAIN = {2: 70.0, 3: 76.5, 4: 62.0}


def somewhere(count: int, dimensions: int, seed: int = 0) -> list[np.ndarray]:
    return [*(np.random.default_rng(seed).random((dimensions, count)) * 40 - 20)]


@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_simplex_noise_is_the_sum_of_the_bells_of_all_corners_nearby(dimensions):
    points = np.stack(somewhere(40, dimensions), axis=1)
    turned = points @ _simplex.turned(dimensions).T.astype(float) if dimensions > 2 else points
    unskew = (1 - 1 / math.sqrt(dimensions + 1)) / dimensions
    skewed = turned + turned.sum(axis=1, keepdims=True) * (math.sqrt(dimensions + 1) - 1) / dimensions
    expected = np.zeros(len(points))
    for step in itertools.product(range(-2, 4), repeat=dimensions):
        corner = np.floor(skewed).astype(int) + step
        way = turned - (corner - unskew * corner.sum(axis=1, keepdims=True))
        gradient = np.stack(lattice(dimensions, 5).gradients([*(corner % 256).astype(np.int32).T]), axis=1)
        bell = np.maximum(0.5 - (way**2).sum(axis=1), 0)
        expected += GAIN[dimensions] * bell**4 * (gradient * way).sum(axis=1)
    np.testing.assert_allclose(noise.simplex(*points.T, seed=5), expected, atol=2e-5)


@pytest.mark.parametrize("kind", [noise.simplex, noise.perlin])
@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_range_mean_and_deviation(kind, dimensions):
    if (kind, dimensions) == (noise.perlin, 4):
        return
    values = kind(*(np.random.default_rng(1).random((dimensions, 200_000)) * 250), seed=3)
    deviation = {2: 0.44, 3: 0.39, 4: 0.25}[dimensions] if kind is noise.simplex else 0.26
    assert values.dtype == np.float32
    assert 0.85 < np.abs(values).max() <= 1
    assert abs(values.mean()) < 0.01
    assert values.std() == pytest.approx(deviation, abs=0.015)


@pytest.mark.parametrize("kind", [noise.simplex, noise.perlin])
@pytest.mark.parametrize("further", [(), (0.37,)])
def test_noise_is_alike_in_all_directions_and_continuous(kind, further):
    x, y = somewhere(100_000, 2)
    here = kind(x, y, *further)
    for step in (0.001, 0.4):
        changes = []
        for angle in np.arange(4) * math.pi / 4:
            there = kind(x + step * math.cos(angle), y + step * math.sin(angle), *further)
            changes.append(np.abs(there - here).mean())
            assert np.abs(there - here).max() < 8 * step + 1e-4
        grain = 1.15 if kind is noise.simplex else 1.35
        assert max(changes) < grain * min(changes)


def test_a_seed_is_one_noise_everywhere_and_another_seed_another():
    x, y = somewhere(20_000, 2)
    seeds = (None, 0, 1, (0, 1), (1, 1), 2**70)
    noises = [noise.simplex(x, y, seed=seed) for seed in seeds]
    for values, seed in zip(noises, seeds, strict=True):
        np.testing.assert_array_equal(values, noise.simplex(x, y, seed=seed))
    for a, b in itertools.combinations(noises, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.1


def test_octaves_are_noises_of_rising_frequency_and_falling_weight():
    x, y = somewhere(1000, 2)
    first, second, third = (noise.simplex(3**n * x, 3**n * y, seed=2) for n in range(3))
    together = noise.simplex(x, y, octaves=3, persistence=0.6, lacunarity=3, seed=2)
    np.testing.assert_allclose(together, (first + 0.6 * second + 0.36 * third) / 1.96, atol=1e-4)
    np.testing.assert_array_equal(noise.simplex(x, y, octaves=5, persistence=0), noise.simplex(x, y))


def test_coordinates_broadcast_and_blocks_do_not_show():
    x, y = np.linspace(-3, 9, 300), np.linspace(2, 5, 200)[:, None]
    whole = noise.simplex(x, y, octaves=2)
    assert whole.shape == (200, 300)
    assert np.abs(whole[17, 250] - noise.simplex(float(x[250]), float(y[17, 0]), octaves=2)) < 1e-6
    np.testing.assert_array_equal(whole[:, ::-1], noise.simplex(x[::-1], y, octaves=2))
    assert noise.simplex(0.3, 0.4).shape == ()
    assert noise.simplex(np.zeros((0, 3)), 0.5).shape == (0, 3)
    assert noise.perlin(np.arange(5), 0.5, np.zeros((2, 1))).shape == (2, 5)


def test_perlin_noise_is_nothing_at_whole_coordinates():
    x, y, z = np.meshgrid(np.arange(-3, 4), np.arange(5), np.arange(3))
    assert not noise.perlin(x, y, z).any()
    assert noise.perlin(x + 0.5, y, z).any()


@given(
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    spacing=st.floats(1e-4, 0.6),
    octaves=st.integers(1, 4),
    further=st.lists(st.floats(-5, 5), max_size=2),
    error=st.sampled_from([0, 1e-5, 1e-3, 0.05]),
)
@settings(max_examples=40, deadline=None)
def test_a_grid_is_noise_at_its_points_within_the_error(size, spacing, octaves, further, error):
    x, y = (3.3 + spacing * np.arange(side) for side in size)
    exact = noise.simplex(x, y[:, None], *further, octaves=octaves, seed=1)
    made = noise.grid(x, y, *further, octaves=octaves, seed=1, error=error)
    assert made.shape == (size[1], size[0])
    assert np.abs(made - exact).max() <= error + 1e-5


def test_a_larger_error_is_made_use_of():
    exact, near = (noise.field((256, 256), scale=1.0, octaves=2, error=error) for error in (0, 0.02))
    assert 1e-4 < np.abs(near - exact).max() < 0.02


@pytest.mark.parametrize("make", [noise.field, lambda *a, **k: np.hstack(noise.curl_field(*a, **k, error=1e-5))])
def test_a_field_does_not_depend_on_the_resolution(make):
    small, large = make((50, 30), octaves=2, seed=4), make((150, 90), octaves=2, seed=4)
    np.testing.assert_allclose(small, large[1::3, 1::3], atol=2e-4)
    assert small.std() > 0.1


def test_a_fields_hills_are_as_wide_as_the_scale_says():
    def crossings(scale: float) -> int:
        return np.count_nonzero(np.diff(noise.field((300, 300), scale=scale, seed=1) > 0, axis=1))

    assert crossings(0.05) == pytest.approx(4 * crossings(0.2), rel=0.25)
    middle = noise.field((301, 101), seed=6)[50, 150]
    assert middle == pytest.approx(float(noise.simplex(0.0, 0.0, seed=6)), abs=1e-5)


@pytest.mark.parametrize("period", [0.5, 3, 40])
def test_looping_fields_close_and_are_as_strong_and_as_lively_all_the_time(period):
    def at(time: float) -> np.ndarray:
        return noise.field((100, 100), scale=0.02, seed=2, time=time, period=period)

    for time in (0, 0.3 * period, -7.25 * period):
        np.testing.assert_allclose(at(time), at(time + period), atol=1e-5)
    times = np.arange(8) / 8 * period
    strengths = [at(time).std() for time in times]
    changes = [np.abs(at(time + 0.01) - at(time)).mean() for time in times]
    assert max(strengths) < 1.06 * min(strengths)
    assert max(changes) < 1.06 * min(changes)
    if period > 1:
        assert np.corrcoef(at(0).ravel(), at(period / 2).ravel())[0, 1] < 0.5


def test_a_loop_moves_at_the_same_speed_however_long_it_is():
    speeds = []
    for period in (2, 5, 20):
        a, b = (noise.field((100, 100), scale=0.02, seed=2, time=time, period=period) for time in (0.6, 0.61))
        speeds.append(np.abs(a - b).mean())
    assert max(speeds) < 1.06 * min(speeds)


def test_noise_in_a_plane_is_as_strong_at_any_time():
    strengths = [noise.field((100, 100), scale=0.02, seed=3, time=time).std() for time in np.arange(8) / 8]
    assert max(strengths) < 1.06 * min(strengths)


def test_time_moves_a_field_and_none_is_the_noise_of_the_plane():
    stills = [noise.field((60, 40), seed=1, time=time) for time in (0, 0.02, 4)]
    assert 0 < np.abs(stills[1] - stills[0]).max() < 0.15
    assert abs(np.corrcoef(stills[0].ravel(), stills[2].ravel())[0, 1]) < 0.5
    x, y = ((np.arange(side) + 0.5 - side / 2) / 40 / 0.25 for side in (60, 40))
    np.testing.assert_allclose(noise.field((60, 40), seed=1), noise.simplex(x, y[:, None], seed=1), atol=2e-5)
    np.testing.assert_allclose(stills[2], noise.simplex(x, y[:, None], 4, seed=1), atol=2e-5)


@pytest.mark.parametrize("further", [(), (0.4,), (0.4, -1.2)])
def test_currents_run_along_the_noise_and_neither_gather_nor_scatter(further):
    x, y = somewhere(3000, 2)
    dx, dy = noise.curl(x, y, *further, octaves=2, seed=3)
    step = 1e-3

    def potential(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return noise.simplex(x, y, *further, octaves=2, seed=3).astype(np.float64)

    np.testing.assert_allclose(dx, (potential(x, y + step) - potential(x, y - step)) / (2 * step), atol=0.02)
    np.testing.assert_allclose(-dy, (potential(x + step, y) - potential(x - step, y)) / (2 * step), atol=0.02)
    across = (
        noise.curl(x + step, y, *further, octaves=2, seed=3)[0]
        - noise.curl(x - step, y, *further, octaves=2, seed=3)[0]
    )
    down = (
        noise.curl(x, y + step, *further, octaves=2, seed=3)[1]
        - noise.curl(x, y - step, *further, octaves=2, seed=3)[1]
    )
    gathering, spread = np.abs(across + down).mean(), np.abs(across).mean()
    assert gathering < 0.02 * spread


def test_currents_over_a_picture_are_within_the_error():
    exact, near = (
        noise.curl_field((120, 90), scale=1, octaves=2, seed=1, time=1, period=6, error=error) for error in (0, 0.05)
    )
    for a, b in zip(exact, near, strict=True):
        assert a.shape == (90, 120)
        assert 0 < np.abs(a - b).max() < 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noise.simplex(math.nan, 0), "between"),
        (lambda: noise.simplex(np.array([1.0, math.inf]), 0), "between"),
        (lambda: noise.simplex(1e300, 0), "between"),
        (lambda: noise.simplex(1e6, 0, octaves=8), "between -65536 and 65536"),
        (lambda: noise.simplex("far", 0), "numbers"),
        (lambda: noise.simplex(np.zeros(3), np.zeros(4)), r"\(3,\), \(4,\)"),
        (lambda: noise.simplex(0, 0, w=1), "needs z"),
        (lambda: noise.simplex(0, 0, octaves=0), "octaves must be a whole number between 1 and 16"),
        (lambda: noise.simplex(0, 0, octaves=2.5), "octaves"),
        (lambda: noise.perlin(0, 0, octaves=True), "octaves"),
        (lambda: noise.simplex(0, 0, persistence=1.1), "persistence must be between 0 and 1"),
        (lambda: noise.simplex(0, 0, lacunarity=math.nan), "lacunarity must be between 1 and 8"),
        (lambda: noise.curl(0, 0, seed=-1), "seed"),
        (lambda: noise.simplex(0, 0, seed=0.5), "seed"),
        (lambda: noise.field((0, 5)), "size"),
        (lambda: noise.field(5), "size"),
        (lambda: noise.field((5, 5), scale=0), "scale must be more than 0"),
        (lambda: noise.field((5, 5), scale=math.nan), "scale"),
        (lambda: noise.field((5, 5), scale=1e-9), "coordinates"),
        (lambda: noise.field((5, 5), time=math.inf), "time"),
        (lambda: noise.field((5, 5), time=1, period=0), "period must be more than 0"),
        (lambda: noise.curl_field((5, 5), error=-1), "error must be 0 or more"),
        (lambda: noise.grid([0, 1, 3], [0, 1]), "evenly spaced"),
        (lambda: noise.grid([], [0, 1]), "finite numbers"),
        (lambda: noise.grid([0, 1], [[0, 1]]), "finite numbers"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(BadValue, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_fields_larger_than_a_picture_may_be_are_refused():
    with pytest.raises(TooLarge):
        noise.field((10**6, 10**6))


def test_points_between_nodes_are_interpolated_by_polynomials_of_the_fifth_degree():
    nodes = np.arange(-2, 12)[:, None] / 5.0
    pixels = np.arange(40)[:, None] / 20.0
    for degree in range(6):
        np.testing.assert_allclose(
            _octaves._refined((nodes**degree).astype(np.float32), 4, 36), pixels[:36] ** degree, atol=3e-5
        )
