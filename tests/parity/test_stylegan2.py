"""StyleGAN2's generator and discriminator against the originals of StyleGAN2-ADA."""

from __future__ import annotations

import math
from pathlib import Path

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import stylegan as official
from figures import Figures

from ml4a._core.errors import BadValue, BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.stylegan2 import StyleGAN2
from ml4a.networks.stylegan2_discriminator import StyleGAN2Discriminator, batch_deviation, from_archive
from ml4a.networks.stylegan2_layers import Convolution, StyledConvolution, ToRGB, bias_act

TOLERANCE = 1e-4
WIDTHS = (64, 64, 64, 64, 32)
MAPPED = (64,) * 8
KEYS = {
    "ffhq G_ema": "4dd14f500aa21d9d821151c9e53556b1d4c9d34c8355ed286743758803467591",
    "ffhq D": "b399134aa4fdccd11ff020fb0e5c79717a17661565781510c6623dd0ec2074b1",
    "cifar10 G_ema": "7dc8372b3a87941657d96c237af51518b25714afe266ad195adba51ffef4c97c",
    "cifar10 D": "943442bb26759f05a47e9ba0aa9e2eca113941ee18698d0af8e02b0c23e3b8b3",
}
"""The digests of the keys and shapes of the originals' networks."""
SMALL_KEYS = {
    "g_skip_c0": "bdd35eec59e54bad8f97023927d4dbf2f5b2b71e16b08bbb1728a0aa8ab2a809",
    "g_resnet_c3": "afbd0006cd10a3301fdc4c124b72f051c7508a3224f0bed18f0940692644a4f8",
    "g_orig_c0": "c4b42a3078cc88979dc641ef85739cf15aa5b540fbe2d7c499fd77a7a6abad78",
    "d_resnet_c0": "5188c16b9df102c71776f30a960e16b0c589e824f950721a3237e051e895c20c",
    "d_skip_c3": "6eca397c74b671086a1d19be0b43f65cf55fe9ed95ce4b0bdf1c5519dba86a84",
    "d_orig_c3map2": "8b8c592fa60f022869e1b53b9fbb8f1b292d57391b4096236bcbaa04c649e985",
}
SHAPES = {
    "g_skip_c0": official.generator(WIDTHS, MAPPED, 64),
    "g_resnet_c3": official.generator(WIDTHS, MAPPED[:2], 64, 3, "resnet"),
    "g_orig_c0": official.generator(WIDTHS, MAPPED[:2], 64, architecture="orig", noisy=False),
    "d_resnet_c0": official.discriminator(WIDTHS),
    "d_skip_c3": official.discriminator(WIDTHS, MAPPED, 3, "skip"),
    "d_orig_c3map2": official.discriminator(WIDTHS, MAPPED[:2], 3, "orig", deviations=2),
}
GENERATORS = ("g_skip_c0", "g_resnet_c3", "g_orig_c0")
LABELS = torch.tensor([[1, 0, 0], [0, 0.25, 0.75]])
SMALL = official.NETWORKS["stylegan2:build"]


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("stylegan2")


def filled(name: str) -> dict[str, np.ndarray]:
    return official.filled(deterministic.state_dict(SHAPES[name]))


def generator(name: str) -> StyleGAN2:
    network = from_state_dict("stylegan2", {"G_ema": filled(name)})
    assert isinstance(network, StyleGAN2)
    network.conv_clamp = 1.0 if name == "g_resnet_c3" else None
    return network


@pytest.fixture(scope="module", params=GENERATORS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name) -> StyleGAN2:
    return generator(name)


@pytest.fixture(scope="module")
def skip() -> StyleGAN2:
    return generator("g_skip_c0")


def z(count: int = 2, dims: int = 64) -> torch.Tensor:
    return torch.from_numpy(deterministic.normal("stylegan2_z", (count, dims)))


def labels(network: StyleGAN2) -> torch.Tensor | None:
    return LABELS if network.c_dim else None


def pictures(name: str, side: int) -> torch.Tensor:
    """Four, each less contrasty than the one before."""
    contrast = np.array([1, 0.5, 0.25, 0.125], np.float32)[:, None, None, None]
    return torch.from_numpy(deterministic.uniform(name, (4, 3, side, side), -1, 1) * contrast)


# -- Generator ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", KEYS)
def test_the_keys_are_the_official_ones(part):
    file, network = part.split()
    whole = official.OFFICIAL[file]["network"]
    shapes = {key.removeprefix(f"{network}."): shape for key, shape in whole.items() if key.startswith(f"{network}.")}
    assert checkpoints.digest(shapes) == KEYS[part]


