"""Palettes are found, shown and drawn with."""

from __future__ import annotations

import io

import numpy as np
import pytest
from picture_files import scene
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import color, image
from ml4a.media.color._colors import to_lab


def flag() -> np.ndarray:
    """Three colours: a half, three tenths and a fifth of the picture."""
    array = np.empty((10, 40, 3), np.uint8)
    array[:5], array[5:8], array[8:] = (200, 30, 40), (20, 60, 160), (240, 230, 210)
    return array


def test_the_colours_of_a_flag_come_sorted_by_their_share():
    found = color.palette(flag(), 3)
    np.testing.assert_allclose(found.levels, [(200, 30, 40), (20, 60, 160), (240, 230, 210)], atol=1)
    np.testing.assert_allclose(found.shares, [0.5, 0.3, 0.2], atol=1e-6)
    assert len(found) == 3
    assert len(color.palette(flag(), 8)) == 3
    assert next(iter(found)) == pytest.approx((200 / 255, 30 / 255, 40 / 255), abs=0.005)


def test_a_palette_stands_for_a_photograph():
    photo = image.to_array(image.sample("coffee", size=100))
    lab = to_lab(photo).reshape(-1, 3)

    def error(palette: color.Palette) -> float:
        centres = to_lab(palette.colors[None])[0]
        return float(np.sqrt(((lab[:, None] - centres) ** 2).sum(axis=2).min(axis=1)).mean())

    errors = [error(color.palette(photo, count)) for count in (1, 3, 8, 20)]
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < errors[0] / 4
    medians = Image.fromarray((photo * 255).astype(np.uint8)).quantize(8, method=Image.Quantize.MEDIANCUT)
    others = np.array(medians.getpalette()[:24], np.float32).reshape(8, 3) / 255
    assert errors[2] < error(color.Palette(others, np.full(8, 1 / 8)))


def test_seeds_and_kinds():
    photo = scene(60, 50)
    first, again = color.palette(photo, 5, seed=3), color.palette(Image.fromarray(photo), 5, seed=3)
    assert first.hex == again.hex
    assert len(color.palette(photo, 5, seed=None)) == 5


def test_what_is_transparent_is_no_colour_of_the_palette():
    array = np.dstack([flag(), np.full((10, 40), 255, np.uint8)])
    array[:5, :, 3] = 0
    np.testing.assert_allclose(color.palette(array, 5).shares, [0.6, 0.4], atol=1e-6)


def test_a_palette_shows_its_colours_as_wide_as_their_shares():
    palette = color.palette(flag(), 3)
    shown = np.asarray(Image.open(io.BytesIO(palette._repr_png_())))
    for level, share in zip(palette.levels, palette.shares, strict=True):
        assert (shown == level).all(axis=2).mean() == pytest.approx(share, abs=0.01)


def test_a_palette_of_given_colours():
    palette = color.Palette.of(["black", "#e63946", (1, 0.9, 0.7)])
    assert palette.hex == ("#000000", "#e63946", "#ffe6b3")
    assert eval(repr(palette), {"Palette": color.Palette}).hex == palette.hex
    with pytest.raises(ValueError, match="read-only"):
        palette.colors[0] = 1
    for wrong in (
        lambda: color.Palette.of([]),
        lambda: color.Palette(np.zeros((0, 3)), np.zeros(0)),
        lambda: color.Palette(np.zeros((2, 3)), np.ones(3)),
        lambda: color.Palette(np.full((2, 3), 255.0), np.full(2, 0.5)),
    ):
        with pytest.raises(BadValue, match=r"palette"):
            wrong()


@pytest.mark.parametrize("method", ["floyd_steinberg", "ordered"])
@pytest.mark.parametrize("colors", [2, 4, ["black", "#e63946", "#a8dadc", "white"]])
def test_dithered_pictures_have_only_the_colours_and_look_alike_from_afar(method, colors):
    picture = image.to_array(image.sample("camera", size=128))
    dithered = color.dither(picture, colors, method)
    levels = np.linspace(0, 1, colors) if isinstance(colors, int) else color.Palette.of(colors).colors
    if isinstance(colors, int):
        assert np.isin(np.rint(dithered * 255), np.rint(levels * 255)).all()
    else:
        assert len(np.unique(dithered.reshape(-1, 3), axis=0)) <= 4
        assert all((np.abs(levels - pixel).max(axis=1) < 1e-6).any() for pixel in dithered[::9, ::9].reshape(-1, 3))
    far, far_dithered, far_flat = (
        image.resize(p, (16, 16), "area") for p in (picture, dithered, color.dither(picture, colors, "none"))
    )
    assert np.abs(far_dithered - far).mean() < 0.75 * np.abs(far_flat - far).mean()


def test_the_ordered_pattern_does_not_move():
    picture = np.full((32, 32, 3), 0.4, np.float32)
    other = picture.copy()
    other[:8] = 0.9
    np.testing.assert_array_equal(color.dither(picture, 2, "ordered")[8:], color.dither(other, 2, "ordered")[8:])
    assert color.dither(picture, 2, "ordered").mean() == pytest.approx(0.4, abs=0.02)
    assert (color.dither(picture, 2)[8:] != color.dither(other, 2)[8:]).any()


def test_greys_of_many_levels_and_a_palette_of_one():
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, -1).repeat(4, axis=0)
    np.testing.assert_allclose(color.dither(ramp, 256)[:, :, 0], ramp, atol=1e-6)
    for method in ("floyd_steinberg", "ordered", "none"):
        np.testing.assert_allclose(color.dither(ramp, ["#336699"], method)[0, 0] * 255, (51, 102, 153), atol=1e-3)
    with pytest.raises(BadValue, match="at most 256"):
        color.dither(ramp, ["red"] * 257)
