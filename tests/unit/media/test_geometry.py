"""Sizes, resizing and cropping keep the kind of picture and do not go through 8 bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from picture_files import scene
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image


def of_each_kind(array: np.ndarray) -> dict[str, object]:
    return {
        "pil": Image.fromarray(array),
        "array": array.astype(np.float32) / 255,
        "tensor": torch.from_numpy(array.transpose(2, 0, 1).astype(np.float32) / 255),
    }


@pytest.mark.parametrize("kind", ["pil", "array", "tensor"])
@pytest.mark.parametrize("channels", [3, 4])
def test_resizing_and_cropping_keep_the_kind_and_agree(kind, channels):
    array = scene(40, 30, channels)
    given = of_each_kind(array)[kind]
    assert image.size(given) == (40, 30)
    assert image.aspect_ratio(given) == pytest.approx(4 / 3)
    for change in (lambda p: image.resize(p, (23, 19)), lambda p: image.crop_to_aspect_ratio(p, 0.5)):
        result = change(given)
        assert image.kind_of(result) == kind
        difference = np.abs(image.to_array(result) - image.to_array(change(Image.fromarray(array))))
        assert difference[image.to_array(result)[:, :, -1] > 0.4].max() <= 3 / 255


def test_a_path_gives_a_pil_image(tmp_path):
    path = image.save(scene(40, 30), tmp_path / "photo.png")
    assert image.size(str(path)) == (40, 30)
    assert image.resize(path, 15).size == (20, 15)
    assert image.crop_to_aspect_ratio(path, 1).size == (30, 30)


def test_auto_is_bicubic_where_the_area_grows_and_lanczos_where_it_shrinks():
    picture = Image.fromarray(scene(60, 40))
    sizes = {(120, 80): "bicubic", (30, 20): "lanczos", (40, 60): "bicubic", (80, 30): "bicubic", (79, 30): "lanczos"}
    for size, expected in sizes.items():
        other = "lanczos" if expected == "bicubic" else "bicubic"
        automatic = np.asarray(image.resize(picture, size))
        np.testing.assert_array_equal(automatic, np.asarray(image.resize(picture, size, expected)))
        assert (automatic != np.asarray(image.resize(picture, size, other))).any()


@pytest.mark.parametrize(
    ("name", "filter"),
    [("nearest", 0), ("lanczos", 1), ("bilinear", 2), ("bicubic", 3), ("area", 4)],
)
def test_filters_are_pillows(name, filter):
    picture = Image.fromarray(scene(60, 40))
    np.testing.assert_array_equal(
        np.asarray(image.resize(picture, (37, 29), name)), np.asarray(picture.resize((37, 29), filter))
    )
    with pytest.raises(BadValue, match="filter must be one of auto, nearest"):
        image.resize(picture, 20, "sinc")


def test_a_float_ramp_keeps_more_than_256_levels():
    ramp = np.linspace(0, 1, 4096, dtype=np.float32).reshape(1, -1).repeat(8, axis=0)
    halved = image.resize(ramp, (2048, 8))
    assert halved.shape == (8, 2048)
    assert len(np.unique(halved[0])) > 2000
    assert image.resize(ramp[:, :, None], (2048, 8)).shape == (8, 2048, 1)


def test_shrinking_is_anti_aliased():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (64, 32))
    assert image.resize(stripes, 16)[4:-4, 4:-4].std() < 0.05


@pytest.mark.parametrize("kind", ["pil", "array", "tensor"])
def test_the_colour_of_transparent_pixels_does_not_bleed(kind):
    array = np.zeros((32, 32, 4), np.uint8)
    array[:, :16] = (255, 0, 0, 255)
    array[:, 16:] = (0, 255, 0, 0)
    result = image.to_array(image.resize(of_each_kind(array)[kind], (13, 13)))
    seen = result[:, :, 3] > 0.05
    assert result[seen][:, 1].max() < 0.06
    assert result[:, :, 3].min() == 0


def test_resizing_to_the_same_size_gives_an_equal_copy():
    for given in of_each_kind(scene(20, 10)).values():
        result = image.resize(given, 10)
        np.testing.assert_array_equal(image.to_array(result), image.to_array(given))
        assert result is not given


def test_the_middle_is_cropped_pixel_by_pixel():
    table = [(60, 40, 1.0, (10, 0, 50, 40)), (60, 40, 0.3, (24, 0, 36, 40)), (60, 40, 1.5, (0, 0, 60, 40)),
             (60, 40, 3.0, (0, 10, 60, 30)), (61, 41, 1.0, (10, 0, 51, 41)), (7, 50, 2.0, (0, 23, 7, 26))]  # fmt: skip
    for width, height, ratio, (left, top, right, bottom) in table:
        array = scene(width, height)
        result = np.asarray(image.crop_to_aspect_ratio(Image.fromarray(array), ratio))
        np.testing.assert_array_equal(result, array[top:bottom, left:right])
    assert image.crop_to_aspect_ratio(scene(50, 4), 0.001).shape == (4, 1, 3)
    for wrong in (0, -1, float("nan"), float("inf"), "wide"):
        with pytest.raises(BadValue, match="aspect ratio"):
            image.crop_to_aspect_ratio(scene(4, 4), wrong)
