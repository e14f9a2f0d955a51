from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ml4a.ops.semantic_map import Patterns, SemanticMap, convolved, convolved_again, edges


def painted(count: int, height: int, width: int, *, block: int = 8, labels: int = 5) -> torch.Tensor:
    """N×(labels + 1)×H×W: areas of labels, and where they end."""
    rng = np.random.default_rng(height * width)
    areas = rng.integers(0, labels, (count, -(-height // block), -(-width // block)))
    found = torch.from_numpy(areas.repeat(block, 1).repeat(block, 2)[:, :height, :width])
    return torch.cat((F.one_hot(found, labels).permute(0, 3, 1, 2), edges(found)[:, None]), dim=1).float()


def kernels() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in ((7, 6, 3, 3), (7,), (4, 7, 3, 3), (4,)))


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (33, 47), (64, 64)])
@pytest.mark.parametrize("block", [1, 8])
def test_patterns_give_what_two_convolutions_give(size, block):
    semantics = painted(2, *size, block=block)
    first, first_bias, second, second_bias = kernels()
    hidden = F.relu(F.conv2d(semantics, first, first_bias, padding=1))
    expected = F.conv2d(hidden, second, second_bias, padding=1)
    patterns = SemanticMap.of(semantics).patterns(*size)
    found = convolved_again(patterns, convolved(patterns, first, first_bias).relu(), second, second_bias)
    looked_up = found[patterns.places].reshape(2, *size, 4).permute(0, 3, 1, 2)
    torch.testing.assert_close(looked_up, expected, rtol=1e-5, atol=1e-4)
    assert expected.std() > 0.1


def test_each_pattern_is_there_once():
    semantics = painted(1, 64, 64, block=64)
    patterns = SemanticMap.of(semantics).patterns(64, 64)
    assert len(patterns.inner) == 9  # the middle, four sides and four corners
    assert len(patterns.outer) == 25
    assert len(patterns.places) == 64 * 64


@pytest.mark.parametrize("size", [(64, 64), (20, 30), (7, 90), (128, 128)])
def test_a_map_is_resized_as_torch_does_it(size):
    semantics = painted(2, 45, 64)
    assert torch.equal(SemanticMap.of(semantics).dense(*size), F.interpolate(semantics, size=size))


def test_pixels_may_have_no_label_or_two():
    semantics = torch.zeros(1, 3, 2, 2)
    semantics[0, [0, 2], 0, 1] = 1
    semantics[0, 1, 1, 0] = 1
    assert torch.equal(SemanticMap.of(semantics).dense(2, 2), semantics)


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, float("nan")])
def test_maps_of_other_numbers_have_no_few_kinds(value):
    semantics = painted(1, 16, 16)
    semantics[0, 2, 3, 4] = value
    assert SemanticMap.of(semantics) is None


def test_three_labels_at_once_are_too_many():
    semantics = painted(1, 16, 16)
    semantics[0, :3, 3, 4] = 1
    assert SemanticMap.of(semantics) is None


def test_where_every_pixel_differs_the_map_itself_is_given():
    painting, noise = SemanticMap.of(painted(1, 64, 64)), SemanticMap.of(painted(1, 64, 64, block=1))
    assert isinstance(painting.at(64, 64), Patterns)
    assert painting.at(64, 64) is painting.at(64, 64)
    assert torch.equal(noise.at(64, 64), painted(1, 64, 64, block=1))


def test_edges_are_on_both_sides_of_a_border():
    instances = torch.tensor([[1, 1, 1, 2], [1, 1, 1, 2], [3, 1, 1, 2]])
    assert edges(instances).int().tolist() == [[0, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]]
    assert not edges(torch.ones(5, 4)).any()
