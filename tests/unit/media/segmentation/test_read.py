"""Label maps from pictures: by colours, by the nearest colours, and by grey values that are indices."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml4a import image, segmentation
from ml4a._core.errors import BadMedia, BadValue, NotFound
from ml4a.media.segmentation import ADE20K, CELEBAMASK, CITYSCAPES, COCO_STUFF

SETS = (ADE20K, CELEBAMASK, COCO_STUFF)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SETS), st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_colours_become_the_labels_that_they_were(known, seed, height, width):
    labels = np.random.default_rng(seed).integers(-1, len(known), (height, width))
    if known is ADE20K:
        labels[np.isin(labels, (48, 131))] = 3  # of the colours of road and swivel chair
    drawn = segmentation.from_array(labels, known)
    assert segmentation.from_image(drawn.to_image(), known) == drawn


def test_of_labels_of_one_colour_the_first_is_taken():
    assert ADE20K["road"].color == ADE20K["skyscraper"].color
    drawn = segmentation.from_array(np.array([[48, 6]]), ADE20K)
    assert segmentation.from_image(drawn.to_image(), ADE20K).labels.tolist() == [[6, 6]]
    # All that is not labelled is black in Cityscapes.
    assert segmentation.from_image(Image.new("RGB", (1, 1)), CITYSCAPES).labels.tolist() == [[0]]


def test_other_colours_count_for_the_nearest_with_a_warning(caplog):
    drawn = segmentation.from_array(np.repeat([[2], [4], [-1]], 40, axis=0).repeat(60, axis=1), ADE20K)
    exact = drawn.to_image()
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert segmentation.from_image(exact, ADE20K) == drawn
    assert not caplog.records
    array = np.asarray(exact).copy()
    array[:10] += 3
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert segmentation.from_image(array, ADE20K) == drawn
    assert "8.3 % of the pixels have colours of no label of ADE20K" in caplog.text


def test_a_jpeg_is_read_nearly_right(tmp_path, caplog):
    labels = np.kron(np.random.default_rng(1).integers(0, 19, (5, 7)), np.ones((24, 24), int))
    drawn = segmentation.from_array(labels, CELEBAMASK)
    image.save(drawn.to_image(), tmp_path / "drawn.jpg", quality=90)
    read = segmentation.load(tmp_path / "drawn.jpg", CELEBAMASK)
    assert (read.labels == labels).mean() > 0.9
    assert "the nearest count" in caplog.text


def test_what_is_transparent_is_unknown():
    drawn = Image.new("RGBA", (2, 1), (*ADE20K["sky"].color, 255))
    drawn.putpixel((1, 0), (*ADE20K["sky"].color, 10))
    assert segmentation.from_image(drawn, ADE20K).labels.tolist() == [[2, -1]]
    grey = Image.fromarray(np.array([[[2, 255], [2, 0]]], np.uint8))
    assert grey.mode == "LA"
    assert segmentation.from_image(grey, ADE20K).labels.tolist() == [[2, -1]]


def test_a_picture_in_greys_has_colours_if_it_has_three_channels():
    wall = Image.new("RGB", (2, 2), ADE20K["wall"].color)  # (120, 120, 120)
    assert segmentation.from_image(wall, ADE20K).present() == [(ADE20K["wall"], 1.0)]
    assert segmentation.from_image(wall.convert("L"), ADE20K).present() == [(ADE20K[120], 1.0)]


def test_grey_values_are_indices_in_every_kind_of_picture(tmp_path):
    values = np.array([[0, 5, 18], [17, 1, 255]], np.uint8)
    due = np.where(values == 255, -1, values.astype(int)).tolist()
    Image.fromarray(values).save(tmp_path / "grey.png")
    Image.fromarray(values).save(tmp_path / "grey.tif")
    unit = values.astype(np.float32) / 255
    pictures = {
        "pil": Image.fromarray(values),
        "array": values,
        "a channel": values[:, :, None],
        "floats": unit,
        "tensor": torch.from_numpy(unit)[None],
        "tensor of bytes": torch.from_numpy(values)[None],
        "path": tmp_path / "grey.png",
        "bytes": (tmp_path / "grey.png").read_bytes(),
        "tiff": str(tmp_path / "grey.tif"),
        "indices": np.array(due),
    }
    for name, picture in pictures.items():
        assert segmentation.from_image(picture, CELEBAMASK).labels.tolist() == due, name
    deep = np.where(values == 255, np.uint16(65535), values.astype(np.uint16))
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert segmentation.load(tmp_path / "deep.png", CELEBAMASK).labels.tolist() == due
    assert segmentation.from_image(deep, CELEBAMASK).labels.tolist() == due
    black_and_white = Image.fromarray(np.array([[True, False]]))
    assert segmentation.from_image(black_and_white, CELEBAMASK).labels.tolist() == [[1, 0]]


def test_indices_that_the_set_does_not_have_are_refused(tmp_path):
    Image.new("L", (2, 2), 19).save(tmp_path / "grey.png")
    with pytest.raises(BadValue, match="0 to 18, and -1 for unknown; these reach from 19 to 19"):
        segmentation.load(tmp_path / "grey.png", CELEBAMASK)


def test_a_palettes_colours_count():
    drawn = segmentation.from_array(np.array([[17, 18], [1, 17]]), CELEBAMASK)
    palette = drawn.to_image().convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    assert palette.mode == "P"
    assert segmentation.from_image(palette, CELEBAMASK) == drawn


def test_files_that_are_no_pictures_are_refused(tmp_path):
    with pytest.raises(NotFound):
        segmentation.load(tmp_path / "nothing.png", ADE20K)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(BadMedia, match=r"text\.png"):
        segmentation.load(tmp_path / "text.png", ADE20K)
    Image.effect_noise((64, 64), 90).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:1500])
    with pytest.raises(BadMedia, match=r"cut\.png is broken or cut short"):
        segmentation.load(tmp_path / "cut.png", ADE20K)
    with pytest.raises(BadValue, match="not NoneType"):
        segmentation.from_image(None, ADE20K)  # type: ignore[arg-type]
