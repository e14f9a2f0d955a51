"""The distance between pictures as they look, with the weights that the package index has."""

from __future__ import annotations

import checkpoints
import cv2
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import lpips

from ml4a import image, weights
from ml4a._core.errors import UnknownName
from ml4a.models import _perceptual

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def distance():
    return _perceptual.load(CPU)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """64×64×3 in [0, 1]."""
    return image.resize(image.to_array(image.load("sample:astronaut"))[:400, 60:460], (64, 64)).clip(0, 1)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.clip(0, 1).astype(np.float32).transpose(2, 0, 1) * 255)[None]


def test_without_the_official_trunk_hed_s_is_taken(distance):
    assert distance.name == "vgg16_hed"


def test_the_more_a_photograph_is_spoilt_the_farther_it_is(distance, photograph):
    noise = np.random.default_rng(0).standard_normal(photograph.shape)
    spoilt = {
        "blurred": [cv2.GaussianBlur(photograph, (0, 0), sigma) for sigma in (0.5, 1, 2, 4)],
        "noisy": [photograph + share * noise for share in (0.01, 0.03, 0.1, 0.3)],
        "shifted": [np.roll(photograph, pixels, axis=1) for pixels in (1, 2, 4, 8)],
        "darker": [photograph * share for share in (0.9, 0.7, 0.5, 0.2)],
    }
    batch = torch.cat([tensor(each) for row in spoilt.values() for each in row])
    with torch.inference_mode():
        found = distance.network(batch, tensor(photograph).expand_as(batch)).reshape(4, 4).numpy()
    assert (np.diff(found, axis=1) > 0).all(), dict(zip(spoilt, found, strict=True))
    assert found.min() > 0
    assert found.max() < 1


def test_the_official_trunk_is_taken_once_it_is_here(home, tmp_path):
    for role, shapes in (("trunk", lpips.trunk((4, 5, 6, 7, 8))), ("linear", lpips.linear((4, 5, 6, 7, 8)))):
        lpips.save(role, tmp_path / f"{role}.pth", deterministic.state_dict(shapes))
    checkpoints.install("lpips", "vgg16_hed", {})
    checkpoints.install("lpips", "vgg16", {role: tmp_path / f"{role}.pth" for role in ("trunk", "linear")})
    assert weights.card("lpips").variant("default").name == "vgg16_hed"
    assert weights.fetch("lpips/vgg16").keys() == {"trunk", "linear"}
    found = _perceptual.load(CPU)
    assert found.name == "vgg16"
    assert found.network.lin[0].weight.shape == (1, 4, 1, 1)


@pytest.mark.slow
def test_its_faster_form_is_as_good(distance, photograph):
    faster = _perceptual.load(CPU, float("inf"))
    photograph = image.resize(photograph, (96, 96))  # of smaller ones the layers of many channels have too few tiles
    a, b = tensor(photograph), tensor(cv2.GaussianBlur(photograph, (0, 0), 1))
    with torch.inference_mode():
        torch.testing.assert_close(faster.network(a, b), distance.network(a, b), rtol=1e-3, atol=0)
    assert any(type(part).__name__ == "WinogradConv2d" for part in faster.network.modules())


def test_there_are_no_other_weights():
    with pytest.raises(UnknownName, match="vgg16"):
        _perceptual.load(CPU, name="vgg15")
