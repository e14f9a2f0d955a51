"""FlowNetS, and what the library of 2021 did with its flow, against the originals."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import flownet as official
from figures import Figures, layers

from ml4a._core.errors import BadWeights
from ml4a.media.motion import Flow
from ml4a.models.flownet import prepared
from ml4a.networks import from_state_dict
from ml4a.networks.flownet import FlowNetS, at_size

TOLERANCE = 1e-4
KEYS = {
    "flownets": "74ad453cb2dba70d7af40962dedaff99cf89c0b5d2523e36213fc640dee1bdf7",
    "flownets_bn": "2c062c77ae606aa275bf92223f29333690f0b070d8c5c66fd3e8fa8542f12fea",
}
"""The digests of the keys and shapes of the original's networks."""
SMALL = official.NETWORKS["flownet:build"]


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("flownet")


@pytest.fixture(scope="module", params=KEYS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name) -> FlowNetS:
    return from_state_dict("flownet", deterministic.state_dict(official.OFFICIAL[name]["network"]))


def pair(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("flownet", (1, 6, height, width), -0.45, 0.59))


@pytest.fixture(scope="module")
def features(network) -> dict[str, torch.Tensor]:
    """What every layer gives, and the flow."""
    return layers(network, pair(64, 128))


def test_the_keys_are_the_official_ones(name):
    assert checkpoints.digest(official.OFFICIAL[name]["network"]) == KEYS[name]


def test_the_flow_is_the_original_one(name, features, figures):
    assert figures.error(f"{name}_64x128_flow2", features[""]) < TOLERANCE
    assert figures.error(f"{name}_64x128_bilinear", at_size(features[""], 64, 128)) < TOLERANCE


def test_odd_sizes_lose_what_the_original_loses(name, network, figures):
    with torch.inference_mode():
        flow = network(pair(70, 93))
    assert figures.error(f"{name}_70x93_flow2", flow) < TOLERANCE
    assert figures.error(f"{name}_70x93_bilinear", at_size(flow, 70, 93)) < TOLERANCE


@pytest.mark.parametrize(
    "layer", ["conv1", "conv3_1", "conv6_1", *(f"predict_flow{n}" for n in (6, 5, 4, 3)), "deconv2"]
)
def test_every_stage_is_the_original_one(name, features, figures, layer):
    assert figures.error(f"{name}_{layer}", features[layer]) < TOLERANCE


@pytest.mark.parametrize("key", ["conv4_1.0.weight", "deconv3.0.weight", "upsampled_flow6_to_5.weight", "conv2.1.bias"])
def test_a_missing_key_is_named(key):
    state = deterministic.state_dict(SMALL)
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("flownet", state)


def test_weights_of_flownetc_say_which_network_they_need():
    state = deterministic.state_dict({**SMALL, "conv_redir.0.weight": (32, 256, 1, 1)})
    with pytest.raises(BadWeights, match="FlowNetC"):
        from_state_dict("flownet", state)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 200), (64, 96), (127, 66)])
def test_pairs_of_a_batch_of_any_size_do_not_influence_each_other(height, width):
    network = from_state_dict("flownet", deterministic.state_dict(SMALL))
    pairs = torch.from_numpy(deterministic.uniform("batch", (3, 6, height, width), -0.5, 0.5))
    with torch.inference_mode():
        together = network(pairs)
        alone = torch.cat([network(each[None]) for each in pairs])
    assert together.shape == (3, 2, -(-height // 4), -(-width // 4))
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-4


def test_pictures_are_prepared_as_the_original_does(figures):
    picture = torch.from_numpy(figures["pre_in_u8"].transpose(2, 0, 1).astype(np.float32) / 255)[None]
    assert figures.error("pre_out", prepared(picture)[0]) < 1e-5


def flow(figures: Figures, name: str) -> Flow:
    return Flow(np.ascontiguousarray(figures[name].transpose(1, 2, 0)))


def test_classic_colours_are_the_original_ones_and_where_it_knows_nothing_white(figures):
    due = figures["flow2rgb_max10"].transpose(1, 2, 0)
    view = flow(figures, "flow_rgb_in").view(10, "classic")
    unknown = np.isnan(due)
    assert unknown[3:5, 4:9].all()
    assert unknown.sum() == 2 * 5 * 3
    np.testing.assert_allclose(view[~unknown], due[~unknown], atol=1e-6)
    assert (view[unknown] == 1).all()


def test_the_longest_way_sets_the_scale_of_classic_colours(figures):
    due = figures["flow2rgb_auto_of_nozero"].transpose(1, 2, 0)
    np.testing.assert_allclose(flow(figures, "flow_rgb_nozero_in").view(colors="classic"), due, atol=1e-6)


def test_the_mapping_is_that_of_2021(figures):
    np.testing.assert_allclose(flow(figures, "flow_rgb_in").to_mapping(), figures["flow_to_mapping"], atol=1e-5)
