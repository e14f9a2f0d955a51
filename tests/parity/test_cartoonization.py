"""White-box Cartoonization against the original."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import cartoonization as official
from figures import Figures, layers
from torch.nn import functional as F

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.cartoonization import CartoonGenerator
from ml4a.ops.guided_filter import guided_filter
from ml4a.ops.legacy_bilinear import doubled
from ml4a.weights import formats

TOLERANCE = 1e-4
KEYS = "dea2c26d6adfe1b565bb8f052e9d31b30600faf98c0a298ef7640728468295f6"
"""The digest of the keys and shapes of the original's network, kernels O×I×H×W."""
STORED_KEYS = "c7a977b5a09887150b4f7240f6e23050cc1cfd929dfad6735522fa0faed56e08"
"""The same with kernels H×W×I×O, as the checkpoint has them."""
SMALL = official.NETWORKS["cartoonization:build"]


def channels_first(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("cartoonization")


@pytest.fixture(scope="module")
def network() -> CartoonGenerator:
    return from_state_dict("cartoonization", deterministic.state_dict(official.shapes()))


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return channels_first(deterministic.uniform("cartoonization", (1, 64, 48, 3), -1, 1))


@pytest.fixture(scope="module")
def features(network: CartoonGenerator, picture: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every layer gives, and the picture."""
    return layers(network, picture)


def activated(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x, 0.2)


def test_the_keys_are_the_official_ones():
    assert checkpoints.digest(official.shapes()) == KEYS
    stored = official.as_stored(deterministic.state_dict(official.shapes()))
    assert checkpoints.digest({key: array.shape for key, array in stored.items()}) == STORED_KEYS


def test_the_picture_is_the_original_one(features, figures):
    assert figures.error("output", channels_last(features[""])) < TOLERANCE


def test_the_picture_before_the_guided_filter_is_the_original_one(features, figures):
    assert figures.error("network_output", channels_last(features["conv_9"])) < TOLERANCE


@pytest.mark.parametrize(
    ("figure", "layer"), [("mid_x0", "conv"), ("mid_x1", "conv_2"), ("mid_x2", "conv_4"), ("mid_x3", "conv_7")]
)
def test_every_stage_is_the_original_one(features, figures, figure, layer):
    assert figures.error(figure, channels_last(activated(features[layer]))) < TOLERANCE


def test_the_residual_blocks_are_the_original_ones(features, figures):
    assert figures.error("mid_block_3", channels_last(features["blocks"])) < TOLERANCE


@pytest.mark.parametrize(("figure", "layer"), [("mid_up1", "conv_5"), ("mid_up2", "conv_7")])
def test_doubled_maps_are_the_original_ones(features, figures, figure, layer):
    assert figures.error(figure, channels_last(doubled(activated(features[layer])))) < TOLERANCE


def test_doubling_is_tensorflows(figures):
    assert figures.error("resize_out", channels_last(doubled(channels_first(figures["resize_in"])))) < TOLERANCE


@pytest.mark.parametrize(("figure", "radius", "eps"), [("guided_r1_eps5e3", 1, 5e-3), ("guided_r5_eps1e2", 5, 1e-2)])
def test_the_guided_filter_is_the_original_one(figures, figure, radius, eps):
    guide, x = channels_first(figures["guided_x"]), channels_first(figures["guided_y"])
    assert figures.error(figure, channels_last(guided_filter(guide, x, radius, eps))) < TOLERANCE


def test_the_checkpoint_lies_in_its_files_as_the_original_one_does(figures, tmp_path):
    files = checkpoints.write("cartoonization", "whitebox", tmp_path)
    assert files["data"].stat().st_size == 5_868_300
    stored = official.as_stored(deterministic.state_dict(official.shapes()))
    data = files["data"].read_bytes()
    read = formats.read((files["index"], files["data"]), "tf_checkpoint").arrays()
    assert read.keys() == set(figures["checkpoint_names"])
    for name, (offset, size, _) in zip(figures["checkpoint_names"], figures["checkpoint_offset_size_crc"], strict=True):
        assert data[offset : offset + size] == stored[name].tobytes()
        assert np.array_equal(read[name], stored[name])


def test_the_checkpoints_kernels_give_the_same_network(network):
    stored = official.as_stored(deterministic.state_dict(official.shapes()))
    for key, tensor in from_state_dict("cartoonization", stored).state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key])


@pytest.mark.parametrize("width", [3, 7])
def test_the_order_of_a_kernels_axes_is_never_in_doubt(width):
    """Three filters of three channels and 3×3 pixels could be either, but for the first kernel, which is 7×7."""
    state = deterministic.state_dict(official.shapes(width, 1))
    ours, stored = (from_state_dict("cartoonization", each) for each in (state, official.as_stored(state)))
    picture = torch.from_numpy(deterministic.uniform("small", (1, 3, 20, 24), -1, 1))
    assert torch.equal(ours.conv_1.weight, torch.from_numpy(state["generator/Conv_1/weights"]))
    with torch.inference_mode():
        assert torch.equal(ours(picture), stored(picture))


@pytest.mark.parametrize(
    "key", ["generator/Conv/weights", "generator/block_1/conv2/biases", "generator/Conv_9/weights"]
)
@pytest.mark.parametrize("arrange", [dict, official.as_stored])
def test_a_missing_key_is_named(key, arrange):
    state = arrange(deterministic.state_dict(SMALL))
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("cartoonization", state)


def test_pictures_of_a_batch_do_not_influence_each_other():
    network = from_state_dict("cartoonization", deterministic.state_dict(SMALL))
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, 36, 52), -1, 1))
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(picture[None]) for picture in pictures])
    assert together.shape == (3, 3, 36, 52)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert (together[0] - together[1]).std() > 0.1


def test_the_picture_given_is_left_as_it_was(network, picture):
    before = picture.clone()
    with torch.inference_mode():
        network(picture)
    assert torch.equal(picture, before)


def test_the_originals_eight_bits_are_its_floats_cut_off(figures):
    """Ours are rounded; no more than that lies between a picture from here and one from there."""
    floats = (figures["real16_output_sample"] + 1) / 2
    stored = figures["real16_image"].ravel()[:: figures["real16_output_step"]]
    difference = np.rint(floats.clip(0, 1) * 255) - stored
    assert set(np.unique(difference)) == {0, 1}
