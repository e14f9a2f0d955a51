from __future__ import annotations

import deterministic
import official_keys as keys
import pytest
import torch

from ml4a._core.errors import BadValue
from ml4a.networks import from_state_dict
from ml4a.networks.vgg import VGG16

STATE = deterministic.state_dict(keys.hed((4, 5, 6, 7, 8)))


@pytest.fixture
def network() -> VGG16:
    return from_state_dict("vgg16", STATE)


def noise(height: int = 37, width: int = 50) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (1, 3, height, width)))


def test_layers_have_their_block_s_channels_and_size(network):
    found = network(noise(), ["relu1_1", "relu2_2", "relu5_3"])
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        "relu1_1": (1, 4, 37, 50),
        "relu2_2": (1, 5, 18, 25),
        "relu5_3": (1, 8, 2, 3),
    }


def test_it_is_the_trunk_that_hed_sees_through(network):
    expected = from_state_dict("hed", STATE).trunk(noise(), ["relu4_3"])["relu4_3"]
    assert torch.equal(network(noise(), ["relu4_3"])["relu4_3"], expected)


def test_a_layer_is_the_same_whatever_else_is_asked_for(network):
    alone = network(noise(), ["relu1_1"])["relu1_1"]
    assert torch.equal(network(noise(), ["relu1_1", "relu1_2", "relu3_1"])["relu1_1"], alone)


def test_nothing_behind_the_last_layer_is_computed(network):
    ran = []
    for name, conv in network.convs.items():
        conv.register_forward_hook(lambda *_, name=name: ran.append(name))
    network(noise(), ["relu1_2", "relu2_1"])
    assert ran == ["conv1_1", "conv1_2", "conv2_1"]


def test_the_mean_picture_is_taken_off(network):
    mean = torch.tensor([104.00698793, 116.66876762, 122.67891434]).view(1, 3, 1, 1) / 255
    seen = network(mean.expand(1, 3, 8, 8), ["relu1_1"])["relu1_1"]
    bias = torch.from_numpy(STATE["netVggOne.0.bias"]).relu().view(1, 4, 1, 1)
    torch.testing.assert_close(seen, bias.expand(1, 4, 8, 8), rtol=0, atol=1e-4)


def test_an_unknown_layer_is_named(network):
    with pytest.raises(BadValue, match="no layer 'relu6_1'"):
        network(noise(), ["relu1_1", "relu6_1"])


def test_reduced_precision_keeps_the_first_convolution_in_float32(network):
    exact = network(noise())["relu5_3"]
    reduced = network.reduce_precision(torch.bfloat16)
    assert {name for name, conv in reduced.convs.items() if conv.weight.dtype == torch.float32} == {"conv1_1"}
    assert 0 < (reduced(noise())["relu5_3"] - exact).abs().max() / exact.std() < 0.05
