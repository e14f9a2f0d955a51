from __future__ import annotations

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import cartoonization as official
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.cartoonization import LastConv
from ml4a.ops.tiles import tiled


def network(width: int, blocks: int):
    return from_state_dict("cartoonization", deterministic.state_dict(official.shapes(width, blocks)))


@pytest.mark.parametrize(("blocks", "due"), [(1, 40), (4, 64)])
def test_a_pixel_sees_as_far_as_tiles_overlap(blocks, due):
    """Exactly so to one side; in float64, where nothing is lost in rounding."""
    deep = network(4, blocks).double()
    wide = torch.from_numpy(deterministic.uniform("wide", (1, 3, 16, 300), -1, 1)).double()
    reach = []
    with torch.inference_mode():
        before = deep(wide)
        for column in range(148, 152):
            changed = wide.clone()
            changed[..., column] += 0.3
            places = (deep(changed) != before).any(dim=2).any(dim=1)[0].nonzero()
            reach += [column - int(places.min()), int(places.max()) - column]
    assert max(reach) == deep.overlap == due


@pytest.mark.parametrize("tile", [64, 100, 128])
def test_tiles_give_what_the_whole_gives(tile):
    deep = network(4, 4)
    picture = torch.from_numpy(deterministic.uniform("tiles", (1, 3, 132, 316), -1, 1))
    with torch.inference_mode():
        whole = deep(picture)
        parts = tiled(deep, picture, tile=tile, overlap=deep.overlap, multiple=deep.tile_multiple)
        torn = tiled(deep, picture, tile=tile, overlap=deep.overlap // 4, multiple=deep.tile_multiple)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert (torn - whole).abs().max() > 1e-3


def test_lines_are_those_of_the_picture():
    small = network(3, 2)
    photo = torch.from_numpy(deterministic.uniform("lines", (2, 3, 20, 28), -1, 1))
    with torch.inference_mode():
        slope, offset = small.lines(photo, 1e-2)
        np.testing.assert_allclose(slope * photo + offset, small(photo, 1e-2), atol=1e-5)
        assert (small(photo, 1e-2) - small(photo)).abs().max() > 1e-3


def test_the_last_convolution_is_a_plain_one():
    last, plain = LastConv(5, 3, 7), nn.Conv2d(5, 3, 7, padding=3)
    state = {key: torch.from_numpy(deterministic.weight(key, tuple(t.shape))) for key, t in plain.state_dict().items()}
    last.load_state_dict(state)
    plain.load_state_dict(state)
    x = torch.from_numpy(deterministic.uniform("x", (2, 5, 6, 10), -1, 1))
    with torch.inference_mode():
        np.testing.assert_allclose(last(x), plain(x), atol=1e-5)


def test_even_sizes_are_halved_as_tensorflow_halves_them():
    """The first pixel of the small map is the middle of a kernel at (1, 1): nothing is padded at the top left."""
    small = network(3, 2)
    full = torch.from_numpy(deterministic.uniform("full", (1, 3, 8, 12), -1, 1))
    kernel, bias = small.conv_1.weight, small.conv_1.bias
    with torch.inference_mode():
        seen: list[torch.Tensor] = []
        small.conv_1.register_forward_hook(lambda _, given, result: seen.extend((given[0].clone(), result.clone())))
        small(full)
        padded, result = seen
        assert result.shape[2:] == (4, 6)
        due = F.conv2d(padded[:, :, :3, :3], kernel, bias)
        np.testing.assert_allclose(result[:, :, :1, :1], due, atol=1e-5)
        assert padded[:, :, -1].abs().max() == padded[:, :, :, -1].abs().max() == 0
        assert padded[:, :, 0].abs().max() > 0


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("generator/Conv/weights", (7, 7, 3)),
        ("generator/Conv_4/weights", (12, 6, 5, 5)),
        ("generator/block_1/conv1/weights", (12, 11, 3, 3)),
        ("generator/Conv_9/biases", (4,)),
    ],
)
def test_a_tensor_of_another_shape_is_named(key, shape):
    state = deterministic.state_dict(official.NETWORKS["cartoonization:build"])
    state[key] = np.zeros(shape, np.float32)
    with pytest.raises(BadWeights, match=key):
        from_state_dict("cartoonization", state)


def test_an_unknown_key_is_named():
    state = deterministic.state_dict(official.NETWORKS["cartoonization:build"])
    state["generator/Conv_99/weights"] = np.zeros((3, 3, 3, 3), np.float32)
    with pytest.raises(BadWeights, match="generator/Conv_99/weights"):
        from_state_dict("cartoonization", state)