@pytest.mark.parametrize("name", SMALL_KEYS)
def test_the_keys_of_small_networks_are_the_official_ones(name):
    assert checkpoints.digest(SHAPES[name]) == SMALL_KEYS[name]


def test_the_styles_are_the_original_ones(name, network, figures):
    ws = network.map(z(), labels(network))
    assert network.num_ws == figures[f"{name}_num_ws"]
    assert figures.error(f"{name}_w", ws[:, -1]) < TOLERANCE
    assert figures.error(f"{name}_w_trunc07", network.truncate(ws, 0.7)[:, 0]) < TOLERANCE
    assert figures.error(f"{name}_w_trunc05_cutoff4", network.truncate(ws, 0.5, 4)[:, [3, 4]]) < TOLERANCE


def test_the_pictures_are_the_original_ones(name, network, figures):
    with torch.inference_mode():
        assert figures.error(f"{name}_img_const", network(z(), labels(network))) < TOLERANCE
        without = network(z(), labels(network), 0.7, noise="none")
    assert figures.error(f"{name}_img_none_trunc07", without) < TOLERANCE


def test_styles_are_mixed_as_in_the_original(skip, figures):
    one, other = skip.map(z()).split(1)
    mixed = torch.cat((one[:, :4], other[:, 4:]), 1)
    assert figures.error("g_skip_c0_img_stylemix4_const", skip.synthesize(mixed)) < TOLERANCE


def test_every_block_is_the_original_one(skip, figures):
    blocks = skip.synthesis.walk(skip.map(z()), skip.noises())
    for block, (x, image) in zip(("b4", "b8"), blocks, strict=False):
        assert figures.error(f"g_skip_c0_{block}_x", x) < TOLERANCE
        assert image is not None
        assert figures.error(f"g_skip_c0_{block}_img", image) < TOLERANCE


def test_the_bytes_are_the_original_ones(skip, figures):
    picture = (skip(z()).permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    assert np.abs(picture.ravel()[::7].numpy().astype(int) - figures["g_skip_c0_uint8_sample"]).max() <= 1


def test_gradients_are_the_original_ones(figures):
    """The lengths that the original's training keeps alike."""
    state = official.filled(deterministic.state_dict(official.generator(WIDTHS, MAPPED[:2], 64)))
    network = from_state_dict("stylegan2", state)
    with torch.inference_mode():
        network(z())  # what is kept for later must be of use where gradients are wanted
    ws = network.map(z()).requires_grad_()
    image = network.synthesize(ws, "none")
    noise = torch.from_numpy(deterministic.normal("stylegan2_plnoise", tuple(image.shape))) / network.resolution
    (gradient,) = torch.autograd.grad((image * noise).sum(), ws)
    np.testing.assert_allclose(gradient.square().sum(2).mean(1).sqrt(), figures["pl_lengths"], rtol=TOLERANCE)


def test_gradients_reach_the_noise_and_take_the_clamp_into_account():
    network = generator("g_resnet_c3")
    noises = [noise.clone().requires_grad_() for noise in network.noises()]
    made = network.synthesize(network.map(z(), LABELS), noises)
    assert torch.equal(made, network.synthesize(network.map(z(), LABELS)))
    gradients = torch.autograd.grad(made.square().mean(), noises)
    assert all(gradient.abs().max() > 1e-7 for gradient in gradients)


# -- Discriminator -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "group", "clamp"), [("d_resnet_c0", 4, None), ("d_skip_c3", 2, 256), ("d_orig_c3map2", None, None)]
)
def test_the_judgement_is_the_original_one(name, group, clamp, figures):
    network = from_archive({"D": filled(name), "G_ema": filled("g_orig_c0")})
    network.group, network.conv_clamp = group, clamp
    c = torch.eye(3)[[0, 1, 2, 1]] if network.c_dim else None
    assert figures.error(f"{name}_logits", network(pictures("stylegan2_img", 64), c)) < TOLERANCE


def test_its_first_block_and_its_gradient_are_the_original_ones(figures):
    network = from_archive(filled("d_resnet_c0"))
    x = pictures("stylegan2_img", 64).requires_grad_()
    first, _ = network.get_submodule("b64")(None, x, None)
    assert figures.error("d_resnet_c0_b64_x", first.detach()) < TOLERANCE
    (gradient,) = torch.autograd.grad(network(x).sum(), x)
    assert figures.error("r1_penalty", gradient.square().sum((1, 2, 3))) < TOLERANCE


