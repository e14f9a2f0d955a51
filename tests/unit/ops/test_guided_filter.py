from __future__ import annotations

import numpy as np
import pytest
import torch

from ml4a.ops.guided_filter import box_mean, guided_filter, guided_lines


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def mean_of_each_window(plane: np.ndarray, radius: int) -> np.ndarray:
    """Pixel by pixel, in float64."""
    means = np.empty(plane.shape)
    for y, x in np.ndindex(plane.shape):
        window = plane[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        means[y, x] = window.mean(dtype=np.float64)
    return means


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (7, 11)])
@pytest.mark.parametrize("radius", [0, 1, 2, 5])
def test_a_window_ends_at_the_border(size, radius):
    x = noise(2, 3, *size)
    due = [[mean_of_each_window(plane, radius) for plane in planes] for planes in x.numpy()]
    np.testing.assert_allclose(box_mean(x, radius), due, atol=1e-6)


def test_the_plane_given_is_left_as_it_was():
    x = noise(1, 2, 6, 5)
    before = x.clone()
    box_mean(x, 1)
    guided_filter(x, x, 1, 1e-3)
    assert torch.equal(x, before)


def test_a_picture_guided_by_itself_keeps_its_edges_and_loses_its_texture():
    step = torch.where(torch.arange(40) < 20, -0.8, 0.8).expand(1, 3, 30, 40)
    texture = 0.05 * noise(1, 3, 30, 40)
    result = guided_filter(step + texture, step + texture, 2, 0.02)
    assert (result - step).abs().max() < 0.1  # the edge is where it was
    flat = (slice(None), slice(None), slice(5, -5), slice(5, 15))
    assert (result - step)[flat].std() < 0.3 * texture[flat].std()


def test_more_eps_smooths_more():
    guide, x = noise(1, 3, 30, 40), noise(1, 3, 30, 40, seed=2)
    roughness = [guided_filter(guide, x, 1, eps).diff(dim=-1).std().item() for eps in (1e-4, 1e-2, 1, 100)]
    assert roughness == sorted(roughness, reverse=True)
    assert roughness[0] > 1.5 * roughness[-1]
    blurred = box_mean(box_mean(x, 1), 1)
    np.testing.assert_allclose(guided_filter(guide, x, 1, 1e9), blurred, atol=1e-5)


def test_what_is_a_line_of_the_guide_stays_as_it_is():
    guide = noise(1, 3, 20, 24)
    np.testing.assert_allclose(guided_filter(guide, 0.3 * guide - 0.2, 1, 1e-8), 0.3 * guide - 0.2, atol=1e-4)


def test_the_lines_are_the_filter():
    guide, x = noise(1, 3, 20, 24), noise(1, 3, 20, 24, seed=2)
    slope, offset = guided_lines(guide, x, 2, 1e-2)
    np.testing.assert_allclose(slope * guide + offset, guided_filter(guide, x, 2, 1e-2), atol=1e-6)


def test_a_pixels_value_depends_on_two_windows_alone():
    guide, x = noise(1, 1, 9, 60), noise(1, 1, 9, 60, seed=2)
    whole = guided_filter(guide, x, 2, 1e-2)
    part = guided_filter(guide[..., 10:50], x[..., 10:50], 2, 1e-2)
    assert torch.equal(part[..., 4:-4], whole[..., 14:46])
    assert not torch.equal(part[..., 3], whole[..., 13])
