"""Strength, thin and transparent, which the models that draw lines share; by HED and its real weights."""

from __future__ import annotations

import functools

import checkpoints
import cv2
import deterministic
import numpy as np
import official_keys
import pytest
import svg_pictures as svg
import torch
from PIL import Image

import ml4a
from ml4a import image, trace
from ml4a._core.record import Record
from ml4a.models._drawing import DrawingModel


@functools.cache
def hed() -> DrawingModel:
    return ml4a.load("hed", dtype="float32")


@pytest.fixture(scope="module")
def photosketch(tmp_path_factory) -> DrawingModel:
    return checkpoints.load("photosketch", tmp_path_factory.mktemp("photosketch"))


@functools.cache
def photo() -> Image.Image:
    picture = image.sample("chelsea").crop((90, 60, 330, 240))
    picture.info.clear()
    return picture


@functools.cache
def drawn(**options) -> np.ndarray:
    return np.asarray(hed()(photo(), **options))


def pieces(ink: np.ndarray) -> int:
    return cv2.connectedComponents(ink.astype(np.uint8), connectivity=8)[0] - 1


def test_without_options_a_drawing_is_the_edges_and_nothing_else(monkeypatch):
    found = []
    edges = type(hed()).edges
    monkeypatch.setattr(type(hed()), "edges", lambda *given: found.append(edges(*given)) or found[0])
    drawing = hed()(image.to_array(photo()))
    assert np.array_equal(drawing, np.repeat((1 - found[0])[0].permute(1, 2, 0).numpy(), 3, axis=2))
    assert drawing.std() > 0.1


def test_strength_fades_the_lines():
    full, half = 255 - drawn().astype(float), 255 - drawn(strength=0.5).astype(float)
    assert np.abs(half - full / 2).max() <= 1
    assert (drawn(strength=0.0) == 255).all()


def test_thin_lines_are_black_and_one_pixel_wide():
    ink = drawn(thin=True)[:, :, 0] < 128
    assert set(np.unique(drawn(thin=True))) == {0, 255}
    assert np.array_equal(trace.thinned(ink), ink)
    assert ink.sum() > 800


def test_thin_lines_lie_on_the_dark_ones_and_hold_together():
    dark, ink = 1 - drawn()[:, :, 0] / 255, drawn(thin=True)[:, :, 0] < 128
    assert dark[ink].mean() > 2.5 * dark.mean()
    assert dark[ink].min() > 0.05
    assert pieces(ink) < 60
    assert ink.sum() / pieces(ink) > 25
    strong = dark > 0.75
    near = cv2.dilate(ink.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert near[strong].mean() > 0.98  # no strong line is lost


def test_thin_lines_are_as_dark_as_strength_says():
    assert set(np.unique(drawn(thin=True, strength=0.4))) == {153, 255}


@pytest.mark.parametrize("options", [{}, {"thin": True}, {"strength": 0.6}])
def test_transparent_lines_on_white_paper_are_the_white_drawing(options):
    clear = Image.fromarray(drawn(transparent=True, **options))
    assert clear.mode == "RGBA"
    assert np.asarray(clear)[:, :, :3].max() == 0
    assert 0 < np.asarray(clear)[:, :, 3].mean() < 120
    on_white = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    assert np.abs(np.asarray(on_white).astype(int) - drawn(**options)).max() <= 1


def test_transparent_lines_end_where_the_picture_is_transparent():
    half = photo().copy()
    half.putalpha(Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 120, axis=1).repeat(180, axis=0)))
    alpha = np.asarray(hed()(half, transparent=True))[:, :, 3]
    assert alpha[:, :119].max() == 0
    assert np.array_equal(alpha[:, 121:], drawn(transparent=True)[:, 121:, 3])


@pytest.mark.parametrize("channels", [3, 4])
def test_arrays_and_tensors_come_out_with_alpha(channels):
    array = np.ones((180, 240, channels), np.float32)
    array[:, :, :3] = image.to_array(photo())
    from_array = hed()(array, transparent=True)
    from_tensor = hed()(torch.from_numpy(array.transpose(2, 0, 1)), transparent=True)
    assert from_array.shape == (180, 240, 4)
    assert np.array_equal(from_tensor.numpy().transpose(1, 2, 0), from_array)
    assert np.abs(from_array * 255 - drawn(transparent=True)).max() <= 0.51


