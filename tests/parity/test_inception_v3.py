"""Inception v3 against torchvision's."""

from __future__ import annotations

import copy

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import torch_dreams as official
from figures import Figures
from torch.nn import functional as F

from ml4a._core.errors import BadValue, BadWeights, UnknownName
from ml4a.networks import from_state_dict
from ml4a.networks.inception_v3 import InceptionV3

TOLERANCE = 1e-4
KEYS = "16f37747594653a8cd2169f04a1bffa4e91716ad47d9f84e4d6a89fc36e18a52"
"""The digest of the keys and shapes of torchvision's network."""
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
DEVIATION = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
STAGES = {"Conv2d_1a_3x3": 32, "Conv2d_2a_3x3": 32, "Conv2d_2b_3x3": 64, "maxpool1": 64}
STAGES |= {
    "Conv2d_3b_1x1": 80,
    "Conv2d_4a_3x3": 192,
    "maxpool2": 192,
    "Mixed_5b": 256,
    "Mixed_5c": 288,
    "Mixed_5d": 288,
}
STAGES |= dict.fromkeys(("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), 768)
STAGES |= {"Mixed_7a": 1280, "Mixed_7b": 2048, "Mixed_7c": 2048, "avgpool": 2048, "fc": 1000}
"""The layers of which there are figures, and their channels."""
UNITS = {
    "Conv2d_1a_3x3": None,
    "Mixed_5b.branch1x1": "maxpool2",
    "Mixed_5c.branch5x5_2": "Mixed_5c.branch5x5_1",
    "Mixed_6a.branch3x3": "Mixed_5d",
    "Mixed_6b.branch7x7_2": "Mixed_6b.branch7x7_1",
    "Mixed_6d.branch7x7dbl_2": "Mixed_6d.branch7x7dbl_1",
    "Mixed_7c.branch3x3_2b": "Mixed_7c.branch3x3_1",
    "Mixed_7c.branch3x3dbl_3a": "Mixed_7c.branch3x3dbl_2",
}
"""Convolutions of every kind, and the layers that they work on."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("torch_dreams")


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    return from_state_dict("torch_dreams", deterministic.state_dict(official.inception_v3()))


@pytest.fixture(scope="module")
def normalised() -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("torch_dreams_inception", (1, 3, 107, 123), -2, 2))


@pytest.fixture(scope="module")
def features(network: InceptionV3, normalised: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        return network.features(normalised * DEVIATION + MEAN, STAGES)


@pytest.fixture(scope="module")
def small() -> InceptionV3:
    return from_state_dict("torch_dreams", state())


def state() -> dict[str, np.ndarray]:
    return deterministic.state_dict(official.SMALL_INCEPTION)


def photo(height: int = 83, width: int = 97, count: int = 1) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("photo", (count, 3, height, width)))


def test_the_keys_are_the_official_ones():
    assert checkpoints.digest(official.inception_v3()) == KEYS
    assert len(official.inception_v3()) == 580


def test_the_logits_are_the_original_ones(network, normalised, figures):
    with torch.inference_mode():
        assert figures.error("inception_logits", network(normalised)) < TOLERANCE


@pytest.mark.parametrize("layer", STAGES)
def test_every_stage_is_the_original_one(features, figures, layer):
    found = features[layer].flatten(1) if layer == "fc" else features[layer]
    assert figures.error(f"inception_{layer}", found) < TOLERANCE


def test_each_layer_has_its_channels_and_they_are_told_in_the_order_of_computation(network):
    layers = network.layers()
    assert {name: layers[name] for name in STAGES} == STAGES
    assert [name for name in layers if name in STAGES] == list(STAGES)
    convolutions = [key.removesuffix(".weight") for key in official.inception_v3() if key.endswith("conv.weight")]
    assert {name for name in layers if name.endswith(".conv")} == set(convolutions) - {
        "AuxLogits.conv0.conv",
        "AuxLogits.conv1.conv",
    }
    assert len(layers) == 3 * 94 + 11 + 4  # convolutions with their norms and ReLUs, blocks, pools and fc


@pytest.mark.parametrize("unit", UNITS)
def test_what_lies_before_norm_and_relu_is_to_be_had_although_they_are_one_with_the_convolution(small, unit):
    tensors = {key: torch.from_numpy(array) for key, array in state().items() if key.startswith(f"{unit}.")}
    kernel, gamma, beta, mean, variance, _ = tensors.values()
    wanted = [f"{unit}.conv", f"{unit}.bn", unit]
    given = UNITS[unit]
    with torch.inference_mode():
        seen = small.features(photo(), wanted + ([given] if given else []))
        padding = (
            (0, 0) if unit in ("Conv2d_1a_3x3", "Mixed_6a.branch3x3") else [side // 2 for side in kernel.shape[2:]]
        )
        stride = 2 if unit in ("Conv2d_1a_3x3", "Mixed_6a.branch3x3") else 1
        conv = F.conv2d(seen[given] if given else 2 * photo() - 1, kernel, stride=stride, padding=padding)
        norm = F.batch_norm(conv, mean, variance, gamma, beta, eps=1e-3)
    for name, due in zip(wanted, (conv, norm, F.relu(norm)), strict=True):
        assert (seen[name] - due).abs().max() < TOLERANCE * due.std()
    assert seen[f"{unit}.bn"].min() < 0


def test_of_a_channel_that_the_norm_silences_the_convolution_is_told_as_zero():
    silenced = state()
    silenced["Mixed_6b.branch1x1.bn.weight"] = np.array([0, *silenced["Mixed_6b.branch1x1.bn.weight"][1:]], np.float32)
    network = from_state_dict("torch_dreams", silenced)
    picture = photo().requires_grad_()
    found = network.features(picture, ["Mixed_6b.branch1x1.conv", "Mixed_6b.branch1x1.bn"])
    conv, norm = found["Mixed_6b.branch1x1.conv"], found["Mixed_6b.branch1x1.bn"]
    assert (conv[:, 0] == 0).all()
    assert conv[:, 1:].std() > 1e-3
    assert torch.allclose(norm[:, 0], torch.tensor(silenced["Mixed_6b.branch1x1.bn.bias"][0]), atol=1e-6)
    conv.sum().backward()
    assert picture.grad.isfinite().all()


@pytest.mark.parametrize(
    "key",
    [
        "Conv2d_3b_1x1.bn.running_var",
        "Mixed_6b.branch7x7_2.conv.weight",
        "AuxLogits.conv1.bn.bias",
        "AuxLogits.fc.bias",
    ],
)
def test_a_missing_key_is_named(key):
    lacking = state()
    del lacking[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("torch_dreams", lacking)


def test_a_kernel_that_lies_on_its_side_is_refused():
    turned = state()
    turned["Mixed_6b.branch7x7_2.conv.weight"] = turned["Mixed_6b.branch7x7_2.conv.weight"].transpose(0, 1, 3, 2)
    with pytest.raises(BadWeights, match=r"Mixed_6b\.branch7x7_2\.conv\.weight' misshaped"):
        from_state_dict("torch_dreams", turned)


@pytest.mark.parametrize("absent", ["num_batches_tracked", "AuxLogits."])
def test_files_without_what_only_training_needs_give_the_same_network(small, absent):
    without = {key: array for key, array in state().items() if absent not in key}
    assert len(without) < len(state())
    other = from_state_dict("torch_dreams", without)
    assert other.state_dict().keys() == small.state_dict().keys()
    with torch.inference_mode():
        assert torch.equal(other(photo()), small(photo()))
    assert not any("AuxLogits" in key for key in small.state_dict())


def test_pictures_of_a_batch_do_not_influence_each_other(network):
    pictures = photo(80, 90, count=3)
    pictures[1] *= 0.1
    with torch.inference_mode():
        together = network.features(pictures, ["Mixed_5d", "fc"])
        alone = [network.features(picture[None], ["Mixed_5d", "fc"]) for picture in pictures]
    assert together["fc"].shape == (3, 1000, 1, 1)
    for layer, found in together.items():
        np.testing.assert_allclose(found, torch.cat([each[layer] for each in alone]), atol=1e-5)
    assert together["Mixed_5d"].std(dim=0).max() > 0.02


@pytest.mark.parametrize(("size", "due"), [((75, 75), (1, 1)), ((76, 131), (1, 2)), ((107, 123), (2, 2))])
def test_any_size_from_the_shortest_on_reaches_the_last_layer(small, size, due):
    assert small.shortest == 75
    with torch.inference_mode():
        found = small.features(photo(*size), ["Mixed_7c", "fc"])
    assert found["Mixed_7c"].shape[2:] == due
    assert found["fc"].shape == (1, 11, 1, 1)
    assert found["fc"].std() > 1e-4


@pytest.mark.parametrize(
    ("least", "layer", "fails"),
    [
        (3, "Conv2d_1a_3x3", "Conv2d_1a_3x3"),
        (7, "Conv2d_2b_3x3", "Conv2d_2a_3x3"),
        (11, "Conv2d_3b_1x1", "maxpool1"),
        (19, "Conv2d_4a_3x3", "Conv2d_4a_3x3"),
        (27, "Mixed_5d", "maxpool2"),
        (43, "Mixed_6e", "Mixed_6a"),
        (75, "fc", "Mixed_7a"),
    ],
)
def test_a_picture_that_is_too_small_is_refused_and_one_pixel_more_is_enough(small, least, layer, fails):
    with torch.inference_mode():
        assert small.features(photo(least, 90), [layer])[layer].isfinite().all()
        with pytest.raises(BadValue, match=f"too small for {fails}: only pictures of 75 px or more to each side"):
            small.features(photo(90, least - 1), [layer])


def test_what_goes_in_is_left_as_it_was(small):
    picture = photo()
    before = picture.clone()
    with torch.inference_mode():
        first = small(picture)
        assert torch.equal(small(picture), first)
    assert torch.equal(picture, before)


def test_layers_that_are_wanted_are_not_overwritten_by_others(small):
    with torch.inference_mode():
        names = list(small.layers())
        together = small.features(photo(), names)
        for name in names[::7]:
            assert torch.equal(together[name], small.features(photo(), [name])[name])


def test_what_lies_behind_the_last_wanted_layer_is_not_computed(small):
    def fail(*_):
        raise AssertionError("computed for nothing")

    hooks = [small.get_submodule(name).register_forward_hook(fail) for name in ("Mixed_6b.branch7x7_1.conv", "fc")]
    try:
        assert small.features(photo(), ["Mixed_5b", "Mixed_6b.branch1x1"]).keys() == {"Mixed_5b", "Mixed_6b.branch1x1"}
        with pytest.raises(AssertionError, match="computed for nothing"):
            small.features(photo(), ["Mixed_6b"])
    finally:
        for hook in hooks:
            hook.remove()


def test_an_unknown_layer_is_refused_with_the_nearest_name(small):
    with pytest.raises(UnknownName, match=r"no layer named 'Mixed_6b\.branch1x2'; did you mean 'Mixed_6b\.branch1x1'"):
        small.features(photo(), ["Mixed_6b.branch1x2"])


@pytest.mark.parametrize("layer", ["Conv2d_2b_3x3.conv", "Mixed_5c", "Mixed_6b.branch7x7_2.bn", "Mixed_7c", "fc"])
def test_the_gradient_reaches_the_picture_and_is_the_slope(small, layer):
    precise = copy.deepcopy(small).double()
    picture = photo(80, 77).double().requires_grad_()
    direction = torch.from_numpy(deterministic.uniform("direction", (1, 3, 80, 77), -1, 1)).double()

    def value(step: float) -> torch.Tensor:
        return precise.features(picture + step * direction, [layer])[layer].square().sum()

    value(0).backward()
    with torch.no_grad():
        slope = (value(1e-6) - value(-1e-6)) / 2e-6
    assert (picture.grad * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4)
    assert abs(slope) > 1e-6
