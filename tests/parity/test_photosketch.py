"""Photo-Sketching against the original."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import photosketch as official
from figures import Figures, layers

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.photosketch import PhotoSketch
from ml4a.networks.state_dict import bare

TOLERANCE = 1e-4
KEYS = "f2040c434ec677602db92dfb86367cbfa64d24e9f3b0a28a5f768bb47aff9ac6"
"""The digest of the keys and shapes of the original's network."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("photosketch")


@pytest.fixture(scope="module")
def network() -> PhotoSketch:
    return from_state_dict("photosketch", deterministic.state_dict(official.shapes()))


@pytest.fixture(scope="module")
def features(network: PhotoSketch) -> dict[str, torch.Tensor]:
    """What every layer gives, and the drawing."""
    return layers(network, torch.from_numpy(deterministic.uniform("photosketch", (1, 3, 128, 128), -1, 1)))


@pytest.fixture(scope="module")
def small() -> PhotoSketch:
    return from_state_dict("photosketch", deterministic.state_dict(official.NETWORKS["photosketch:build"]))


def test_the_keys_are_the_official_ones():
    assert checkpoints.digest(official.shapes()) == KEYS


def test_what_the_keys_begin_with_is_part_of_them():
    tensors, taken_off = bare(deterministic.state_dict(official.NETWORKS["photosketch:build"]))
    assert taken_off == ""
    assert all(key.startswith("model.") for key in tensors)


def test_the_drawing_is_the_original_one(features, figures):
    assert figures.error("output", features[""]) < TOLERANCE


# Each is the figure behind the ReLU, which stands in the normalisation here.
@pytest.mark.parametrize(
    ("figure", "layer"),
    [("stem", "2"), ("down", "8"), ("block0", "10"), ("block8", "18"), ("up", "23"), ("pre_tanh", "26")],
)
def test_every_stage_is_the_original_one(features, figures, figure, layer):
    assert figures.error(f"mid_train_{figure}", features[f"model.{layer}"]) < TOLERANCE


def test_the_statistics_of_training_would_draw_something_else(features, figures):
    """By those the original's authors do not draw; the figure is there to tell the two apart."""
    assert figures.error("output_eval", features[""]) > 1


def test_a_file_without_counters_gives_the_same_network():
    state = deterministic.state_dict(official.NETWORKS["photosketch:build"])
    old = {key: array for key, array in state.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    due = from_state_dict("photosketch", state).state_dict()
    for key, tensor in from_state_dict("photosketch", old).state_dict().items():
        assert torch.equal(tensor, due[key])


@pytest.mark.parametrize(
    "key", ["model.11.conv_block.6.weight", "model.5.running_var", "model.19.bias", "model.15.weight"]
)
def test_a_missing_key_is_named(key):
    state = deterministic.state_dict(official.NETWORKS["photosketch:build"])
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("photosketch", state)


def test_a_network_that_paints_in_colour_is_refused():
    shapes = official.NETWORKS["photosketch:build"] | {"model.19.weight": (3, 4, 7, 7), "model.19.bias": (3,)}
    with pytest.raises(BadWeights, match=r"model\.19\.weight.*misshaped"):
        from_state_dict("photosketch", deterministic.state_dict(shapes))


def test_pictures_of_a_batch_do_not_influence_each_other(small):
    pictures = torch.from_numpy(deterministic.uniform("batch", (3, 3, 64, 96), -1, 1))
    pictures[1] *= 0.1
    with torch.inference_mode():
        together = small(pictures)
        alone = torch.cat([small(picture[None]) for picture in pictures])
    assert together.shape == (3, 1, 64, 96)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert alone.std() > 1e-3


@pytest.mark.parametrize("size", [(8, 8), (12, 60), (44, 16)])
def test_any_multiple_of_four_will_do(small, size):
    picture = torch.from_numpy(deterministic.uniform("size", (1, 3, *size), -1, 1))
    with torch.inference_mode():
        drawing = small(picture)
    assert drawing.shape == (1, 1, *size)
    assert drawing.abs().max() <= 1
    assert drawing.std() > 1e-3


def test_what_goes_in_is_left_as_it_was(small):
    picture = torch.from_numpy(deterministic.uniform("pure", (1, 3, 16, 16), -1, 1))
    before = picture.clone()
    with torch.inference_mode():
        first = small(picture)
        assert torch.equal(small(picture), first)
    assert torch.equal(picture, before)