def test_the_record_has_the_options_and_makes_the_same_drawing():
    first = hed()(photo(), thin=True, transparent=True, strength=0.8)
    made_by = hed().last_record
    assert made_by.parameters["thin"] is True
    assert made_by.parameters["transparent"] is True
    assert np.array_equal(np.asarray(hed()(photo(), **made_by.parameters)), np.asarray(first))


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (5, 4)])
@pytest.mark.parametrize("options", [{"thin": True}, {"transparent": True}])
def test_tiny_pictures_are_drawn_with_every_option(size, options):
    assert hed()(photo().resize(size), **options).size == size


@pytest.mark.parametrize("options", [{}, {"thin": True}, {"transparent": True}, {"thin": True, "transparent": True}])
def test_photosketch_has_the_same_options(photosketch, options):
    drawing = photosketch(photo(), size=64, **options)
    white = np.asarray(photosketch(photo(), size=64, thin=options.get("thin", False)), float)
    pixels = np.asarray(drawing, float)
    assert pixels.shape[2] == (4 if "transparent" in options else 3)
    shown = 255 - pixels[:, :, 3] if "transparent" in options else pixels[:, :, 0]
    assert np.abs(shown - white[:, :, 0]).max() <= 1
    assert shown.std() > 1


def test_a_thin_drawing_is_saved_as_strokes_with_its_record(tmp_path):
    drawing = hed()(photo(), thin=True)
    document = image.save(drawing, tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert svg.size(document) == photo().size
    assert all(group.attrib["fill"] == "none" for group in svg.elements(document, "g"))
    assert Record.from_json(image.read_record_text(tmp_path / "plot.svg")) == hed().last_record
    ink = drawn(thin=True)[:, :, 0] < 128
    shown = svg.drawn(document)[:, :, 0] < 0.7
    reach = np.ones((3, 3), np.uint8)
    assert cv2.dilate(shown.astype(np.uint8), reach)[ink].mean() > 0.98
    assert cv2.dilate(ink.astype(np.uint8), reach)[shown].mean() > 0.98


def test_a_soft_drawing_is_saved_as_shapes(tmp_path):
    document = image.save(hed()(photo()), tmp_path / "drawing.svg").read_text(encoding="utf-8")
    darkness = 1 - drawn()[:, :, 0] / 255
    due, shown = darkness >= darkness.max() / 2, svg.drawn(document)[:, :, 0] < 0.5
    assert (due & shown).sum() / (due | shown).sum() > 0.9


def test_apply_writes_svg_and_a_film_says_that_it_cannot(tmp_path):
    photo().save(tmp_path / "photo.png")
    ml4a.apply(hed(), tmp_path / "photo.png", tmp_path / "drawing.svg", thin=True)
    assert svg.elements((tmp_path / "drawing.svg").read_text(encoding="utf-8"), "path")
    frames = [photo(), photo().rotate(5)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ml4a.errors.BadValue, match=r"a film's name must end in one of .*\.svg"):
        ml4a.apply(hed(), tmp_path / "clip.gif", tmp_path / "clip.svg")
    assert not (tmp_path / "clip.svg").exists()


def test_tensorpacks_weights_get_values_to_255_and_sides_of_any_length(tmp_path):
    shapes = official_keys.hed_tensorpack((4, 5, 6, 7, 8))
    path = checkpoints.of("hed").save("network", tmp_path / "net.npz", deterministic.state_dict(shapes))
    model = ml4a.load("hed", path, dtype="float32")
    x = torch.from_numpy(deterministic.uniform("photo", (1, 3, 48, 64)))
    with torch.inference_mode():
        due = model.network(x.flip(1) * 255)
    assert due.std() > 1e-3
    assert torch.allclose(model(x[0])[:1], 1 - due[0], atol=1e-6)
    assert model(x[0, :, :41, :53]).shape[1:] == (41, 53)