def test_the_deviation_within_a_batch_is_the_original_one(figures):
    x = torch.from_numpy(deterministic.uniform("stylegan2_mbstd", (4, 8, 4, 4), -1, 1))
    found = batch_deviation(x, 4)
    assert found.shape == (4, 1, 4, 4)
    np.testing.assert_allclose(found[:, 0, 2, 3], figures["mbstd_g4_extra"], rtol=1e-6)


def test_groups_that_do_not_come_out_are_refused():
    with pytest.raises(BadValue, match="6 pictures cannot be compared in groups of 4"):
        batch_deviation(torch.zeros(6, 4, 2, 2), 4)


# -- Layers ------------------------------------------------------------------------------------------------------------


def test_convolutions_with_a_style_are_the_original_ones(figures):
    """A convolution's bias is 0 and a leaky ReLU's slope 1 here, so that nothing is left but the convolution."""
    x, style = (torch.from_numpy(figures[f"modconv_{name}"]) for name in "xs")
    for name, up in (("modconv_plain", False), ("modconv_up2", True)):
        layer = StyledConvolution(6, 5, 6, 16, up=up, noisy=False)
        _identity_style(layer, "modconv_w3", figures)
        layer.resample_filter.copy_(torch.from_numpy(figures["setup_filter_1331"]))
        assert figures.error(name, _straight(layer(x, style))) < TOLERANCE
    colours = ToRGB(6, 5, 6)
    _identity_style(colours, "modconv_w1", figures)
    assert figures.error("modconv_nodemod_1x1", colours(x, style) * math.sqrt(6)) < TOLERANCE


def _identity_style(layer: StyledConvolution | ToRGB, kernel: str, figures: Figures) -> None:
    """A layer whose style is what it is given."""
    layer.requires_grad_(False)
    layer.conv.weight.copy_(torch.from_numpy(figures[kernel]))
    layer.bias.zero_()
    layer.affine.weight.copy_(torch.eye(6) * math.sqrt(6))
    layer.affine.bias.zero_()


def _straight(x: torch.Tensor) -> torch.Tensor:
    """What was before the leaky ReLU."""
    return torch.where(x < 0, x * 5, x) / math.sqrt(2)


@pytest.mark.parametrize(
    ("name", "side", "options"),
    [("conv_down2", 3, {"down": True}), ("skip_up2", 1, {"up": True}), ("skip_down2", 1, {"down": True})],
)
def test_convolutions_that_halve_and_double_are_the_original_ones(name, side, options, figures):
    layer = Convolution(6, 5, side, bias=False, **options).requires_grad_(False)
    layer.weight.copy_(torch.from_numpy(figures[f"modconv_w{side}"]) * math.sqrt(6 * side**2))
    layer.resample_filter.copy_(torch.from_numpy(figures["setup_filter_1331"]))
    x = torch.from_numpy(figures["modconv_x"])
    assert figures.error(f"resample_{name}", layer(x, activation="linear")) < TOLERANCE


@pytest.mark.parametrize("name", ["linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish"])
def test_activations_are_the_original_ones(name, figures):
    x, bias = torch.from_numpy(figures["bias_act_x"]), torch.from_numpy(figures["bias_act_b"])
    assert figures.error(f"bias_act_{name}", bias_act(x, bias, name)) < TOLERANCE


def test_gain_comes_before_the_clamp(figures):
    x, bias = torch.from_numpy(figures["bias_act_x"]), torch.from_numpy(figures["bias_act_b"])
    assert figures.error("bias_act_lrelu_gain2_clamp1", bias_act(x, bias, "lrelu", 2, 1)) < TOLERANCE


# -- Robustness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "key"),
    [
        ("stylegan2:build", "synthesis.b8.conv0.affine.weight"),
        ("stylegan2:build", "synthesis.b16.conv1.weight"),
        ("stylegan2:build", "mapping.fc0.weight"),
        ("stylegan2_layouts:build_tensorflow", "synthesis/8x8/Conv1/mod_bias"),
        ("stylegan2_layouts:build_tensorflow", "dlatent_avg"),
        ("stylegan2_layouts:build_rosinality", "convs.3.noise.weight"),
        ("stylegan2_layouts:build_rosinality", "style.1.bias"),
        ("stylegan2_discriminator:build", "b4.fc.bias"),
        ("stylegan2_layouts:build_discriminator_tensorflow", "8x8/Conv1_down/weight"),
        ("stylegan2_layouts:build_discriminator_rosinality", "convs.2.conv2.1.weight"),
    ],
)
def test_a_missing_key_and_one_too_many_are_named(builder, key):
    state = deterministic.state_dict(official.NETWORKS[builder])
    surplus = f"{key}.more"
    with pytest.raises(BadWeights, match=surplus):
        from_state_dict("stylegan2", state | {surplus: np.ones(1, np.float32)})
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("stylegan2", state)


