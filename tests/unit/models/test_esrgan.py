"""ESRGAN: the official sets, and the files that others have trained, of any factor, width and layout of keys."""

from __future__ import annotations

import checkpoints
import containers
import deterministic
import numpy as np
import official_keys as keys
import pytest
import safetensors.numpy
from checkpoints.esrgan import enlarging
from PIL import Image

import ml4a
from ml4a import image
from ml4a._core.errors import BadWeights
from ml4a.cli import main
from ml4a.media import provenance
from ml4a.models import registry

SIZES = {"features": 8, "growth": 4, "blocks": 2}


def error(result, picture: Image.Image) -> float:
    """How far a result, made small again, is from the picture: in grey levels."""
    small = np.asarray(result.resize(picture.size, Image.Resampling.BOX), np.float32)
    return float(np.abs(small - np.asarray(picture, np.float32)).mean())


@pytest.fixture(scope="module")
def eye() -> Image.Image:
    return image.sample("eye").crop((20, 20, 81, 67))


@pytest.fixture
def model(home, tmp_path):
    checkpoints.install("esrgan", "official", checkpoints.write("esrgan", "official", tmp_path, small=True))
    return ml4a.load("esrgan")


def test_the_default_is_the_networks_own_factor_and_is_recorded(model, eye):
    result = model(eye)
    assert result.size == (244, 188)
    assert error(result, eye) < 10
    record = provenance.record_of(result)
    assert (record.model, record.weights, record.parameters["scale"]) == ("esrgan", "official", 4.0)
    assert model(eye, scale=1.5).size == (92, 70)


def test_no_faster_type_is_used_unless_asked_for(model):
    assert str(model.dtype) == "torch.float32"
    assert str(ml4a.load("esrgan", dtype="bfloat16").dtype) == "torch.bfloat16"


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 2)])
def test_tiny_and_thin_pictures(model, size):
    picture = image.sample("rocket").resize(size)
    result = model(picture)
    assert result.size == (4 * size[0], 4 * size[1])
    assert error(result, picture) < 10


def test_a_seamless_texture_can_begin_anywhere(model, eye):
    texture = np.asarray(eye, np.float32)[:16, :20] / 255
    result = model(texture, seamless=True)
    shifted = model(np.roll(texture, (3, 5), (0, 1)), seamless=True)
    assert np.abs(shifted - np.roll(result, (12, 20), (0, 1))).max() <= 1 / 255
    assert np.abs(model(texture) - result).max() > 2 / 255


COMMUNITY = {
    "1x-denoise.pth": (keys.rrdbnet(**SIZES, given=48), 1),
    "2x.pth": (keys.rrdbnet(**SIZES, given=12), 2),
    "4x-old.pth": (keys.rrdbnet_old(**SIZES), 4),
    "1x-numbered.pth": (keys.rrdbnet_numbered(**SIZES, doublings=0), 1),
    "2x-numbered.pth": (keys.rrdbnet_numbered(**SIZES, doublings=1), 2),
    "4x-numbered.pth": (keys.rrdbnet_numbered(**SIZES), 4),
    "8x-numbered.pth": (keys.rrdbnet_numbered(6, 5, 1, doublings=3), 8),
    "3x-compact.pth": (keys.srvgg(8, 3, 3), 3),
}


@pytest.mark.parametrize("name", COMMUNITY)
def test_anybodys_network_is_taken(name, eye, tmp_path):
    shapes, factor = COMMUNITY[name]
    state = enlarging(deterministic.state_dict(shapes))
    containers.save_torch(tmp_path / name, containers.tensors(state))
    model = ml4a.load("esrgan", weights=tmp_path / name)
    small = eye.crop((0, 0, 19, 13))
    result = model(small)
    assert result.size == (19 * factor, 13 * factor)
    assert provenance.record_of(result).weights == name
    assert error(result, small) < 25


def test_the_command_line_takes_a_file(eye, tmp_path, capsys):
    state = enlarging(deterministic.state_dict(keys.rrdbnet_old(**SIZES)))
    safetensors.numpy.save_file(state, tmp_path / "4x-Toy.safetensors")
    eye.save(tmp_path / "eye.png")
    file, out = tmp_path / "4x-Toy.safetensors", tmp_path / "out.png"
    assert (
        main(["upscale", str(tmp_path / "eye.png"), "--model", "esrgan", "--weights", str(file), "-o", str(out)]) == 0
    )
    assert "out.png" in capsys.readouterr().out
    with Image.open(out) as result:
        assert result.size == (244, 188)
        assert error(result, eye) < 10


def test_networks_for_other_pictures_are_refused(tmp_path):
    shapes = keys.rrdbnet(**SIZES, given=1, made=1)
    path = containers.save_torch(tmp_path / "grey.pth", containers.tensors(deterministic.state_dict(shapes)))
    with pytest.raises(BadWeights, match=r"grey\.pth: this network is for pictures of other channels.*: 1"):
        ml4a.load("esrgan", path)
    shapes = keys.rrdbnet_numbered(**SIZES, doublings=1) | {"model.0.weight": (8, 48, 3, 3)}
    path = containers.save_torch(tmp_path / "half.pth", containers.tensors(deterministic.state_dict(shapes)))
    with pytest.raises(BadWeights, match=r"half\.pth: this network makes pictures smaller"):
        ml4a.load("esrgan", path)


def test_it_is_the_second_model_that_upscales():
    assert [verb.model for verb in registry.verbs()["upscale"]] == ["real_esrgan", "esrgan"]
