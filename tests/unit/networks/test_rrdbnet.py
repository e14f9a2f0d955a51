from __future__ import annotations

import deterministic
import official_keys as keys
import pytest
import torch

from ml4a.networks import from_state_dict
from ml4a.networks.rrdbnet import RRDBNet


def small(**sizes: int) -> RRDBNet:
    shapes = keys.rrdbnet(**{"features": 8, "growth": 4, "blocks": 1, **sizes})
    return from_state_dict("esrgan", deterministic.state_dict(shapes))


def noise(height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (1, channels, height, width)))


@pytest.mark.parametrize(("given", "scale", "multiple"), [(3, 4, 1), (12, 2, 2), (48, 1, 4)])
def test_the_input_channels_decide_the_scale(given, scale, multiple):
    network = small(features=32, growth=16, blocks=2, given=given)
    assert (network.scale, network.in_multiple, network.tile_multiple) == (scale, multiple, multiple)
    assert network(noise(12, 20)).shape == (1, 3, 12 * scale, 20 * scale)


def test_grey_pictures_have_networks_of_their_own():
    assert small(given=1, made=1)(noise(5, 6, channels=1)).shape == (1, 1, 20, 24)


@pytest.mark.parametrize("doublings", [0, 1, 2, 3])
def test_numbered_keys_decide_how_often_the_size_is_doubled(doublings):
    shapes = keys.rrdbnet_numbered(8, 4, 2, doublings)
    network = from_state_dict("esrgan", deterministic.state_dict(shapes))
    assert network.scale == 2**doublings
    assert network(noise(5, 6)).shape == (1, 3, 5 * 2**doublings, 6 * 2**doublings)


@pytest.mark.parametrize("layout", ["old", "numbered", "ncnn"])
def test_all_layouts_of_keys_mean_the_same_network(layout):
    state = deterministic.state_dict(keys.rrdbnet(8, 4, 2))
    names = {
        "old": keys.rrdbnet_old(features=8, growth=4, blocks=2),
        "numbered": keys.rrdbnet_numbered(8, 4, 2),
        "ncnn": [f"Conv_{3 * number}.{kind}" for number in range(len(state) // 2) for kind in ("weight", "bias")],
    }[layout]
    renamed = dict(zip(names, state.values(), strict=True))
    assert renamed.keys() != state.keys()
    x = noise(9, 7)
    assert torch.equal(from_state_dict("esrgan", renamed)(x), from_state_dict("esrgan", state)(x))


def test_a_picture_of_one_pixel_is_enlarged():
    assert small()(noise(1, 1)).shape == (1, 3, 4, 4)


def test_enlarging_in_tiles_changes_nothing():
    network = small()
    features = torch.from_numpy(deterministic.uniform("features", (1, 8, 70, 131)))
    network.conv_first = torch.nn.Identity()
    network.body = torch.nn.Identity()
    network.conv_body = torch.nn.Identity()
    torch.testing.assert_close(network(features), network.enlarge(2 * features), rtol=0, atol=1e-5)


@pytest.mark.parametrize("given", [3, 12])
def test_the_overlap_is_as_far_as_a_small_network_sees(given):
    network = small(given=given)
    middle, x = 48, noise(96, 96)
    touched = x.clone()
    touched[:, :, middle, middle] += 100
    rows = (network(x) != network(touched)).any(dim=3).any(dim=1)[0].nonzero() // network.scale
    reach = max(middle - int(rows.min()), int(rows.max()) - middle)
    assert network.overlap - 2 * network.in_multiple < reach <= network.overlap


def test_the_overlap_of_deep_networks_is_bounded():
    assert small(blocks=8).overlap == 80
    assert small(blocks=8, given=12).overlap == 160


def test_reduced_precision_keeps_the_way_around_in_float32():
    network = small(blocks=2).reduce_precision(torch.bfloat16)
    assert {parameter.dtype for parameter in network.body.parameters()} == {torch.bfloat16}
    kept = (network.conv_first, network.conv_body, network.conv_last)
    assert {layer.weight.dtype for layer in kept} == {torch.float32}
    streams = []
    for block in network.body:
        block.rdb1.register_forward_hook(lambda _, inputs, output: streams.extend([*inputs, output]))
    result = network(noise(8, 8))
    assert {stream.dtype for stream in streams} == {torch.float32}
    assert result.dtype == torch.float32
    difference = (result - small(blocks=2)(noise(8, 8))).abs().max() / result.std()
    assert 0 < difference < 0.05


def test_reduced_precision_keeps_the_first_block_of_deep_networks_in_float32():
    network = small(features=4, growth=2, blocks=23).reduce_precision(torch.bfloat16)
    dtypes = [block.rdb1.conv1.weight.dtype for block in network.body]
    assert dtypes == [torch.float32, *[torch.bfloat16] * 22]