def test_a_resolution_that_is_missing_is_told():
    state = {key: array for key, array in deterministic.state_dict(SMALL).items() if ".b16." not in key}
    with pytest.raises(BadWeights, match="blocks of 4, 8, 32 pixels, where 4, 8, 16 are due"):
        from_state_dict("stylegan2", state)


@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_of_a_batch_of_odd_networks_do_not_influence_each_other(channels):
    shapes = official.generator((7, 11, 3), (5, 13), 6, 2, channels=channels)
    network = from_state_dict("stylegan2", official.filled(deterministic.state_dict(shapes)))
    latents, c = z(3, 6), torch.tensor([[1.0, 0], [0, 1], [0.5, 0.5]])
    noise = [torch.randn(3, 1, side, side, generator=torch.Generator().manual_seed(side)) for side in (4, 8, 8, 16, 16)]
    with torch.inference_mode():
        together = network(latents, c, noise=noise)
        alone = [network(latents[[n]], c[[n]], noise=[each[[n]] for each in noise]) for n in range(3)]
    assert together.shape == (3, channels, 16, 16)
    assert (together - torch.cat(alone)).abs().max() < 1e-5 * together.std()
    assert (together[0] - together[1]).abs().max() > 0.1


def test_noise_is_drawn_by_the_generator_for_each_picture():
    network = from_state_dict("stylegan2", official.filled(deterministic.state_dict(SMALL)))
    ws = network.map(z(1, 11)).expand(2, -1, -1)
    one, same, other = (network.synthesize(ws, "random", torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert (one - other).abs().max() > 0.01
    assert (one[0] - one[1]).abs().max() > 0.01
    torch.testing.assert_close(*network.synthesize(ws), atol=1e-5, rtol=1e-5)
    assert (network.synthesize(ws, "none") - network.synthesize(ws)).abs().max() > 0.01


def test_what_makes_styles_is_told(skip):
    """Moving w along a matrix's row moves that layer's style, and no other's, by the row's square."""
    matrices = skip.styles()
    assert [index for index, _ in matrices] == [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9]
    layer = skip.synthesis.blocks[1].conv1
    index, matrix = matrices[3]
    w = skip.map(z())[:, index]
    torch.testing.assert_close(layer.affine(w), w @ matrix.T + layer.affine.bias)
    _, colours = matrices[4]
    torch.testing.assert_close(colours * 8, skip.synthesis.blocks[1].torgb.affine.matrix)  # √64


def test_what_does_not_fit_is_refused(skip):
    with pytest.raises(BadValue, match=r"latents must be of shape \(n, 64\), not \(2, 63\)"):
        skip.map(torch.zeros(2, 63))
    with pytest.raises(BadValue, match=r"styles must be of shape \(n, 10, 64\)"):
        skip.synthesize(torch.zeros(2, 9, 64))
    with pytest.raises(BadValue, match="noise must be 'const'"):
        skip.synthesize(torch.zeros(1, 10, 64), "loud")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="9 tensors"):
        skip.synthesize(torch.zeros(1, 10, 64), skip.noises()[:-1])
    with pytest.raises(BadValue, match=r"labels of shape \(2, 3\), not none"):
        generator("g_resnet_c3").map(z())
    judge = from_archive(filled("d_resnet_c0"))
    assert isinstance(judge, StyleGAN2Discriminator)
    with pytest.raises(BadValue, match=r"\(1, 3, 64, 64\), not \(1, 3, 32, 32\)"):
        judge(torch.zeros(1, 3, 32, 32))


def test_its_own_keys_are_the_official_ones_again(skip, tmp_path: Path):
    assert {key: tuple(tensor.shape) for key, tensor in skip.state_dict().items()} == SHAPES["g_skip_c0"]
    again = from_state_dict("stylegan2", skip.state_dict())
    assert torch.equal(again(z()), skip(z()))
