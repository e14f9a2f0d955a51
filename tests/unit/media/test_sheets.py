"""Rows, columns and contact sheets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from picture_files import scene
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image


def test_a_row_and_a_column_have_black_margins_and_the_first_pictures_size():
    first, second = scene(22, 16, seed=1), scene(22, 16, seed=2)
    other = scene(13, 25, seed=3)
    row = np.asarray(image.concatenate([Image.fromarray(p) for p in (first, second, other)], margin=3))
    assert row.shape == (22, 78, 3)
    np.testing.assert_array_equal(row[3:19, 3:25], first)
    np.testing.assert_array_equal(row[3:19, 28:50], second)
    resized = np.asarray(image.resize(Image.fromarray(other), (22, 16)))
    np.testing.assert_allclose(row[3:19, 53:75].astype(int), resized, atol=1)
    assert row[:3].max() == row[:, 25:28].max() == row[:, 75:].max() == 0
    column = np.asarray(image.concatenate([Image.fromarray(p) for p in (first, second)], vertical=True))
    np.testing.assert_array_equal(column, np.concatenate([first, second]))


def test_alpha_makes_the_margins_of_a_row_transparent():
    row = np.asarray(image.concatenate([Image.fromarray(scene(8, 6)), Image.fromarray(scene(8, 6, 4))], margin=2))
    assert row.shape == (10, 22, 4)
    assert (row[:2, :, 3] == 0).all()
    assert (row[2:8, 2:10, 3] == 255).all()
    np.testing.assert_array_equal(row[2:8, 12:20, 3], scene(8, 6, 4)[:, :, 3])


def test_sheets_are_of_the_first_pictures_kind():
    array = scene(8, 6).astype(np.float32) / 255
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    for first in (Image.fromarray(scene(8, 6)), array, tensor):
        for make in (image.concatenate, image.grid):
            assert image.kind_of(make([first, array])) == image.kind_of(first)


def test_a_grid_lays_pictures_out_row_by_row_on_white():
    pictures = [scene(12, 10, seed=seed) for seed in range(5)]
    sheet = np.asarray(image.grid([Image.fromarray(p) for p in pictures], columns=3, margin=4))
    assert sheet.shape == (4 + 2 * 14, 4 + 3 * 16, 3)
    for number, picture in enumerate(pictures):
        top, left = 4 + number // 3 * 14, 4 + number % 3 * 16
        np.testing.assert_array_equal(sheet[top : top + 10, left : left + 12], picture)
    assert (sheet[18:28, 36:48] == 255).all()
    assert (sheet[:4] == 255).all()


def test_a_grid_is_about_square_unless_told():
    assert image.size(image.grid([scene(10, 10)] * 26, margin=0)) == (60, 50)
    assert image.size(image.grid([scene(10, 10)] * 2, columns=9, margin=0)) == (20, 10)


def test_pictures_of_another_shape_fit_into_the_cell_uncropped():
    sheet = np.asarray(
        image.grid([Image.fromarray(scene(40, 20)), Image.new("RGB", (10, 20), "red")], margin=0, columns=2)
    )
    cell = sheet[:, 40:]
    assert (cell[:, 15:25] == (255, 0, 0)).all()
    assert (cell[:, :15] == 255).all()
    assert (cell[:, 25:] == 255).all()


def test_labels_are_written_below_each_picture_and_differ():
    pictures = [Image.new("RGB", (120, 90), "navy")] * 3
    plain, labelled = image.grid(pictures, columns=3), image.grid(pictures, columns=3, labels=["one", "two", "one"])
    assert labelled.size[0] == plain.size[0]
    assert labelled.size[1] > plain.size[1]
    captions = np.asarray(labelled)[8 + 90 : -8]
    one, two, again = (captions[:, 8 + 128 * n : 128 + 128 * n] for n in range(3))
    assert one.min() < 100
    assert (one == 255).mean() > 0.5
    np.testing.assert_array_equal(one, again)
    assert (one != two).any()


def test_a_label_that_is_too_long_is_cut_to_the_cell():
    sheet = np.asarray(image.grid([Image.new("RGB", (60, 40), "navy")] * 2, labels=["x" * 500, ""], columns=2))
    assert (sheet[:, :8] == 255).all()
    assert (sheet[48:, 68:76] == 255).all()
    assert sheet[48:-8, 8:68].min() < 100


def test_transparent_pictures_lie_on_the_sheets_white():
    sheet = np.asarray(
        image.grid([Image.new("RGBA", (8, 6), (0, 0, 0, 0)), Image.new("RGBA", (8, 6), (0, 0, 0, 128))], 2, 0)
    )
    assert (sheet[:, :8] == 255).all()
    np.testing.assert_allclose(sheet[:, 8:], 127, atol=1)


def test_wrong_sheets_are_refused():
    with pytest.raises(BadValue, match="no pictures"):
        image.grid([])
    with pytest.raises(BadValue, match="2 pictures and 1 labels"):
        image.grid([scene(4, 4)] * 2, labels=["one"])
    with pytest.raises(BadValue, match="columns must be 1 or more"):
        image.grid([scene(4, 4)], columns=0)
    with pytest.raises(BadValue, match="margin must be 0 or more"):
        image.concatenate([scene(4, 4)], margin=-1)
