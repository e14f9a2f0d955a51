"""InceptionV1 against TensorFlow's graph."""

from __future__ import annotations

import copy

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import deepdream as official
from figures import Figures
from torch.nn import functional as F

from ml4a import weights
from ml4a._core.errors import BadValue, BadWeights, UnknownName
from ml4a.networks import from_state_dict
from ml4a.networks.inception_v1 import InceptionV1
from ml4a.networks.response_norm import response_norm
from ml4a.ops import winograd

TOLERANCE = 1e-4
KEYS = "f154094a19cf24ae74c5d2f1250b32a4a9c4137afccf936d8039c48af69702ed"
HEAD_KEYS = "39cc3827b472659a418c021c4ba3820986c7c1473c2bf84e894a43b09ceff7d9"
LAYERS = (
    *("conv2d0_pre_relu", "conv2d0", "maxpool0", "localresponsenorm0", "conv2d2", "localresponsenorm1", "maxpool1"),
    *("mixed3a_pool", "mixed3a", "mixed3b", "mixed4a_3x3_pre_relu", "mixed4a", "mixed4c"),
    *("mixed4d_3x3_bottleneck_pre_relu", "mixed4e", "mixed5a", "mixed5b"),
    *("head0_bottleneck_pre_relu", "head1_bottleneck_pre_relu"),
)
"""Of which there are figures."""
OBJECTIVES = {
    "obj0": ("mixed4c_pool_reduce_pre_relu", 7),
    "obj1": ("mixed3b_3x3_bottleneck_pre_relu", 13),
    "mixed4d_100": ("mixed4d", 100),
}
"""Channels whose mean there is a gradient of."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("deepdream")


@pytest.fixture(scope="module")
def network() -> InceptionV1:
    """Of the official size; the hidden layers of the heads, of which there are no figures, are small."""
    shapes = official.shapes(heads=[(128, 16), (128, 16)])
    return from_state_dict("deepdream", deterministic.state_dict(shapes))


@pytest.fixture(scope="module")
def features(network: InceptionV1) -> dict[str, torch.Tensor]:
    """What all layers with figures make of their picture, at once."""
    with torch.inference_mode():
        return network.features(picture(), LAYERS)


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    """A small network's, with heads."""
    return deterministic.state_dict(official.SMALL["inception5h"]["network"])


@pytest.fixture(scope="module")
def small(state: dict[str, np.ndarray]) -> InceptionV1:
    return from_state_dict("deepdream", state)


def picture() -> torch.Tensor:
    """That of the figures, 96×112."""
    return torch.from_numpy(deterministic.uniform("deepdream", (96, 112, 3), 0, 255)).permute(2, 0, 1)[None] / 255


def noise(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("noise", (count, 3, height, width)))


# -- Against the original ----------------------------------------------------------------------------------------------


def test_the_keys_are_the_official_ones():
    assert checkpoints.digest(official.shapes()) == KEYS
    heads = official.shapes(heads=official.HEADS)
    assert checkpoints.digest({key: heads[key] for key in heads if key.startswith("head")}) == HEAD_KEYS


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_is_the_original_one(features, figures, layer):
    assert figures.error(f"act_{layer}", features[layer].permute(0, 2, 3, 1)) < TOLERANCE


