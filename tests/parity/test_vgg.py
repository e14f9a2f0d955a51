"""VGG against the two programs of style transfer that look into it."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import neural_style
from checkpoints import style_transfer as official
from figures import Figures
from torch.nn import functional as F

from ml4a._core.errors import BadValue
from ml4a.networks import from_state_dict
from ml4a.networks.vgg import CAFFE, LAYERS, POOLINGS, VGG, CaffeVGG

TOLERANCE = 1e-4
KEYS = {
    "vgg19_features": (official.features(), "e5d310bf891ff89359864ece3a6ed9a701c8d5b829682d75721dcf7070cf1193"),
    "classifier": (
        official.classifier(0, 3, 6),
        "9c28867927b81b2365ac8e5e320ee63409ddc95078461ac5be2b3761cb7134e6",
    ),
    "vgg16_features": (
        official.features(official.VGG16),
        "51af04ed6d198c51973cb7bb5724956e3de152311e48e3dd44f7c404c41fc893",
    ),
    "nin_imagenet": (
        neural_style.network_in_network(),
        "31c3bdf9812e842ec434cc46e0c7c47a1e0055c3d329f239703f33fd82a0566a",
    ),
}
INDICES = {1: "relu1_1", 6: "relu2_1", 11: "relu3_1", 20: "relu4_1", 22: "relu4_2", 29: "relu5_1"}
"""As torchvision counts layers, and the original with it."""


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("style_transfer")


@pytest.fixture(scope="module")
def neural_figures() -> Figures:
    return Figures("neural_style")


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    return deterministic.state_dict(official.features())


@pytest.fixture(scope="module")
def network(state) -> VGG:
    return from_state_dict("style_transfer", state)


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("style_transfer", (1, 3, 48, 64)))


@pytest.fixture(scope="module")
def features(network, picture) -> dict[str, dict[str, torch.Tensor]]:
    """What the layers make of the picture, by pooling."""
    with torch.inference_mode():
        return {pooling: network.variant(pooling=pooling)(picture) for pooling in ("max", "average", "l2")}


@pytest.fixture(scope="module")
def caffe(state) -> CaffeVGG:
    """With the gain of the figures, without which little would be left of the picture in the deepest layers."""
    gain = np.float32(np.sqrt(2))
    return from_state_dict(
        "neural_style", {key: array * gain if array.ndim == 4 else array for key, array in state.items()}
    )


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_are_the_official_ones(name):
    shapes, digest = KEYS[name]
    assert checkpoints.digest(shapes) == digest


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_every_layer_is_the_original_one(features, figures, network, pooling, index):
    assert network.name_of_index(index) == INDICES[index]
    assert figures.error(f"feat_{pooling}_{index}", features[pooling][INDICES[index]]) < TOLERANCE


def test_all_of_torchvision_s_indices_have_a_name(network):
    assert [network.name_of_index(index) for index in (0, 4, 9, 18, 27, 35)] == [
        *("conv1_1", "pool1", "pool2", "pool3", "pool4", "relu5_4")
    ]
    for index in (-1, 36):
        with pytest.raises(BadValue, match=f"from 0 to 35, so that there is no {index}"):
            network.name_of_index(index)


def test_edges_are_repeated_as_in_the_original(network, picture, figures):
    with torch.inference_mode():
        zeros = network.variant(edges="zeros")(picture, ["relu1_1"])["relu1_1"]
        again = network.variant(edges="zeros").variant(edges="replicate")(picture, ["relu1_1"])["relu1_1"]
    assert figures.error("feat_max_1", zeros) > 0.1
    assert figures.error("feat_max_1", again) < TOLERANCE


def test_the_content_s_gradient_is_the_original_one(network, picture, figures):
    target = torch.from_numpy(deterministic.uniform("style_transfer_target", (1, 3, 48, 64)))
    x = picture.clone().requires_grad_()
    away = network.features(x, ["relu4_2"])["relu4_2"] - network.features(target, ["relu4_2"])["relu4_2"]
    loss = away.square().sum() / (away.abs().sum() + 1e-8)
    (gradient,) = torch.autograd.grad(loss, x)
    assert loss.item() == pytest.approx(figures["loss_content_scaled_22"], rel=TOLERANCE)
    assert away.square().mean().item() == pytest.approx(figures["loss_content_mse_22"], rel=TOLERANCE)
    assert figures.error("grad_content_scaled_22", gradient) < TOLERANCE


def test_pictures_are_prepared_as_for_caffe(neural_figures):
    assert neural_figures.error("preprocess_start", CAFFE(start(neural_figures))) < 1e-6


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_behind_blurred_poolings_is_the_original_one(caffe, neural_figures, layer):
    x = CAFFE(start(neural_figures))
    with torch.inference_mode():
        found = caffe.variant(pooling="blurred")(x, [layer])[layer]
    assert neural_figures.error(f"feat_blurpool_{layer}", found) < TOLERANCE


def test_features_of_rgb_are_those_of_what_the_original_prepares(caffe, neural_figures):
    picture = start(neural_figures)
    with torch.inference_mode():
        due = caffe(CAFFE(picture), ["relu2_1"])["relu2_1"]
        assert torch.equal(caffe.features(picture, ["relu2_1"])["relu2_1"], due)


def test_a_blurred_pooling_is_the_original_one(neural_figures):
    x = torch.from_numpy(neural_figures["blurpool_in"])
    assert neural_figures.error("blurpool_out", POOLINGS["blurred"](x, False)) < 1e-5


@pytest.mark.parametrize("size", [(4, 4), (5, 8), (7, 9), (12, 5)])
def test_a_blurred_pooling_is_the_original_s_convolution_and_maxima(neural_figures, size):
    x = torch.from_numpy(deterministic.uniform("blur", (2, 3, *size), -1, 1))
    kernel = torch.from_numpy(neural_figures["blur_kernel"]).expand(3, 1, 6, 6)
    due = F.max_pool2d(F.conv2d(F.pad(x, (3, 2, 3, 2), mode="reflect"), kernel, groups=3), 2)
    torch.testing.assert_close(POOLINGS["blurred"](x, False), due, rtol=0, atol=1e-6)


def start(figures: Figures) -> torch.Tensor:
    return torch.from_numpy(figures["img_start_u8"]).permute(2, 0, 1)[None] / 255
