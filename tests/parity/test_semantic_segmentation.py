"""Scene parsing against the original."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import semantic_segmentation as official
from figures import Figures, layers
from torch.nn import functional as F

from ml4a import segmentation
from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.semantic_segmentation import SceneParser

TOLERANCE = 1e-4
ENCODER_KEYS = "72975ddddb22654acffe368fdcc273c33c6f28bcd6e156b19d7a70c49da41055"
DECODER_KEYS = "2f028ee4a996e21819e69019d5b7256833c8697d06f2368cf8b20224241bbc7c"
"""The digests of the keys and shapes of the original's networks."""
UNUSED = ("_tmp_running_mean", "_tmp_running_var", "_running_iter", "num_batches_tracked")


def whole() -> dict[str, np.ndarray]:
    files = official.OFFICIAL["resnet50"].items()
    return official.joined({role: deterministic.state_dict(shapes) for role, shapes in files})


def small(builder: str = "build") -> dict[str, np.ndarray]:
    shapes = official.NETWORKS[f"semantic_segmentation:{builder}"]
    return {
        key: deterministic.weight(key.removeprefix("encoder.").removeprefix("decoder."), shape)
        for key, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("semantic_segmentation")


@pytest.fixture(scope="module")
def network() -> SceneParser:
    return from_state_dict("semantic_segmentation", whole())


@pytest.fixture(scope="module")
def features(network: SceneParser) -> dict[str, torch.Tensor]:
    """What every layer gives, and the probabilities."""
    return layers(network, torch.from_numpy(deterministic.uniform("semantic_segmentation", (1, 3, 64, 96), -2, 2)))


def test_the_keys_are_the_official_ones():
    assert checkpoints.digest(official.encoder()) == ENCODER_KEYS
    assert checkpoints.digest(official.decoder()) == DECODER_KEYS


def test_probabilities_are_the_original_ones(features, figures):
    assert figures.error("output", features[""]) < TOLERANCE
    # Nearly all probabilities are alike with these weights, so that the labels hang on the last digits.
    assert (features[""][0].argmax(0).numpy() == figures["argmax"]).mean() > 0.999


# Batch normalisation is folded into the convolution before it, which gives what the normalisation gave.
@pytest.mark.parametrize(
    ("figure", "layer"),
    [
        *((f"mid_layer{level}", f"encoder.layer{level}") for level in (1, 2, 3, 4)),
        ("mid_ppm6", "decoder.ppm.3"),
        ("logits", "decoder"),
    ],
)
def test_every_stage_is_the_original_one(features, figures, figure, layer):
    assert figures.error(figure, features[layer]) < TOLERANCE


def test_the_stem_is_the_original_one(features, figures):
    assert figures.error("mid_stem", F.max_pool2d(features["encoder.conv3"].relu(), 3, 2, 1)) < TOLERANCE


def test_the_decoder_of_training_is_filled_too(network, features, figures):
    with torch.inference_mode():
        decoder = network.decoder
        logits = decoder.conv_last_deepsup(decoder.cbr_deepsup(features["encoder.layer3"]))
    assert figures.error("logits_deepsup", logits) < TOLERANCE
    assert not any("deepsup" in name for name in features), "it was run"


def test_colours_are_the_original_ones(figures):
    shown = segmentation.from_array(figures["color_labels"], "ade20k").to_image()
    assert (figures["color_labels"] == -1).any()
    np.testing.assert_array_equal(np.asarray(shown), figures["color_image"])


@pytest.mark.parametrize("builder", ["build", "build_encoder", "build_decoder"])
def test_buffers_that_are_not_used_may_be_there_or_not(builder):
    state = small(builder)
    without = {key: array for key, array in state.items() if not key.endswith(UNUSED)}
    assert len(without) < len(state)
    kept = from_state_dict("semantic_segmentation", without).state_dict()
    found = from_state_dict("semantic_segmentation", state).state_dict()
    assert kept.keys() == found.keys()
    assert all(torch.equal(kept[key], found[key]) for key in kept)


def test_both_files_together_are_what_each_is_alone():
    encoder, decoder = (small(f"build_{part}") for part in ("encoder", "decoder"))
    together = from_state_dict("semantic_segmentation", official.joined({"encoder": encoder, "decoder": decoder}))
    first, second = (from_state_dict("semantic_segmentation", state) for state in (encoder, decoder))
    picture = torch.from_numpy(deterministic.uniform("alone", (1, 3, 40, 56), -2, 2))
    with torch.inference_mode():
        assert torch.equal(together.logits(picture), second(first(picture)))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (37, 61), (3, 200)])
@pytest.mark.parametrize("levels", [3, 4])
def test_averages_are_convolved_as_if_they_were_enlarged(size, levels):
    """The decoder's shortcut is what enlarging, joining and convolving give."""
    torch.manual_seed(0)
    pyramid = [2, 5, 3, 4][:levels]
    shapes = official.decoder(6, pyramid, 7, 9, ())
    decoder = from_state_dict("semantic_segmentation", deterministic.state_dict(shapes))
    x = torch.randn(2, 6, *size)
    with torch.inference_mode():
        enlarged = [F.interpolate(level(x), size, mode="bilinear", align_corners=False) for level in decoder.ppm]
        kernel = torch.cat([decoder.close.weight, *decoder.averaged], dim=1)
        mixed = F.conv2d(torch.cat([x, *enlarged], dim=1), kernel, decoder.close.bias, padding=1)
        due = decoder.conv_last(mixed)
        found = decoder(x)
    assert due.std() > 1e-2
    assert (found - due).abs().max() < 1e-5 * due.abs().max()


@pytest.mark.parametrize(
    "key",
    [
        "encoder.layer2.0.downsample.1.running_var",
        "encoder.conv3.weight",
        "decoder.ppm.2.2.bias",
        "decoder.conv_last.4.bias",
    ],
)
def test_a_missing_key_is_named(key):
    state = small()
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("semantic_segmentation", state)


def test_a_decoder_of_training_that_is_there_in_part_is_missed():
    state = small("build_decoder")
    del state["conv_last_deepsup.bias"]
    with pytest.raises(BadWeights, match=r"conv_last_deepsup\.bias"):
        from_state_dict("semantic_segmentation", state)


def test_a_pyramid_of_unknown_sides_is_refused():
    shapes = official.decoder(6, [2] * 5, 7, 9, ())
    with pytest.raises(BadWeights, match="pyramid of 5 levels"):
        from_state_dict("semantic_segmentation", deterministic.state_dict(shapes))


@pytest.mark.parametrize("size", [(64, 96), (33, 17), (1, 1), (9, 200)])
def test_pictures_of_a_batch_do_not_influence_each_other(size):
    network = from_state_dict("semantic_segmentation", small())
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, *size), -2, 2))
    with torch.inference_mode():
        together = network(pictures)
        alone = torch.cat([network(picture[None]) for picture in pictures])
    assert together.shape == (3, 7, *size)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert alone.std() > 1e-3
