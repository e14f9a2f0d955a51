"""BASNet against the original."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import basnet as official
from figures import Figures, layers
from torch.nn import functional as F

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.basnet import BASNet

pytestmark = pytest.mark.xdist_group("basnet")  # so that its networks are filled once
TOLERANCE = 1e-4
KEYS = "d9f8cb31b83e4a27a380f478e3fd9e32442543ece31b8219946823b216c29d9d"
"""The digest of the keys and shapes of the original's network."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("basnet")


@pytest.fixture(scope="module")
def network() -> BASNet:
    return from_state_dict("basnet", deterministic.state_dict(official.shapes()))


@pytest.fixture(scope="module")
def features(network: BASNet) -> dict[str, torch.Tensor]:
    """What every layer gives, and the mask."""
    return layers(network, torch.from_numpy(deterministic.uniform("basnet", (1, 3, 128, 128), -2, 2)))


def test_the_keys_are_the_official_ones():
    assert checkpoints.digest(official.shapes()) == KEYS


def test_the_mask_is_the_original_one(features, figures):
    assert figures.error("output", features[""]) < TOLERANCE


# Batch normalisation is folded into the convolution before it, which gives what the normalisation gave.
@pytest.mark.parametrize(
    ("figure", "layer"),
    [
        ("mid_encoder1", "encoder1"),
        ("mid_encoder4", "encoder4"),
        ("mid_resb6_3", "resb6_3"),
        ("mid_bn6d_2", "conv6d_2"),
        ("mid_outconv1", "outconv1"),
    ],
)
def test_every_stage_is_the_original_one(features, figures, figure, layer):
    assert figures.error(figure, features[layer]) < TOLERANCE


@pytest.mark.parametrize(("figure", "level"), [("db", "bg"), *((f"d{level}", f"{level}d") for level in range(2, 7))])
def test_masks_of_earlier_stages_are_the_original_ones(network, features, figures, figure, level):
    with torch.inference_mode():
        logits = network.get_submodule(f"outconv{figure[1:]}")(features[f"conv{level}_2"].relu())
        mask = F.interpolate(logits, size=(128, 128), mode="bilinear").sigmoid()
    assert figures.error(figure, mask) < TOLERANCE


@pytest.mark.slow
def test_a_file_without_counters_gives_the_same_network(network):
    state = deterministic.state_dict(official.shapes())
    old = {key: array for key, array in state.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    for key, tensor in from_state_dict("basnet", old).state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key])


@pytest.mark.parametrize("key", ["encoder2.0.downsample.1.running_var", "refunet.conv_d0.bias", "outconvb.weight"])
def test_a_missing_key_is_named(key):
    state = deterministic.state_dict(official.NETWORKS["basnet:build"])
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("basnet", state)


def test_pictures_of_a_batch_do_not_influence_each_other():
    network = from_state_dict("basnet", deterministic.state_dict(official.NETWORKS["basnet:build"]))
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, 64, 96), -2, 2))
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(picture[None]) for picture in pictures])
    assert together.shape == (3, 1, 64, 96)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert alone.std() > 1e-3
