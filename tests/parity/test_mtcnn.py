"""MTCNN's networks and its cascade against the original, with drawn weights and with the real ones."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import official_keys
import pytest
import torch
from figures import Figures

from ml4a import weights
from ml4a._core.errors import BadWeights
from ml4a.media import image
from ml4a.models import _mtcnn
from ml4a.networks import from_state_dict

TOLERANCE = 1e-4
OFFICIAL = {
    "pnet": official_keys.mtcnn("pnet", (10, 16, 32)),
    "rnet": official_keys.mtcnn("rnet", (28, 48, 64), 128),
    "onet": official_keys.mtcnn("onet", (32, 64, 64, 128), 256),
}
KEYS = {
    "pnet": "0456da6442842adb3dfaaadb0da67a89c49f5f253121f051fc1315b02051782e",
    "rnet": "a7e54061a7c6e26663efacfc8f940758e9376a430d9f2052df3d501050795034",
    "onet": "d7882cd7122f9f86de5b26f680c5dfe8ad474f2ac903e8de7048cbb32d875eba",
}
"""The digests of the keys and shapes of the original's networks."""
INPUTS = {"pnet": (1, 3, 37, 50), "rnet": (3, 3, 24, 24), "onet": (2, 3, 48, 48)}
SMALL = {
    "pnet": official_keys.mtcnn("pnet", (3, 5, 4)),
    "rnet": official_keys.mtcnn("rnet", (3, 5, 4), 7),
    "onet": official_keys.mtcnn("onet", (3, 5, 4, 6), 7),
}

names = pytest.mark.parametrize("name", OFFICIAL)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("face")


@pytest.fixture(scope="module")
def real():
    files = weights.fetch("face/mtcnn")
    return [from_state_dict("face", weights.read(files[role], "torch").arrays()) for role in OFFICIAL]


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return image.to_array(image.sample("astronaut"))


@names
def test_the_keys_are_the_official_ones(name):
    assert checkpoints.digest(OFFICIAL[name]) == KEYS[name]


@names
def test_a_network_gives_what_the_original_gives_in_its_order(name, figures):
    network = from_state_dict("face", deterministic.state_dict(OFFICIAL[name]))
    x = torch.from_numpy(deterministic.uniform(f"mtcnn_{name}", INPUTS[name], -1, 1))
    with torch.inference_mode():
        results = network(x)
    assert len(results) == (3 if name == "onet" else 2)
    for number, result in enumerate(results):
        assert figures.error(f"{name}_out{number}", result) < TOLERANCE


def test_the_real_weights_propose_what_the_originals_propose(real, astronaut, figures):
    crop = torch.from_numpy(astronaut[80:140, 180:260].transpose(2, 0, 1).copy())[None]
    with torch.inference_mode():
        moves, chances = real[0]((crop * 255 - 127.5) * 0.0078125)
    assert figures.error("mtcnn_real_pnet_reg", moves) < TOLERANCE
    assert figures.error("mtcnn_real_pnet_prob", chances[:, 1]) < TOLERANCE


def test_the_astronaut_is_where_the_original_finds_her(real, astronaut, figures):
    found = _mtcnn.find(astronaut, *real, smallest=20, threshold=0.7)
    assert len(found.boxes) == 1
    np.testing.assert_allclose(found.boxes, figures["mtcnn_real_boxes"][:, :4], atol=0.001)
    np.testing.assert_allclose(found.points, figures["mtcnn_real_points"], atol=0.001)
    np.testing.assert_allclose(found.scores, figures["mtcnn_real_boxes"][:, 4], atol=1e-6)


@pytest.mark.parametrize(
    ("network", "key"), [("pnet", "prelu2.weight"), ("rnet", "dense4.weight"), ("onet", "conv4.bias")]
)
def test_a_missing_and_an_unknown_key_are_named(network, key):
    state = deterministic.state_dict(SMALL[network])
    state["conv9.weight"] = state.pop(key)
    with pytest.raises(BadWeights) as caught:
        from_state_dict("face", state)
    assert key in str(caught.value)
    if key != "dense4.weight":  # from which a size is read
        assert "conv9.weight" in str(caught.value)


@names
def test_pictures_of_a_batch_do_not_influence_each_other(name):
    network = from_state_dict("face", deterministic.state_dict(SMALL[name]))
    x = torch.from_numpy(deterministic.uniform("batch", (3, *INPUTS[name][1:]), -1, 1))
    with torch.inference_mode():
        together = network(x)
        alone = [torch.cat(each) for each in zip(*(network(each[None]) for each in x), strict=True)]
    for whole, parts in zip(together, alone, strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-4)
        assert (parts[0] - parts[1]).abs().max() > 1e-3


def test_a_proposal_needs_no_more_than_twelve_pixels():
    network = from_state_dict("face", deterministic.state_dict(SMALL["pnet"]))
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 12, 12))[0].shape == (1, 4, 1, 1)
        assert network(torch.zeros(1, 3, 14, 40))[0].shape == (1, 4, 2, 15)
