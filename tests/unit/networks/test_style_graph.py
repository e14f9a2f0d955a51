from __future__ import annotations

import numpy as np
import pytest

from ml4a._core.errors import BadWeights
from ml4a.networks.style_graph import state_dict_from_graph
from ml4a.weights.formats.graph import Node


def conv(weight: str, bias: str) -> Node:
    return Node("Conv", "", ("x", weight, bias), ("y",), {})


def arrays(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: np.random.default_rng(0).normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("weight", "layer"),
    [
        ("MobilenetV2/Conv/weights_dequant", "stem"),
        ("MobilenetV2/Conv_1/weights_dequant", "head"),
        ("MobilenetV2/expanded_conv/depthwise/depthwise_weights_dequant", "blocks.0.depthwise"),
        ("MobilenetV2/expanded_conv_16/project/weights_dequant", "blocks.16.project"),
        ("transformer/contract/conv3/weights_dequant", "contract.2"),
    ],
)
def test_layers_are_named_after_their_weight_and_take_the_bias_beside_it(weight, layer):
    held = arrays(**{weight: (4, 3, 3, 3), "somewhere else": (4,), "unused": (4,)})
    state = state_dict_from_graph([conv(weight, "somewhere else")], held)
    assert list(state) == [f"{layer}.weight", f"{layer}.bias"]
    assert np.array_equal(state[f"{layer}.weight"], held[weight])
    assert np.array_equal(state[f"{layer}.bias"], held["somewhere else"])


@pytest.mark.parametrize(
    ("weight", "layer"),
    [
        ("mobilenet_conv/Conv/weights_dequant", "style"),
        (
            "style_params/transformer/residual/residual5/conv2/StyleNorm/Conv/weights",
            "residual.4.conv2.norm.shift",
        ),
        ("style_params/transformer/expand/conv3/conv/StyleNorm/Conv_1/weights_dequant", "expand.conv3.norm.scale"),
    ],
)
def test_convolutions_of_vectors_become_matrices(weight, layer):
    state = state_dict_from_graph([conv(weight, "bias")], arrays(**{weight: (4, 6, 1, 1), "bias": (4,)}))
    assert state[f"{layer}.weight"].shape == (4, 6)
    assert state[f"{layer}.bias"].shape == (4,)


@pytest.mark.parametrize(
    ("weight", "layer"),
    [
        ("transformer/residual/residual2/conv1/weights_dequant", "residual.1.conv1"),
        ("transformer/expand/conv1/conv/weights_dequant", "expand.conv1"),
    ],
)
def test_a_bias_before_a_norm_is_dropped(weight, layer):
    state = state_dict_from_graph([conv(weight, "zeros")], arrays(**{weight: (4, 4, 3, 3), "zeros": (4,)}))
    assert list(state) == [f"{layer}.weight"]


def test_only_the_weights_are_taken_from_the_multi_style_graph():
    held = arrays(**{"contract.0.w": (4, 3, 9, 9), "res.5.1.norm.beta": (26, 4), "/contract.0/Constant_output_0": (1,)})
    assert list(state_dict_from_graph([], held)) == ["contract.0.w", "res.5.1.norm.beta"]


def test_a_convolution_of_another_network_is_named():
    held = arrays(**{"backbone/conv1/weight": (4, 3, 3, 3), "bias": (4,)})
    with pytest.raises(BadWeights, match="backbone/conv1/weight"):
        state_dict_from_graph([conv("backbone/conv1/weight", "bias")], held)


def test_a_convolution_without_its_constants_is_named():
    weight = "MobilenetV2/Conv/weights_dequant"
    with pytest.raises(BadWeights, match=weight):
        state_dict_from_graph([conv(weight, "absent")], arrays(**{weight: (4, 3, 3, 3)}))
