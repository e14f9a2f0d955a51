"""SPADE against the original."""

from __future__ import annotations

import functools

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import spade as official
from figures import Figures, layers
from tiers import quick
from torch.nn import functional as F

from ml4a import segmentation
from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.spade import SoftMap, SPADEGenerator, SpectralConv
from ml4a.ops.semantic_map import edges

pytestmark = pytest.mark.xdist_group("spade")  # so that its networks are filled once
TOLERANCE = 1e-4
KEYS = {
    "coco": "3423e0e027e199727c1351bd95c4fa5569a5345297ce63372501cb8705e6ac5c",
    "ade20k": "d1f9f435159571da190611a03cfc94e2f356089e19b471a62a407947070811a3",
    "cityscapes": "b9b02fcf6114b3fb8be46c4c4464cb63ba74f76f078343614ed9128ca19d4901",
    "landscapes": "bb760ecdb818c47f298545bc845240e062857348cfd8adee0fd122c1a3d16d8e",
}
"""The digests of the keys and shapes of the original's networks."""
MIDDLES = ("fc", "head_0.norm_0", "head_0", "G_middle_1", "up_0", "up_3")
EDGES = ("coco", "cityscapes")
VARIANTS = quick(["ade20k", "coco", "cityscapes", "landscapes"])
"""Each takes seconds to fill."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("spade")


def semantics_of(figures: Figures, variant: str) -> torch.Tensor:
    labels = torch.from_numpy(figures[f"{variant}_labels"].astype(np.int64))
    channels = int(figures[f"{variant}_semantics_shape"][1])
    semantics = torch.zeros(1, channels, *labels.shape).scatter_(1, labels[None, None], 1)
    if variant in EDGES:
        semantics[:, -1] = edges(labels)
    return semantics


@functools.cache
def network_of(variant: str) -> SPADEGenerator:
    return from_state_dict("spade", official.state_dict(official.OFFICIAL[variant]["network"]))


@functools.cache
def features_of(variant: str) -> dict[str, torch.Tensor]:
    """What every layer gives, and the picture."""
    return layers(network_of(variant), semantics_of(Figures("spade"), variant), ("", *MIDDLES))


@pytest.mark.parametrize("variant", KEYS)
def test_the_keys_are_the_official_ones(variant):
    assert checkpoints.digest(official.OFFICIAL[variant]["network"]) == KEYS[variant]


@pytest.mark.parametrize("variant", KEYS)
def test_label_maps_become_the_original_channels(figures, variant):
    semantics = semantics_of(figures, variant)
    assert semantics.shape == tuple(figures[f"{variant}_semantics_shape"])
    assert np.array_equal(semantics.sum((0, 2, 3)).numpy(), figures[f"{variant}_semantics_channel_sums"])


@pytest.mark.parametrize("variant", EDGES)
def test_edges_are_the_original_ones(figures, variant):
    found = edges(torch.from_numpy(figures[f"{variant}_labels"].astype(np.int64)))
    assert np.array_equal(found.numpy(), figures[f"{variant}_edges"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_stage_is_the_original_one(figures, variant):
    features = features_of(variant)
    for name in MIDDLES:
        assert figures.error(f"{variant}_mid_{name.replace('.', '_')}", features[name]) < TOLERANCE, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_picture_is_the_original_one(figures, variant):
    assert figures.error(f"{variant}_output", features_of(variant)[""]) < TOLERANCE


@pytest.mark.slow
def test_a_map_of_any_numbers_gives_the_original_picture_too(figures):
    semantics = semantics_of(figures, "coco")
    with torch.inference_mode():
        picture = network_of("coco").draw(SoftMap(semantics), (128, 128))
    assert figures.error("coco_output", picture) < TOLERANCE


@pytest.mark.slow
def test_the_picture_in_eight_bits_is_the_original_one(figures):
    picture = features_of("coco")[""][0].permute(1, 2, 0)
    values = ((picture + 1) / 2 * 255).clamp(0, 255).byte().numpy().ravel()[::17]
    assert np.abs(values.astype(int) - figures["coco_image_sample"]).max() <= 1


def test_the_largest_singular_value_is_the_original_one(figures):
    state = official.state_dict(official.spectral("head_0.conv_0", 1024, 1024))
    conv = SpectralConv(1024, 1024)
    conv.load_state_dict({key.rpartition(".")[2]: torch.from_numpy(array) for key, array in state.items()})
    value = conv.requires_grad_(False).largest_singular_value().item()
    assert value == pytest.approx(float(figures["coco_sigma_head_0_conv_0"]), rel=1e-6)
    kernel = conv.weight_orig.clone()
    conv.fold()
    torch.testing.assert_close(conv.weight * value, kernel)


def test_colours_of_labels_are_the_original_ones(figures):
    assert np.array_equal(segmentation.CITYSCAPES.colors, figures["cmap_35"])
    assert np.array_equal(segmentation.COCO_STUFF.colors[:182], figures["cmap_182"])


@pytest.mark.parametrize(
    "key",
    [
        "head_0.conv_0.weight_orig",
        "head_0.conv_1.weight_u",
        "up_0.conv_s.weight_v",
        "up_3.norm_s.param_free_norm.running_var",
        "up_1.norm_0.mlp_shared.0.bias",
        "fc.weight",
        "conv_img.bias",
    ],
)
def test_a_missing_key_is_named(key):
    state = official.state_dict(official.SMALL["landscapes"]["network"])
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("spade", state)


def small(**sizes: object) -> SPADEGenerator:
    options = {"channels": 8, "width": 2, "hidden": 5, **sizes}
    return from_state_dict("spade", official.state_dict(official.shapes(**options)))


def random_map(*shape: int, seed: int = 0) -> torch.Tensor:
    """N×8×H×W: areas of 7 labels, and edges."""
    count, height, width = shape
    labels = np.random.default_rng(seed).integers(0, 7, (count, height // 8, width // 8))
    labels = torch.from_numpy(labels.repeat(8, 1).repeat(8, 2))
    return torch.cat((F.one_hot(labels, 7).permute(0, 3, 1, 2), edges(labels)[:, None]), dim=1).float()


def test_maps_of_a_batch_do_not_influence_each_other():
    network, maps = small(), random_map(3, 64, 96)
    with torch.inference_mode():
        together = network(maps)
        alone = torch.cat([network(each[None]) for each in maps])
    assert together.shape == (3, 3, 64, 96)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-3


@pytest.mark.parametrize(("size", "drawn"), [((45, 70), (32, 64)), ((8, 200), (32, 192))])
def test_sizes_are_rounded_to_what_the_network_can_draw(size, drawn):
    semantics = random_map(1, 256, 256)[:, :, : size[0], : size[1]]
    with torch.inference_mode():
        assert small()(semantics).shape[-2:] == drawn


def test_the_number_of_doublings_follows_from_the_weights():
    assert [network.doublings for network in (small(), small(channels=36), small(most=True))] == [5, 6, 7]


def test_a_style_changes_the_picture_and_its_start_has_the_shape_of_the_map():
    network = small(cells=8, width=4)
    style = torch.from_numpy(deterministic.uniform("style", (1, 16), -1, 1))
    with torch.inference_mode():
        assert network(random_map(1, 64, 128)).shape == (1, 3, 64, 128)
        wide, other = network(random_map(1, 64, 128)), network(random_map(1, 64, 128), style)
        assert network(random_map(1, 128, 64)).shape == (1, 3, 128, 64)
    assert (wide - other).abs().max() > 1e-3


def test_the_encoder_takes_pictures_of_any_size():
    network = from_state_dict("spade", official.state_dict(official.encoder(width=1, latent=16)))
    picture = torch.from_numpy(deterministic.uniform("guide", (2, 3, 50, 70), -1, 1))
    with torch.inference_mode():
        mean, variance = network(picture)
        square, _ = network(F.interpolate(picture, size=(256, 256), mode="bilinear"))
    assert mean.shape == variance.shape == (2, 16)
    torch.testing.assert_close(mean, square)
    assert (mean[0] - mean[1]).abs().max() > 1e-3
