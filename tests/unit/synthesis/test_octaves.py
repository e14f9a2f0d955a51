"""Octaves: details that come back."""

from __future__ import annotations

import pytest
import torch
from small_network import noise

from ml4a.ops.legacy_bilinear import resized
from ml4a.synthesis.octaves import Octaves, octave_sizes


@pytest.mark.parametrize(
    ("size", "count", "ratio", "due"),
    [
        ((112, 96), 3, 1.4, [(57, 48), (80, 68), (112, 96)]),
        ((10, 3), 4, 2.0, [(1, 1), (2, 1), (5, 1), (10, 3)]),
        ((7, 5), 3, 1.0, [(7, 5)] * 3),
        ((7, 5), 1, 3.0, [(7, 5)]),
    ],
)
def test_sizes_are_divided_and_rounded_down(size, count, ratio, due):
    assert octave_sizes(size, count, ratio) == due


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (33, 30)])
def test_a_picture_that_nobody_changes_is_itself_again(size):
    picture = noise("octaves", *size)
    image = Octaves(picture, 4, 1.4)
    assert image.size == image.sizes[0]
    for each in image.sizes:
        image.resize(each)
        assert image.size == each
    torch.testing.assert_close(image.picture(), picture)


def test_what_was_added_in_the_small_is_there_in_the_large_with_all_details():
    picture = noise("octaves", 30, 32)
    image = Octaves(picture, 2, 2.0)
    small = image.picture().detach()
    image.assign(small + 0.25)
    image.resize((32, 30))
    torch.testing.assert_close(image.picture(), picture + 0.25)
    coarse = resized(resized(picture, (16, 15)), (32, 30))
    assert (picture - coarse).abs().mean() > 0.1, "there were no details"


def test_pixels_have_white_at_255_and_no_bounds():
    image = Octaves(torch.full((1, 3, 4, 4), 2.0), 1, 1.4)
    image.constrain()
    assert image.parameters[0].requires_grad
    assert image.parameters[0].unique().tolist() == [510]
