"""Loading, resizing, cropping and laying out against the library of 2021."""

from __future__ import annotations

import numpy as np
import pytest
from figures import Figures
from PIL import Image

from ml4a.media import image

SIZES = {"up": (75, 58), "down": (31, 22), "anisotropic_same_area": (80, 30), "anisotropic_smaller_area": (79, 30)}
MODE_SIZE, AUTOCROP, HEIGHT = (37, 29), (33, 33), 27
RULE = [(120, 80, "bicubic"), (30, 20, "lanczos"), (80, 30, "bicubic"), (79, 30, "lanczos"), (30, 81, "bicubic"),
        (100, 24, "bicubic"), (61, 40, "bicubic"), (59, 40, "lanczos")]  # fmt: skip
LOADED = [((30, 30), (30, 30)), ((80, 20), (80, 20)), ((40, 60), (40, 60)), (25, (37, 25)), (61, (91, 61))]
SHEETS = [(1, 4), (3, 4), (5, 4), (5, 2), (8, 3)]


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("image")


@pytest.fixture
def picture(figures) -> Image.Image:
    return Image.fromarray(figures["image"])


def difference(picture, due: np.ndarray) -> int:
    result = np.asarray(picture).astype(int)
    assert result.shape == due.shape
    return int(np.abs(result - due).max())


def test_resizing(figures, picture):
    for name, size in SIZES.items():
        assert difference(image.resize(picture, size), figures[f"resize_{name}"]) <= 1
    for mode in ("nearest", "bilinear", "bicubic", "lanczos"):
        assert difference(image.resize(picture, MODE_SIZE, mode), figures[f"resize_mode_{mode}"]) <= 1


def test_the_rule_that_chooses_the_filter(picture):
    for width, height, filter_ in RULE:
        chosen = np.asarray(image.resize(picture, (width, height)))
        np.testing.assert_array_equal(chosen, np.asarray(image.resize(picture, (width, height), filter_)))


def test_a_picture_can_be_resized_to_its_own_size_transposed(picture):
    """In 2021 it came back as it was, in the wrong size."""
    turned = image.resize(picture, (picture.height, picture.width))
    assert turned.size == (picture.height, picture.width)
    np.testing.assert_array_equal(np.asarray(turned), np.asarray(picture.resize(turned.size, Image.Resampling.BICUBIC)))


def test_cropping(figures):
    for width, height, ratio, *box in figures["crop_table"].tolist():
        left, top, right, bottom = map(int, box)
        y, x = np.mgrid[0 : int(height), 0 : int(width)]
        positions = np.stack([x, y, x * 0], axis=2).astype(np.uint16)
        cropped = np.rint(image.crop_to_aspect_ratio(positions, ratio) * 65535).astype(int)
        np.testing.assert_array_equal(cropped, positions[top:bottom, left:right])


def test_loading_at_a_size(figures, picture):
    assert difference(image.load(picture, AUTOCROP), figures["load_plain"]) <= 1
    assert difference(image.load(picture, AUTOCROP, autocrop=True), figures["load_autocrop"]) <= 1
    assert difference(image.load(picture, HEIGHT), figures["load_int"]) <= 1
    floats = image.to_array(image.load(picture, HEIGHT))[::4, ::4]
    np.testing.assert_allclose(floats, figures["load_normalized"], atol=1 / 255 + 1e-6)
    for size, due in LOADED:
        for autocrop in (False, True):
            assert image.load(picture, size, autocrop=autocrop).size == due


def test_heights_are_kept_and_widths_rounded_down(figures):
    for width, height, size, *due in figures["load_int_table"].tolist():
        assert image.load(Image.new("RGB", (width, height)), size).size == tuple(due)


@pytest.mark.parametrize("margin", [0, 3])
@pytest.mark.parametrize("vertical", [False, True])
def test_rows_and_columns(figures, margin, vertical):
    pictures = [Image.fromarray(figures[f"cat_input{number}"]) for number in range(3)]
    due = figures[f"cat_margin{margin}_vertical{int(vertical)}"]
    assert difference(image.concatenate(pictures, margin, vertical), due) <= 1


@pytest.mark.parametrize(("count", "columns"), SHEETS)
def test_sheets_without_gaps(figures, count, columns):
    """Cells that are left over were black in 2021; here they are the sheet's white."""
    pictures = list(figures["display_inputs"][:count])
    due = figures[f"display_same_n{count}_cols{columns}"].copy()
    height, width = pictures[0].shape[:2]
    left_over = -count % min(count, columns)
    if left_over:
        due[-height:, -left_over * width :] = 255
    for kind in (lambda array: array, Image.fromarray, lambda array: array[:, :, 0], lambda array: array[:, :, :1]):
        sheet = np.rint(image.to_array(image.grid([kind(each) for each in pictures], columns, margin=0)) * 255)
        expected = due if np.asarray(kind(pictures[0])).shape == pictures[0].shape else due[:, :, :1].repeat(3, axis=2)
        np.testing.assert_array_equal(sheet, expected)


def test_pictures_of_several_sizes_in_a_row(figures):
    pictures = [Image.fromarray(figures[f"display_mixed_input{number}"]) for number in range(3)]
    assert difference(image.concatenate(pictures), figures["display_mixed_n3_cols4"]) <= 1


def test_random_pictures(figures):
    result = image.random((6, 4), margin=20 / 255, bias=128 / 255, seed=5)
    np.testing.assert_allclose(result * 255, figures["random_image"], atol=1e-4)
