"""Face parsing against the author's network and the pictures of the library of 2021."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import face_parsing as official
from figures import Figures, layers
from torch.nn import functional as F

from ml4a import segmentation
from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.bisenet import BiSeNet

TOLERANCE = 1e-4
KEYS = "cd6a0b3d78935c4c3ef1ccacece1b1babce6d12b20bdf67f055cb9a20067250c"
"""The digest of the keys and shapes of the author's network."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("face_parsing")


@pytest.fixture(scope="module")
def network() -> BiSeNet:
    return from_state_dict("face_parsing", deterministic.state_dict(official.shapes()))


@pytest.fixture(scope="module")
def features(network: BiSeNet) -> dict[str, torch.Tensor]:
    """What every layer gives, and the logits."""
    return layers(network, torch.from_numpy(deterministic.uniform("face_parsing", (1, 3, 128, 96), -2, 2)))


def test_the_keys_are_the_authors():
    assert checkpoints.digest(official.shapes()) == KEYS


def test_logits_are_the_authors(features, figures):
    assert figures.error("output", features[""]) < TOLERANCE
    assert (features[""][0].argmax(0).numpy() != figures["argmax"]).sum() <= 3


# Batch normalisation is folded into the convolution before it, which gives what the normalisation gave.
@pytest.mark.parametrize(
    ("figure", "layer"),
    [
        ("mid_layer2", "cp.resnet.layer2"),
        ("mid_layer4", "cp.resnet.layer4"),
        ("mid_conv_avg", "cp.conv_avg"),
        ("mid_ffm", "ffm"),
        ("mid_conv_out_logits", "conv_out"),
    ],
)
def test_every_stage_is_the_authors(features, figures, figure, layer):
    assert figures.error(figure, features[layer]) < TOLERANCE


@pytest.mark.parametrize(("size", "stage"), [("16", "layer3"), ("32", "layer4")])
def test_attention_is_the_authors(network, features, figures, size, stage):
    with torch.inference_mode():
        refined = network.cp.get_submodule(f"arm{size}")(features[f"cp.resnet.{stage}"])
    assert figures.error(f"mid_arm{size}", refined) < TOLERANCE


@pytest.mark.parametrize(("figure", "head", "given"), [("out16", "conv_out16", "16"), ("out32", "conv_out32", "32")])
def test_heads_of_training_are_filled_too(network, features, figures, figure, head, given):
    with torch.inference_mode():
        logits = network.get_submodule(head)(features[f"cp.conv_head{given}"])
        logits = F.interpolate(logits, (128, 96), mode="bilinear", align_corners=True)
    assert figures.error(figure, logits) < TOLERANCE
    assert head not in features, "it was run"


def test_colours_are_those_of_2021(figures):
    parsed = segmentation.from_array(figures["vis_labels"], "celebamask")
    np.testing.assert_array_equal(np.asarray(parsed.to_image()), figures["vis_plain"])


def test_an_overlay_is_that_of_2021_on_a_picture_whose_red_and_blue_are_not_exchanged(figures):
    parsed = segmentation.from_array(figures["vis_labels"], "celebamask")
    exchanged = np.ascontiguousarray(figures["vis_image"][:, :, ::-1])
    np.testing.assert_array_equal(np.rint(parsed.overlay(exchanged) * 255), figures["vis_overlay"])
    assert np.abs(np.rint(parsed.overlay(figures["vis_image"]) * 255) - figures["vis_overlay"]).max() > 20


def test_parts_are_those_of_2021(figures):
    parsed = segmentation.from_array(figures["vis_labels"], "celebamask")
    mask = parsed.mask(["skin", "hair"])(parsed.size)
    np.testing.assert_array_equal(np.repeat(mask * 255, 3, axis=2), figures["parts_skin_hair"])
    assert mask.any()


@pytest.mark.parametrize(
    "key", ["cp.resnet.layer3.0.downsample.1.running_var", "ffm.conv2.weight", "conv_out32.conv.bn.bias"]
)
def test_a_missing_key_is_named(key):
    state = deterministic.state_dict(official.NETWORKS["bisenet:build"])
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("face_parsing", state)


@pytest.mark.parametrize("size", [(64, 96), (33, 17), (1, 1), (9, 200)])
def test_pictures_of_a_batch_do_not_influence_each_other(size):
    network = from_state_dict("face_parsing", deterministic.state_dict(official.NETWORKS["bisenet:build"]))
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, *size), -2, 2))
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(picture[None]) for picture in pictures])
    assert together.shape == (3, 19, *size)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert alone.std() > 1e-3
