"""In-domain inversion against the original: the generator, the encoder, and the loss's network."""

from __future__ import annotations

import functools

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import idinvert as official
from figures import Figures

from ml4a import latents
from ml4a._core.errors import BadWeights
from ml4a.models._directions import Directions, moved
from ml4a.models._inversion import Networks, Search
from ml4a.models.idinvert import on_sphere
from ml4a.networks import from_state_dict
from ml4a.networks.idinvert_encoder import IDInvertEncoder
from ml4a.networks.stylegan1 import StyleGAN1

pytestmark = pytest.mark.xdist_group("idinvert")  # so that its networks are filled once
TOLERANCE = 1e-4
SEARCHED = 2e-3
"""The first steps of Adam are as long in each number, however small its gradient: what is nearly 0 goes either way."""
WIDTHS = (32, 32, 32, 16)
SIZES = {"z_dim": 32, "w_dim": 32, "hidden": 32, "mapping_layers": 4}
GENERATORS = {
    "g_inv": official.generator(WIDTHS, (False, False, False), **SIZES),
    "g_inv_fused": official.generator(WIDTHS, (True, True, True), **SIZES),
    "g_plain_auto_label": official.generator(WIDTHS, (False, False, False), **SIZES, c_dim=3, repeated=True),
}
ENCODER = official.encoder((8, 16, 32, 32), 32)
LABELS = {"g_plain_auto_label": torch.tensor([[1, 0, 0], [0, 0.5, 0.5]])}
TRUNCATION = {"g_plain_auto_label": (0.5, 4)}
KEYS = {
    "generator": "2d55413259e2d0d143d502759988cb191b5b9498781536e7ef4eccaf0bdd19fc",
    "encoder": "c85f2b417c0c98dffd1cc81d20032d3d30a79c9ff6abb26aa8496b8385c914a5",
    "perceptual": "7a6c6f204970c0c1cb923042f8855b717b824cb3c5e18bee896d0e5b7e7c02d3",
}
"""The digests of the keys and shapes of the original's networks."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("idinvert")


def state_dict(name: str) -> dict[str, np.ndarray]:
    state = official.state_dict(deterministic.state_dict(GENERATORS[name]))
    psi, layers = TRUNCATION.get(name, (0.7, 8))
    state["truncation.truncation"][:] = 1
    state["truncation.truncation"][:, :layers] = psi
    return state


@functools.cache
def generator(name: str = "g_inv") -> StyleGAN1:
    return from_state_dict("idinvert", state_dict(name))  # type: ignore[return-value]


@functools.cache
def encoder(*, normalised: bool = True) -> IDInvertEncoder:
    state = official.state_dict(deterministic.state_dict(ENCODER))
    kept = {key: array for key, array in state.items() if normalised or ".bn." not in key}
    return from_state_dict("idinvert", kept)  # type: ignore[return-value]


@functools.cache
def networks() -> Networks:
    perceptual = from_state_dict("idinvert", deterministic.state_dict(official.perceptual()))
    return Networks(generator(), encoder(), perceptual)


def drawn() -> torch.Tensor:
    return torch.from_numpy(deterministic.normal("idinvert_z", (2, 32)))


def picture() -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("idinvert_x", (2, 3, 32, 32), -1, 1))


def pixels(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """N×3×H×W in [-1, 1], of whole numbers of grey levels."""
    levels = np.floor(deterministic.uniform(name, shape, 0, 256)).astype(np.float32)
    return torch.from_numpy(levels / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def eight_bits(x: torch.Tensor, step: int) -> np.ndarray:
    """N×3×H×W in [-1, 1] as the original shows it, every n-th value."""
    levels = ((x + 1) * 127.5 + 0.5).clamp(0, 255).byte()
    return levels.permute(0, 2, 3, 1).reshape(-1)[::step].numpy().astype(int)


@pytest.mark.parametrize("role", KEYS)
def test_the_keys_are_the_official_ones(role):
    assert checkpoints.digest(official.OFFICIAL["ffhq"][role]) == KEYS[role]


@pytest.mark.parametrize("name", GENERATORS)
def test_styles_and_pictures_are_the_original_ones(figures, name):
    network, c = generator(name), LABELS.get(name)
    with torch.inference_mode():
        w, ws, made = network.mapping(drawn(), c), network.truncate(network.map(drawn(), c)), network(drawn(), c)
        said = network(drawn(), c, *TRUNCATION.get(name, (0.7, 8)))
    assert figures.error(f"{name}_w", w) < TOLERANCE
    assert figures.error(f"{name}_wp", ws) < TOLERANCE
    assert figures.error(f"{name}_img", made) < TOLERANCE
    assert torch.equal(made, said)


def test_layers_and_pictures_of_styles_are_the_original_ones(figures):
    network, ws = generator(), torch.from_numpy(deterministic.normal("idinvert_wp", (2, 8, 32)))
    with torch.inference_mode():
        layers, x = [], torch.empty(2, 0)
        styles = network.truncate(network.map(drawn()))
        for layer, w in zip(network.synthesis.layers, styles.unbind(1), strict=True):
            x = layer(x, w)
            layers.append(x)
        assert figures.error("g_inv_img_from_wp", network.synthesize(ws)) < TOLERANCE
    assert figures.error("g_inv_layer0", layers[0]) < TOLERANCE
    assert figures.error("g_inv_layer2", layers[2]) < TOLERANCE


def test_a_level_of_detail_leaves_out_sizes_as_in_training(figures):
    network = from_state_dict("idinvert", state_dict("g_inv") | {"synthesis.lod": np.array(1, np.float32)})
    with torch.inference_mode():
        assert figures.error("g_inv_img_lod1", network(drawn())) < TOLERANCE


@pytest.mark.parametrize("level", [-1, 4, np.nan])
def test_a_level_of_detail_that_is_none_is_an_error(level):
    with pytest.raises(BadWeights, match="level of detail"):
        from_state_dict("idinvert", state_dict("g_inv") | {"synthesis.lod": np.array(level, np.float32)})


def test_codes_of_pictures_are_the_original_ones(figures):
    plain, normalised = encoder(normalised=False), encoder()
    with torch.inference_mode():
        assert figures.error("e_code", normalised(picture())) < TOLERANCE
        assert figures.error("e_block0", normalised.block0(picture())) < TOLERANCE
        assert figures.error("e_code_wscale_nobn", plain(picture())) < TOLERANCE


def test_what_the_loss_looks_at_is_the_original(figures):
    network = networks().perceptual
    with torch.inference_mode():
        assert figures.error("vgg_features", network(picture())) < TOLERANCE


@pytest.mark.parametrize(
    ("role", "key"),
    [
        ("generator", "mapping.dense3.wscale.bias"),
        ("generator", "truncation.w_avg"),
        ("generator", "synthesis.layer2.blur.kernel"),
        ("generator", "synthesis.layer6.conv.weight"),
        ("generator", "synthesis.layer7.epilogue.style_mod.dense.fc.weight"),
        ("generator", "synthesis.lod"),
        ("encoder", "block2.wscale1.bias"),
        ("encoder", "block1.bn.bn.running_var"),
        ("encoder", "block4.fc.weight"),
        ("perceptual", "layer21.weight"),
    ],
)
def test_a_missing_key_is_named(role, key):
    state = official.state_dict(deterministic.state_dict(official.SMALL["ffhq"][role]))
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("idinvert", state)


@pytest.mark.parametrize("key", ["synthesis.layer3.conv.bias", "synthesis.layer5.blur.kernel"])
def test_a_key_too_many_is_named(key):
    state = official.state_dict(deterministic.state_dict(official.SMALL["ffhq"]["generator"]))
    state[key] = np.zeros(7, np.float32)
    with pytest.raises(BadWeights, match=key):
        from_state_dict("idinvert", state)


def test_more_sizes_than_any_picture_has_are_an_error():
    state = state_dict("g_inv") | {"synthesis.output11.bias": np.zeros(3, np.float32)}
    with pytest.raises(BadWeights, match="double the size 11 times"):
        from_state_dict("idinvert", state)


def test_styles_of_a_batch_do_not_influence_each_other():
    network = from_state_dict(
        "idinvert", official.state_dict(deterministic.state_dict(official.NETWORKS["stylegan1:build"]))
    )
    z, c = torch.randn(3, 9, generator=torch.Generator().manual_seed(0)), torch.eye(3)
    with torch.inference_mode():
        together = network(z, c)
        alone = torch.cat([network(z[[n]], c[[n]]) for n in range(3)])
    assert together.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-2


def test_the_number_and_places_of_doublings_are_read_from_the_keys():
    network = from_state_dict(
        "idinvert", official.state_dict(deterministic.state_dict(official.SMALL["ffhq"]["generator"]))
    )
    assert (network.resolution, network.num_ws, network.z_dim, network.w_dim) == (32, 8, 9, 6)
    assert (network.c_dim, network.channels, network.repeated) == (0, 3, False)
    index, matrix = network.styles()[5]
    assert index == 5
    assert matrix.shape == (2 * 6, 6)


def test_a_style_matrix_is_what_the_layer_uses():
    network = generator()
    index, matrix = network.styles()[3]
    ws = torch.zeros(2, 8, 32)
    ws[1, index] = torch.randn(32, generator=torch.Generator().manual_seed(1))
    layer = network.synthesis.layers[index]
    with torch.inference_mode():
        scale, shift = layer.epilogue.style_mod(ws[:, index])
    change = torch.cat((scale, shift), dim=1).diff(dim=0)[0]
    np.testing.assert_allclose(change, matrix @ ws[1, index], atol=1e-5)


def test_gradients_reach_the_styles_and_are_right():
    network = from_state_dict("idinvert", state_dict("g_inv_fused")).double()
    ws = torch.from_numpy(deterministic.normal("idinvert_wp", (1, 8, 32))).double().requires_grad_()
    random = torch.Generator().manual_seed(2)
    along = torch.randn(ws.shape, generator=random, dtype=torch.float64)
    weights = torch.randn(1, 3, 32, 32, generator=random, dtype=torch.float64)
    (network.synthesize(ws) * weights).sum().backward()
    with torch.inference_mode():
        ends = [(network.synthesize(ws + step * along) * weights).sum() for step in (1e-6, -1e-6)]
    assert (ws.grad * along).sum().item() == pytest.approx((ends[0] - ends[1]).item() / 2e-6, rel=1e-4)


# -- Inversion ---------------------------------------------------------------------------------------------------------


def test_the_search_goes_the_original_way(figures):
    target = pixels("idinvert_img", (1, 32, 32, 3))
    search = Search(networks(), target)
    assert figures.error("invert_preprocessed", target[0]) < 1e-6
    assert figures.error("invert_init_code", search.code.detach()) < TOLERANCE
    steps = [search.step() for _ in range(5)]
    losses = [steps[0].losses[name] for name in ("pixels", "features", "code")]
    np.testing.assert_allclose(losses, figures["invert_losses_step1_pix_feat_reg"], rtol=1e-5)
    assert figures.error("invert_code_5steps", search.code.detach()) < SEARCHED
    assert np.abs(eight_bits(steps[-1].picture, 5) - figures["invert_viz_last_uint8"]).max() <= 1


def test_diffusion_goes_the_original_way(figures):
    context = pixels("idinvert_ctx", (2, 32, 32, 3))
    target = pixels("idinvert_img", (1, 32, 32, 3))
    mask = torch.zeros(1, 1, 32, 32)
    mask[:, :, 14 - 3 : 14 + 4, 17 - 4 : 17 + 5] = 1
    pasted = target * mask + context * (1 - mask)
    assert np.array_equal(eight_bits(pasted, 3), figures["diffuse_copy_paste_uint8"])
    search = Search(networks(), pasted, mask)
    for _ in range(3):
        search.step()
    assert figures.error("diffuse_code_3steps", search.code.detach()) < SEARCHED


def test_a_boundary_is_moved_across_as_the_original_does(figures):
    codes = torch.from_numpy(figures["edit_codes"])
    boundary = Directions("file", figures["edit_boundary"], np.ones(1), (0, 1, 2))
    across = [moved(codes, boundary, amount, (1, 2, 3, 5)) for amount in np.linspace(-3, 3, 4)]
    assert figures.error("edit_manipulate_layers_1-3_5", torch.stack(across, dim=1)) < 1e-6
    assert figures.error("ml4a_modulate_layers012_1.5", moved(codes, boundary, 1.5)) < 1e-6


def test_the_way_between_two_codes_is_the_original_one(figures):
    way = latents.interpolate(*figures["edit_codes"], 4)
    np.testing.assert_allclose(way, figures["edit_interpolate_step4"][0], atol=1e-6)


def test_latents_have_the_original_length(figures):
    z = on_sphere(deterministic.normal("idinvert_zraw", (2, 32)))
    np.testing.assert_allclose(z, figures["z_preprocess"], atol=1e-6)
