from __future__ import annotations

import math
from fractions import Fraction

import deterministic
import pytest
import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue, Cancelled
from ml4a.ops.tiles import tile_size, tiled


def noise(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (1, 2, height, width)))


def blur(x: torch.Tensor) -> torch.Tensor:
    """Sees two pixels to each side; zeros outside, as convolutions do."""
    return F.avg_pool2d(x, 5, stride=1, padding=2)


def enlarge(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(blur(x), scale_factor=3)


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (16, 16), (33, 21)])
def test_tiles_give_what_the_whole_gives(size):
    x = noise(*size)
    assert torch.equal(tiled(blur, x, tile=8, overlap=2), blur(x))
    assert torch.equal(tiled(enlarge, x, tile=8, overlap=2, scales=3), enlarge(x))


def test_less_overlap_than_the_function_sees_leaves_seams():
    x = noise(33, 21)
    seams = (tiled(blur, x, tile=8, overlap=1) != blur(x)).any(dim=1)[0]
    assert seams[6:10].any()
    assert not seams[2:6, 2:6].any()


def test_the_function_sees_cores_of_one_grid_and_their_surroundings_within_the_picture():
    seen = []

    def watch(x: torch.Tensor) -> torch.Tensor:
        seen.append((x[0, 0, 0, 0].item(), x[0, 0, -1, -1].item()))
        return x

    columns = torch.arange(37.0).view(1, 1, 1, 37)
    assert torch.equal(tiled(watch, columns, tile=16, overlap=10), columns)
    assert sorted(seen) == [(0, 25), (6, 36), (22, 36)]


@pytest.mark.parametrize("ceil_mode", [True, False])
def test_several_results_have_sizes_of_their_own_rounded_as_the_function_rounds(ceil_mode):
    def pyramid(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        half = F.avg_pool2d(x, 2, ceil_mode=ceil_mode)
        return x, half, F.max_pool2d(half, 2, ceil_mode=ceil_mode)

    x = noise(37, 50)
    scales = (1, 0.5, Fraction(1, 4))
    for result, due in zip(tiled(pyramid, x, tile=16, overlap=4, multiple=4, scales=scales), pyramid(x), strict=True):
        assert torch.equal(result, due)


def test_what_the_function_sees_begins_at_multiples():
    def parity(x: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(F.pixel_unshuffle(x, 2).cumsum(1), 2)

    x = noise(38, 22)
    assert torch.equal(tiled(parity, x, tile=6, overlap=4, multiple=2), parity(x))


@pytest.mark.parametrize(("tile", "overlap"), [(9, 4), (8, 3), (0, 4), (8, -4)])
def test_tiles_that_do_not_lie_on_the_grid_are_refused(tile, overlap):
    with pytest.raises(BadValue, match="multiples of 4"):
        tiled(blur, noise(16, 16), tile=tile, overlap=overlap, multiple=4)


def test_progress_is_told_after_every_tile():
    told = []
    tiled(blur, noise(17, 9), tile=8, overlap=2, on_tile=lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_what_progress_raises_stops_the_work():
    ran = []

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled("stopped by the user")

    with pytest.raises(Cancelled):
        tiled(lambda x: ran.append(1) or x, noise(32, 32), tile=8, overlap=2, on_tile=stop)
    assert len(ran) == 2


@pytest.mark.parametrize(("height", "width"), [(100, 100), (1000, 640), (20000, 1), (5, 30000)])
@pytest.mark.parametrize("budget", [10**8, 10**9])
def test_the_largest_even_tile_is_taken_that_fits(height, width, budget):
    def needed(tile: int) -> int:
        return 3000 * min(height, tile + 128) * min(width, tile + 128)

    tile = tile_size(height, width, budget=budget, bytes_per_pixel=3000, overlap=64, multiple=2)
    longer = max(height, width)
    assert tile % 2 == 0
    assert needed(tile) <= budget
    if tile < longer:
        fewer = math.ceil(longer / tile) - 1
        assert needed(2 * math.ceil(longer / fewer / 2)) > budget


def test_a_picture_that_fits_is_one_tile():
    assert tile_size(500, 400, budget=10**9, bytes_per_pixel=3000, overlap=64) == 500


def test_tiles_are_even():
    tile = tile_size(1000, 1000, budget=3 * 10**8, bytes_per_pixel=1000, overlap=64)
    assert tile == 334


def test_tiles_never_get_smaller_than_what_is_worth_the_overlap():
    assert tile_size(1000, 1000, budget=1, bytes_per_pixel=1000, overlap=64, multiple=16) == 32