def test_what_it_names_is_what_the_original_names(network, figures):
    given = torch.from_numpy(deterministic.uniform("deepdream224", (224, 224, 3), 0, 255)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = network(given)
        assert figures.error("softmax2_pre_activation_224", logits) < TOLERANCE
        likely = network.features(given / 255, ["softmax2"])["softmax2"]
    np.testing.assert_allclose(likely.flatten(1), logits.softmax(dim=1), atol=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradients_are_the_original_ones(network, figures, objective):
    layer, channel = OBJECTIVES[objective]
    given = picture().requires_grad_()
    network.features(given, [layer])[layer][:, channel].mean().backward()
    assert given.grad is not None
    assert figures.error(f"grad_{objective}", given.grad[0].permute(1, 2, 0) / 255) < TOLERANCE


def test_its_layers_are_those_of_the_graph(network):
    layers = network.layers()
    for block, widths in zip(official.BLOCKS, official.WIDTHS, strict=True):
        convs = ("1x1", "3x3_bottleneck", "3x3", "5x5_bottleneck", "5x5", "pool_reduce")
        for conv, width in zip(convs, widths, strict=True):
            assert layers[f"mixed{block}_{conv}_pre_relu"] == layers[f"mixed{block}_{conv}"] == width
    blocks = [layers[f"mixed{block}"] for block in official.BLOCKS]
    assert blocks == [256, 480, 508, 512, 512, 528, 832, 832, 1024]
    assert [layers[name] for name in ("maxpool4", "maxpool10", "head0_pool", "head1_pool")] == [480, 832, 508, 528]
    assert (layers["avgpool0"], layers["softmax2"], layers["softmax0"]) == (1024, 1008, 1008)
    convs = [width for name, width in layers.items() if name.endswith("_pre_relu") and not name.startswith("nn")]
    assert (len(convs), sum(convs)) == (59, 7548)  # as the authors of DeepDream counted them


# -- Against what TensorFlow's documentation says ----------------------------------------------------------------------


def same(x: torch.Tensor, kernel: int, stride: int, value: float = 0.0) -> torch.Tensor:
    """Padded as TensorFlow pads for "SAME"."""
    around = []
    for side in reversed(x.shape[-2:]):
        due = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        around += [due // 2, due - due // 2]
    return F.pad(x, around, value=value)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 200), (31, 18), (32, 30), (45, 47)])
