"""PIL images, arrays and tensors: what goes in comes out, and nothing is lost on the way."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from picture_files import exif, scene, stored
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image


def tensor_of(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.transpose(2, 0, 1).astype(np.float32) / 255)


def test_each_kind_is_recognised():
    assert image.kind_of("photo.jpg") == "pil"
    assert image.kind_of(Image.new("L", (2, 2))) == "pil"
    assert image.kind_of(scene(3, 2)) == "array"
    assert image.kind_of(torch.zeros(3, 2, 2)) == "tensor"
    with pytest.raises(BadValue, match="not int"):
        image.kind_of(7)


def test_pictures_need_no_torch():
    script = "import sys; from ml4a.media import image; import numpy as np; image.kind_of(np.ones((2, 2, 3)))"
    check = f"{script}; image.resize(np.ones((2, 2, 3)), 4); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_every_type_of_array_becomes_unit_floats():
    levels = scene(9, 7)
    expected = levels.astype(np.float32) / np.float32(255)
    for array in (levels, levels.astype(np.uint16) * 257, expected, expected.astype(np.float64)):
        result = image.to_array(array)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, atol=1e-7)
    np.testing.assert_array_equal(image.to_array(levels[:, :, 0] > 128)[:, :, 1], levels[:, :, 0] > 128)
    np.testing.assert_allclose(image.to_array(expected.astype(np.float16)), expected, atol=1e-3)


def test_grey_becomes_three_channels_and_grey_with_alpha_four():
    grey = scene(9, 7)[:, :, 0]
    for array in (grey, grey[:, :, None]):
        np.testing.assert_array_equal(image.to_array(array), image.to_array(grey[:, :, None].repeat(3, axis=2)))
        assert image.to_picture(array).mode == "RGB"
    with_alpha = scene(9, 7, 4)[:, :, 2:]
    assert image.to_array(with_alpha).shape == (7, 9, 4)
    np.testing.assert_array_equal(np.asarray(image.to_picture(with_alpha)), with_alpha[:, :, [0, 0, 0, 1]])


def test_tensors_are_taken_from_any_type_device_and_graph():
    expected = image.to_array(scene(9, 7))
    tensor = tensor_of(scene(9, 7))
    for given in (
        tensor,
        tensor.double(),
        tensor.clone().requires_grad_(),
        torch.from_numpy(scene(9, 7)).permute(2, 0, 1),
    ):
        np.testing.assert_allclose(image.to_array(given), expected, atol=1e-7)
    assert image.to_array(tensor[:1]).shape == (7, 9, 3)
    np.testing.assert_allclose(image.to_array(tensor.bfloat16()), expected, atol=1 / 128)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((3, 8, 9)), "not 3×8×9"),
        (np.zeros((2, 8, 9, 3)), "not 2×8×9×3"),
        (np.zeros((0, 4, 3)), "not 0×4×3"),
        (np.zeros(5), "not 5"),
        (np.zeros((4, 4, 3), np.int64), "not int64"),
        (np.full((4, 4, 3), 255.0), "reach from 255 to 255"),
        (np.full((4, 4, 3), np.nan), "reach from nan"),
        (torch.zeros(2, 3, 4, 4), r"tensor\[0\]"),
        (torch.zeros(4, 4, 3) - 1, "not 4×4×3|reach from -1"),
        (Image.new("F", (2, 2)), "mode F has no agreed range"),
        (Image.new("I", (2, 2)), "mode I has no agreed range"),
    ],
)
def test_what_is_no_picture_is_named(wrong, words):
    with pytest.raises(BadValue, match=words):
        image.to_array(wrong)


def test_floats_just_outside_are_clipped_and_rounded_to_the_nearest_level():
    array = np.array([[[-0.1, 1.2, 0.5], [127.4 / 255, 127.6 / 255, 1.0]]])
    np.testing.assert_array_equal(np.asarray(image.to_picture(array)), [[[0, 255, 128], [127, 128, 255]]])


@pytest.mark.parametrize("channels", [3, 4])
def test_a_hundred_round_trips_drift_by_nothing(channels):
    picture = Image.fromarray(scene(40, 30, channels))
    floats = np.random.default_rng(0).random((30, 40, channels), np.float32)
    current, deep = picture, floats
    for _ in range(100):
        tensor = image.as_kind(image.to_array(current), "tensor")
        current = image.to_picture(image.as_kind(image.to_array(tensor), "array"))
        deep = image.to_array(image.resize(image.as_kind(image.to_array(deep), "tensor"), (40, 30)))
    np.testing.assert_array_equal(np.asarray(current), np.asarray(picture))
    np.testing.assert_array_equal(deep, floats)


def test_as_kind_gives_each_kind():
    array = image.to_array(scene(9, 7))
    assert image.as_kind(array, "array") is array
    assert image.as_kind(array, "pil").size == (9, 7)
    tensor = image.as_kind(array, "tensor")
    assert (tuple(tensor.shape), tensor.dtype) == ((3, 7, 9), torch.float32)


def test_an_image_fresh_from_pillow_is_turned_upright_and_one_turned_by_hand_is_not(tmp_path):
    upright = scene(13, 9)
    path = tmp_path / "photo.png"
    Image.fromarray(stored(upright, 6)).save(path, exif=exif(6))
    with Image.open(path) as opened:
        np.testing.assert_array_equal(np.asarray(image.to_picture(opened)), upright)
        by_hand = opened.rotate(-90, expand=True)
    np.testing.assert_array_equal(np.asarray(image.to_picture(by_hand)), upright)
    assert image.size(by_hand) == (13, 9)


def test_the_modes_of_pil_images_become_rgb_or_rgba():
    opaque = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I;16")
    modes = {**dict.fromkeys(opaque, "RGB"), **dict.fromkeys(("LA", "La", "RGBA", "RGBa"), "RGBA")}
    for mode, expected in modes.items():
        assert image.to_picture(Image.new(mode, (3, 2))).mode == expected, mode
    lab = Image.merge("LAB", [Image.new("L", (2, 2), level) for level in (255, 128, 128)])
    np.testing.assert_allclose(np.asarray(image.to_picture(lab)), 255, atol=2)
    grey = Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    assert np.asarray(image.to_picture(grey))[0, :, 0].tolist() == [0, 128, 255]


def test_what_is_in_memory_is_taken_as_it_is_and_what_is_named_is_read(tmp_path):
    array = np.zeros((3, 4, 3), np.float32)
    assert image.loaded(array) is array
    image.save(array, tmp_path / "black.png")
    assert image.loaded(tmp_path / "black.png").size == (4, 3)
