"""Cartoons as users call for them; with small weights, since how they are drawn is the network's own affair."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import cartoonization as official
from PIL import Image

from ml4a import image
from ml4a._core.errors import BadValue
from ml4a.models.cartoonization import LARGEST_SHORT_SIDE
from ml4a.networks import from_state_dict


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return checkpoints.load("cartoonization", tmp_path_factory.mktemp("cartoonization"))


@pytest.fixture(scope="module")
def network():
    return from_state_dict("cartoonization", deterministic.state_dict(official.NETWORKS["cartoonization:build"]))


@pytest.fixture
def photo():
    return image.sample("astronaut").crop((150, 20, 290, 140))


def pixels(picture) -> np.ndarray:
    return np.asarray(picture, np.float32) / 255


def as_original(network, array: np.ndarray) -> np.ndarray:
    """What the original's few lines do with an H×W×3 picture in [0, 1]."""
    bgr = torch.from_numpy(np.ascontiguousarray(array[:, :, ::-1].transpose(2, 0, 1)))[None] * 2 - 1
    with torch.inference_mode():
        return (network(bgr)[0].numpy().transpose(1, 2, 0)[:, :, ::-1] + 1) / 2


def detail(picture: np.ndarray) -> float:
    """How much neighbours differ."""
    return float(np.abs(np.diff(picture, axis=0)).mean() + np.abs(np.diff(picture, axis=1)).mean())


def test_the_default_is_the_originals_picture(model, network, photo):
    array = pixels(photo)
    due = as_original(network, array).clip(0, 1)
    assert np.abs(model(array) - due).max() < 1e-5
    assert np.abs(due - array).mean() > 0.05


def test_the_network_is_shown_blue_first(model, network, photo):
    array = pixels(photo)
    swapped = as_original(network, array[:, :, ::-1])[:, :, ::-1].clip(0, 1)
    assert np.abs(model(array) - swapped).mean() > 0.01


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (2, 3), (5, 4), (33, 50), (34, 51), (35, 49)])
def test_pictures_of_any_size_keep_it(model, photo, size):
    result = model(pixels(photo.resize(size)))
    assert result.shape == (size[1], size[0], 3)
    assert np.isfinite(result).all()
    if min(size) > 30:
        assert result.std() > 0.05


def test_an_odd_size_is_neither_cropped_nor_stretched(model, photo):
    array = pixels(photo)
    whole, part = model(array), model(array[:117, :135])
    # Near the border the picture goes on otherwise; everywhere else it is the same.
    assert np.abs(part[: 117 - 68, : 135 - 68] - whole[: 117 - 68, : 135 - 68]).max() < 1e-5
    assert np.abs(part - whole[:117, :135]).mean() < 0.02


def test_texture_says_how_much_of_the_photograph_stays(model):
    fur = pixels(image.sample("chelsea").crop((120, 80, 280, 200)))
    results = [model(fur, texture=texture) for texture in (0, 0.25, 0.5, 0.75, 1)]
    roughness = [detail(result) for result in results]
    assert roughness == sorted(roughness)
    assert roughness[-1] > 1.2 * roughness[0]
    assert np.array_equal(results[2], model(fur))


def test_texture_is_the_filters_eps(model, network, photo):
    array = pixels(photo)
    bgr = torch.from_numpy(array[:, :, ::-1].transpose(2, 0, 1).copy())[None] * 2 - 1
    for texture, eps in ((0.0, 0.5), (0.5, 5e-3), (1.0, 5e-5)):
        with torch.inference_mode():
            due = (network(bgr, eps)[0].numpy().transpose(1, 2, 0)[:, :, ::-1] + 1) / 2
        assert np.abs(model(array, texture=texture) - due.clip(0, 1)).max() < 1e-4


@pytest.mark.parametrize("size", [60, 33, 200])
def test_at_another_working_size_the_result_has_the_photographs(model, photo, size):
    assert np.array_equal(pixels(model(photo, size=photo.height)), pixels(model(photo)))
    result = model(photo, size=size)
    assert result.size == photo.size
    assert np.abs(pixels(result) - pixels(model(photo))).mean() > 0.005


def test_edges_of_a_large_photograph_stay_sharp(model):
    """As the lines of the guided filter are enlarged, and not the picture."""
    photo = image.sample("coffee").crop((100, 50, 420, 290))
    array = pixels(photo)
    small = image.resize(array, (80, 60), "area")
    enlarged = image.resize(model(small), (320, 240), "bicubic")
    result = model(array, size=60, texture=1.0)
    assert detail(result) > 1.3 * detail(enlarged)
    # Seen from afar, they are the same.
    shrunk = image.resize(result, (80, 60), "area")
    assert np.abs(shrunk - model(small, texture=1.0)).mean() < 0.02


def test_larger_photographs_are_looked_at_as_the_original_did(model, monkeypatch):
    seen = []
    lines = model.network.lines
    monkeypatch.setattr(model.network, "lines", lambda x, eps: seen.append(x.shape[2:]) or lines(x, eps))
    for width, height in ((1080, 810), (800, 1600), (731, 720), (300, 720)):
        result = model(np.full((height, width, 3), 0.5, np.float32))
        assert result.shape == (height, width, 3)
    assert seen == [(720, 960), (1440, 720), (720, 732), (720, 300)]
    assert LARGEST_SHORT_SIDE == 720


def test_tiles_leave_no_seams(model):
    array = pixels(image.sample("chelsea").crop((40, 20, 440, 100)))
    whole = model(array)
    assert np.abs(model(array, tile=96) - whole).max() * 255 < 0.01
    assert model.last_record.parameters["tile"] == 96
    with pytest.raises(BadValue, match="multiples of 4"):
        model(array, tile=97)


def test_transparency_is_kept_and_colours_are_the_opaque_pictures(model, photo):
    clear = photo.copy()
    clear.putalpha(Image.linear_gradient("L").resize(photo.size))
    result = model(clear, size=60)
    assert result.getchannel("A").tobytes() == clear.getchannel("A").tobytes()
    assert result.convert("RGB").tobytes() == model(photo, size=60).tobytes()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "1"])
def test_other_modes_are_drawn_as_the_rgb_that_they_are(model, photo, mode, tmp_path):
    other = photo.convert(mode)
    result = model(other)
    due = model(image.to_array(other)[:, :, :3])
    assert np.abs(pixels(result.convert("RGB")) - due).max() <= 0.51 / 255
    assert (result.mode == "RGBA") == (mode == "LA")


def test_sixteen_bits_are_not_squeezed_into_eight(model, photo):
    fine = (pixels(photo) * 65535).astype(np.uint16) + 100
    result = model(fine)
    assert np.abs(result - model(pixels(photo))).max() < 0.05
    assert not np.array_equal(result, model((fine >> 8).astype(np.uint8)))


def test_black_and_white_are_no_trouble(model):
    for value in (0.0, 1.0):
        for texture in (0.0, 1.0):
            assert np.isfinite(model(np.full((40, 44, 3), value, np.float32), texture=texture)).all()


@pytest.mark.parametrize(("name", "value"), [("texture", 1.1), ("texture", -0.1), ("size", 8), ("tile", 8)])
def test_what_is_out_of_bounds_is_refused_by_name(model, photo, name, value):
    with pytest.raises(BadValue, match=name):
        model(photo, **{name: value})