def test_any_size_is_padded_as_tensorflow_pads(small, size):
    given = noise(*size)
    layers = ["conv2d0", "maxpool0", "localresponsenorm1", "maxpool1", "mixed3b", "maxpool4", "mixed4e", "maxpool10"]
    with torch.inference_mode():
        found = small.features(given, [*layers, "mixed5b"])
        first = small.convs["conv2d0"]
        due = F.conv2d(same(given * 255 - 117, 7, 2), first.weight, first.bias, stride=2).relu()
    torch.testing.assert_close(found["conv2d0"], due)
    for before, pool in zip(layers[::2], layers[1::2], strict=True):
        assert torch.equal(found[pool], F.max_pool2d(same(found[before], 3, 2, -torch.inf), 3, 2))
    assert found["mixed5b"].shape[-2:] == tuple(-(-side // 32) for side in size)


@pytest.mark.parametrize("channels", [1, 4, 11, 40])
def test_the_normalisation_is_that_of_the_paper(channels):
    shape = (2, channels, 5, 7)
    given = torch.from_numpy(deterministic.uniform("response", shape, -200, 200)).double().requires_grad_()
    weight = torch.from_numpy(deterministic.uniform("weight", shape, -1, 1)).double()
    due = F.local_response_norm(given, 11, 11e-4, 0.5, 2)
    made = response_norm(given)
    torch.testing.assert_close(made, due)
    gradients = [torch.autograd.grad((result * weight).sum(), given)[0] for result in (made, due)]
    torch.testing.assert_close(*gradients)
    assert (due - given / 2**0.5).abs().max() > 1, "nothing was normalised"


def test_a_head_looks_at_its_map_row_by_row(small, state):
    layers = ["mixed4a", "head0_bottleneck", "nn0", "softmax0_pre_activation", "softmax0"]
    with torch.inference_mode():
        found = small.features(noise(224, 215), layers)
    pooled = F.avg_pool2d(found["mixed4a"], 5, 3)
    kernel, bias = (torch.from_numpy(state[f"head0_bottleneck_pre_relu_conv.{kind}"]) for kind in ("weight", "bias"))
    torch.testing.assert_close(found["head0_bottleneck"], F.conv2d(pooled, kernel, bias).relu())
    row = found["head0_bottleneck"].permute(0, 2, 3, 1).flatten(1).numpy()
    hidden = np.maximum(row @ state["nn0_pre_relu_matmul.weight"].T + state["nn0_pre_relu_matmul.bias"], 0)
    np.testing.assert_allclose(found["nn0"].flatten(1), hidden, atol=1e-5)
    logits = hidden @ state["softmax0_pre_activation_matmul.weight"].T + state["softmax0_pre_activation_matmul.bias"]
    np.testing.assert_allclose(found["softmax0_pre_activation"].flatten(1), logits, atol=1e-5)
    np.testing.assert_allclose(found["softmax0"].sum(), 1, atol=1e-6)
    assert hidden.std() > 1e-3


def test_a_large_picture_is_looked_at_through_windows(small):
    given = noise(230, 300)
    with torch.inference_mode():
        logits = small(given * 255)
        last = small.features(given, ["mixed5b"])["mixed5b"]
    assert last.shape[-2:] == (8, 10)
    windows = [last[..., y : y + 7, x : x + 7].mean((2, 3)) for y in range(2) for x in range(4)]
    end = small.convs["softmax2"]
    due = F.conv2d(torch.cat(windows)[..., None, None], end.weight, end.bias)
    np.testing.assert_allclose(logits, due.flatten(1), atol=1e-6)


# -- Files -------------------------------------------------------------------------------------------------------------


def test_the_graph_gives_the_same_network(tmp_path, state, small):
    path = checkpoints.write("deepdream", "inception5h", tmp_path, small=True)["network"]
    arrays = weights.formats.read(path, "tf_graph").arrays()
    assert len(arrays) > len(state)  # sizes of something are among them
    found = from_state_dict("deepdream", arrays).state_dict()
    due = small.state_dict()
    assert found.keys() == due.keys()
    for key, tensor in found.items():
        assert torch.equal(tensor, due[key]), key


def test_without_heads_the_rest_is_the_same(state, small):
    bare = from_state_dict("deepdream", {key: state[key] for key in official.NETWORKS["inception_v1:build"]})
    layers = {layer: width for layer, width in small.layers().items() if not layer.startswith(("head", "nn"))}
    layers = {layer: width for layer, width in layers.items() if not layer.startswith(("softmax0", "softmax1"))}
    assert bare.layers() == layers
    with torch.inference_mode():
        assert torch.equal(bare(noise(193, 193)), small(noise(193, 193)))


@pytest.mark.parametrize(
    "key",
    ["conv2d0_w", "mixed4c_5x5_bottleneck_w", "mixed5b_pool_reduce_b", "softmax2_w", "head0_bottleneck_w", "nn1_b"],
)
def test_a_missing_constant_is_named(state, key):
    constants = official.as_graph(state)
    del constants[key]
    with pytest.raises(BadWeights, match=f"'{key}'"):
        from_state_dict("deepdream", constants)


@pytest.mark.parametrize("key", ["conv2d1_pre_relu_conv.bias", "softmax2_pre_activation_matmul.weight"])
def test_a_missing_key_is_named(state, key):
    with pytest.raises(BadWeights, match=key):
        from_state_dict("deepdream", {name: array for name, array in state.items() if name != key})


def test_a_constant_that_is_no_weight_of_it_is_refused(state):
    with pytest.raises(BadWeights, match="'mixed6a_1x1_w' unknown"):
        from_state_dict("deepdream", official.as_graph(state) | {"mixed6a_1x1_w": np.zeros((1, 1, 3, 3), np.float32)})


def test_a_hidden_layer_that_looks_at_another_map_is_refused(state):
    cut = {"nn0_pre_relu_matmul.weight": state["nn0_pre_relu_matmul.weight"][:, :-1]}
    with pytest.raises(BadWeights, match=r"nn0_pre_relu_matmul\.weight' for 47 values, not .* 4×4 pixels"):
        from_state_dict("deepdream", state | cut)


# -- As a feature network ----------------------------------------------------------------------------------------------


def test_all_layers_at_once_are_what_they_are_alone(small):
    """What is wanted is not overwritten by the ReLU behind it."""
    given = noise(209, 211)
    names = list(small.layers())
    with torch.inference_mode():
        together = small.features(given, names)
        assert list(together) == names
        for name, features in together.items():
            assert torch.equal(features, small.features(given, [name])[name]), name
            before = together.get(f"{name}_pre_relu")
            assert before is None or torch.equal(features, before.relu())
    assert min(together["mixed4b_3x3_pre_relu"].min(), together["conv2d0_pre_relu"].min()) < 0


@pytest.mark.parametrize(
    ("layer", "behind"),
    [
        ("conv2d0_pre_relu", "conv2d1"),
        ("mixed4a_3x3_bottleneck", "mixed4a_3x3"),
        ("mixed4a_pool", "mixed4a_pool_reduce"),
        ("mixed4a", "head0_bottleneck"),
        ("mixed5b", "head1_bottleneck"),
        ("head0_bottleneck", "nn0"),
        ("softmax0", "mixed4b_1x1"),
    ],
)
def test_what_lies_behind_the_last_layer_is_not_computed(small, layer, behind):
    def refuse(*_: object) -> None:
        raise AssertionError(behind)

    hook = small.convs[behind].register_forward_pre_hook(refuse)
    try:
        assert small.features(noise(209, 209), [layer])[layer].isfinite().all()
    finally:
        hook.remove()


def test_a_layer_that_does_not_exist_is_refused_with_the_nearest(small):
    with pytest.raises(UnknownName, match="did you mean 'mixed4c_3x3_pre_relu'"):
        small.features(noise(32, 32), ["mixed4c_3x3_prerelu"])


@pytest.mark.parametrize(("layer", "side"), [("head1_pool", 65), ("nn0", 209), ("softmax2_pre_activation", 193)])
def test_a_picture_that_does_not_reach_a_layer_is_refused(small, layer, side):
    assert small.features(noise(side, side + 3), [layer])[layer].shape[-2:] == (1, 1)
    with pytest.raises(BadValue, match=f"{layer} .*at least {side} px.*{side - 1} px"):
        small.features(noise(300, side - 1), [layer])


def test_gradients_are_those_of_small_steps(state):
    network = from_state_dict("deepdream", state).double()
    given = noise(67, 70).double().requires_grad_()
    layers = ["conv2d0_pre_relu", "mixed3b", "mixed4d_pool_reduce_pre_relu", "head1_bottleneck"]

    def score(x: torch.Tensor) -> torch.Tensor:
        return sum((features**2).mean() for features in network.features(x, layers).values())  # type: ignore[return-value]

    (gradient,) = torch.autograd.grad(score(given), given)
    direction = torch.from_numpy(deterministic.uniform("direction", tuple(given.shape), -1, 1)).double()
    with torch.no_grad():
        step = 1e-6
        slope = (score(given + step * direction) - score(given - step * direction)) / (2 * step)
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5)
    assert abs(slope) > 1e-3


def test_pictures_of_a_batch_do_not_influence_each_other(small):
    pictures = noise(194, 200, 3)
    pictures[1] *= 0.1
    with torch.inference_mode():
        together = small(pictures * 255)
        alone = torch.cat([small(each[None] * 255) for each in pictures])
    assert together.shape == (3, 7)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert alone.std() > 1e-3


def test_what_goes_in_is_left_as_it_was(small):
    given = noise(40, 40)
    before = given.clone()
    with torch.inference_mode():
        first = small.features(given, ["mixed5b"])["mixed5b"]
        assert torch.equal(small.features(given, ["mixed5b"])["mixed5b"], first)
    assert torch.equal(given, before)


def test_fast_convolutions_see_the_same(network):
    fast = copy.deepcopy(network)
    assert winograd.quicken(fast)
    layer = "mixed4c_pool_reduce_pre_relu"
    gradients = []
    for each in (network, fast):
        given = picture().requires_grad_()
        each.features(given, [layer])[layer][:, 7].mean().backward()
        assert given.grad is not None
        gradients.append(given.grad)
    assert not torch.equal(*gradients)
    assert (gradients[0] - gradients[1]).abs().max() < 1e-3 * gradients[0].std()
