"""StyleGAN2's weights of other programs against these: TensorFlow's variables, and rosinality's modules."""

from __future__ import annotations

import math
from collections.abc import Mapping

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import stylegan as official
from figures import Figures

from ml4a import weights
from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict, recognise
from ml4a.networks.stylegan2_discriminator import from_archive
from ml4a.weights import formats

TOLERANCE = 1e-4
FOUR = (64,) * 4
KEYS = {
    "tf_G": "9703443fcee80c7149f9bac21d038eb59ba5f5b1292c3f7d495a98e26ec6dcdc",
    "tf_D": "a8124d065516d82187dec6c46bb1cdc5208f5045f5aa087d4ece249ada140e0a",
    "rosin_G": "500c45cf4eee513432729992d747933bb1537a7873c0879084f5e7dc2d825329",
    "rosin_D": "e2edea17d946806b3b60a9e1a272a4534ef27e027ab7f7a369f9f141302403e8",
}
"""The digests of the names and shapes that the originals have."""
SHAPES = {
    "tf_G": official.tensorflow(FOUR, (64, 64), 64),
    "tf_D": official.discriminator_tensorflow(FOUR),
    "rosin_G": official.rosinality((512,) * 4, 64, 2),
    "rosin_D": official.discriminator_rosinality((512,) * 4),
}
LABELS = torch.tensor([[1, 0, 0], [0, 0.25, 0.75]])


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("stylegan2")


def z(count: int = 2, dims: int = 64) -> torch.Tensor:
    return torch.from_numpy(deterministic.normal("stylegan2_z", (count, dims)))


def pictures() -> torch.Tensor:
    """Four, each less contrasty than the one before."""
    contrast = np.array([1, 0.5, 0.25, 0.125], np.float32)[:, None, None, None]
    return torch.from_numpy(deterministic.uniform("stylegan2_tf_img", (4, 3, 32, 32), -1, 1) * contrast)


@pytest.mark.parametrize("name", KEYS)
def test_the_names_are_the_original_ones(name):
    assert checkpoints.digest(SHAPES[name]) == KEYS[name]


def tensorflow_filled(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    found = {}
    for key, shape in shapes.items():
        array = deterministic.normal(f"tf/{key}", shape)
        if key.endswith("noise_strength"):
            array = np.full((), 0.1)
        elif key.startswith("mapping/Dense"):
            array = array * (100 if key.endswith("weight") else 5)
        elif key.endswith(("bias", "dlatent_avg")):
            array = array * 0.05
        found[key] = np.asarray(array, np.float32)
    return found


def rosinality_filled(name: str) -> dict[str, np.ndarray]:
    found = {}
    for key, shape in SHAPES[name].items():
        array = deterministic.weight(key, shape)
        if key.endswith(".kernel"):
            array = official.FILTER
        elif key.endswith(".noise.weight"):
            array = np.full(shape, 0.1, np.float32)
        elif key.startswith("to_rgb") and key.endswith(".bias") and "modulation" not in key:
            array = 0.05 * deterministic.normal(key, shape)
        elif len(shape) > 1:
            array = array * np.float32(math.sqrt(math.prod(shape[1:])))
        if key.endswith("modulation.bias"):
            array = array + 1
        found[key] = array * 100 if key.startswith("style.") else array
    return found


def test_tensorflow_s_networks_are_the_original_ones(figures):
    embedded = {
        "mapping/LabelEmbed/weight": (3, 64),
        "mapping/LabelEmbed/bias": (64,),
        "mapping/Dense0/weight": (128, 64),
    }
    cases = {
        "tf_skip_c0": SHAPES["tf_G"],
        "tf_resnet_c3": official.tensorflow(FOUR, (64, 64), 64, "resnet") | embedded,
    }
    for name, shapes in cases.items():
        network = from_state_dict("stylegan2", {"Gs": tensorflow_filled(shapes), "G": {}})
        converted = sum(float(tensor.double().abs().sum()) for tensor in network.state_dict().values())
        assert converted == pytest.approx(float(figures[f"{name}_converted_sum"]), rel=1e-9)
        with torch.inference_mode():
            assert (
                figures.error(f"{name}_img_const_psi05", network(z(), LABELS if network.c_dim else None, 0.5))
                < TOLERANCE
            )


def test_tensorflow_s_discriminator_is_the_original_one(figures):
    network = from_archive({"Gs": tensorflow_filled(SHAPES["tf_G"]), "D": tensorflow_filled(SHAPES["tf_D"])})
    assert figures.error("tf_D_logits", network(pictures())) < TOLERANCE


def labelled_2019(kinds: int = 7) -> dict[str, np.ndarray]:
    joined = {"mapping/LabelConcat/weight": (kinds, 64), "mapping/Dense0/weight": (128, 64)}
    return tensorflow_filled(SHAPES["tf_G"] | joined)


def test_labels_of_2019_are_the_original_ones(figures):
    network = from_state_dict("stylegan2", {"Gs": labelled_2019()})
    assert network.c_dim == 7
    c = torch.zeros(2, 7)
    assert figures.error("tf2019_labelconcat_w_zero_label", network.map(z(), c)[:, 0]) < TOLERANCE
    c[0, 2], c[1, 0], c[1, 6] = 1, 0.5, 0.5
    assert figures.error("tf2019_labelconcat_w", network.map(z(), c)[:, 0]) < TOLERANCE


def test_a_discriminator_of_2019_has_an_output_for_each_label():
    outputs = {"Output/weight": (64, 7), "Output/bias": (7,)}
    network = from_archive({"D": tensorflow_filled(SHAPES["tf_D"] | outputs)})
    x = pictures()[:1]
    one, other, half = network(x, torch.eye(7)[1:2]), network(x, torch.eye(7)[4:5]), torch.zeros(1, 7)
    half[:, 1] = half[:, 4] = 0.5
    torch.testing.assert_close(network(x, half), (one + other) / 2)
    assert (one - other).abs() > 0.01


@pytest.fixture(scope="module")
def rosinality() -> dict[str, object]:
    average = deterministic.weight("latent_avg", (64,))
    return {"g_ema": rosinality_filled("rosin_G"), "latent_avg": average, "d": rosinality_filled("rosin_D")}


@pytest.mark.slow
def test_rosinality_s_networks_are_the_original_ones(rosinality, figures):
    with torch.inference_mode():
        made = from_state_dict("stylegan2", rosinality)(z(), None, 0.7)
        judged = from_archive(rosinality)(pictures())
    assert figures.error("rosin_img_const_psi07", made) < TOLERANCE
    assert figures.error("rosin_d_logits", judged) < TOLERANCE


@pytest.mark.slow
def test_without_a_mean_of_styles_it_is_computed(rosinality):
    network = from_state_dict("stylegan2", {"g_ema": rosinality["g_ema"]})
    latents = np.random.RandomState(123).randn(10_000, 64).astype(np.float32)
    assert (network.w_avg - network.map(torch.from_numpy(latents))[:, 0].mean(0)).abs().max() < 1e-5
    assert network.w_avg.abs().max() > 0.01


def test_networks_that_grew_have_colours_of_the_last_resolution():
    state = tensorflow_filled(SHAPES["tf_G"])
    grown = {
        key.replace("32x32/ToRGB", "ToRGB_lod0"): array
        for key, array in state.items()
        if "ToRGB" not in key or "32x32" in key
    }
    grown["synthesis/ToRGB_lod1/weight"] = np.ones((1, 1, 64, 3), np.float32)
    network = from_state_dict("stylegan2", grown)
    blocks = network.synthesis.blocks
    assert [block.coloured for block in blocks] == [False, False, False, True]
    np.testing.assert_array_equal(blocks[-1].torgb.bias, state["synthesis/32x32/ToRGB/bias"])


def test_stylegan_1_is_refused():
    state = tensorflow_filled(SHAPES["tf_G"] | {"synthesis/4x4/Const/StyleMod/weight": (64, 128)})
    with pytest.raises(BadWeights, match=r"StyleGAN 1's \('synthesis/4x4/Const/StyleMod/weight'\), another network"):
        from_state_dict("stylegan2", state)


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_a_pickle_of_tensorflow_is_known_by_its_content(suffix, tmp_path):
    shapes = {f"Gs.{key}": shape for key, shape in official.NETWORKS["stylegan2_layouts:build_tensorflow"].items()}
    shapes |= {"D.Output/weight": (9, 1), "D.Output/bias": (1,)}
    path = official.save("network", tmp_path / f"network-final-wikiarts{suffix}", deterministic.state_dict(shapes))
    assert formats.identify(path) == "stylegan"
    network = from_state_dict("stylegan2", weights.read(path).arrays())
    assert network.resolution == 32
    assert network(z(1, 11)).std() > 0.1


def test_generator_and_discriminator_of_one_file_are_recognised():
    state = deterministic.state_dict(official.SMALL["ffhq"]["network"])
    found = [(each.taken_off, each.network, each.fault) for each in recognise(state)]
    assert found == [("G_ema.", "StyleGAN2", ""), ("D.", "StyleGAN2Discriminator", "")]


def test_a_file_without_a_discriminator_says_so():
    with pytest.raises(BadWeights, match="no discriminator"):
        from_archive({"G_ema": deterministic.state_dict(official.NETWORKS["stylegan2:build"])})
