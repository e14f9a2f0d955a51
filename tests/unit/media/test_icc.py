"""Colour profiles are honoured: the colours that come out are sRGB."""

from __future__ import annotations

import io

import numpy as np
import pytest
from picture_files import (
    P3_RED_OF_SRGB,
    deep_scene,
    display_p3,
    grey_profile,
    matrix_profile,
    pink_ink_profile,
    png,
    png_icc,
    scene,
)
from PIL import Image, ImageCms

from ml4a.media import image


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("form", "slack"), [("PNG", 1), ("TIFF", 1), ("WEBP", 1), ("JPEG", 4), ("AVIF", 4)])
def test_display_p3_becomes_srgb(form, slack):
    red = Image.new("RGB", (16, 16), P3_RED_OF_SRGB)
    lossless = {"lossless": True} if form == "WEBP" else {}
    loaded = image.load(encoded(red, form, icc_profile=display_p3(), **lossless))
    np.testing.assert_allclose(np.asarray(loaded)[8, 8], (255, 0, 0), atol=slack)
    assert "icc_profile" not in loaded.info


def test_alpha_is_left_alone_by_profiles():
    picture = Image.fromarray(scene(20, 10, 4))
    loaded = image.load(encoded(picture, "PNG", icc_profile=display_p3()))
    assert loaded.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(loaded)[:, :, 3], np.asarray(picture)[:, :, 3])
    assert (np.asarray(loaded)[:, :, :3] != np.asarray(picture)[:, :, :3]).mean() > 0.3


def test_16_bit_colours_are_converted_in_floats_as_little_cms_converts_8_bits():
    deep = deep_scene(64, 48, 4)
    shallow = (deep >> 8).astype(np.uint8)
    gamma = b"curv\0\0\0\0\0\0\0\1\1\x80"  # 1.5
    table = b"curv\0\0\0\0\0\0\0\3\0\0\x40\0\xff\xff"
    primaries = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))  # ProPhoto's
    for profile in (display_p3(), matrix_profile(*primaries, gamma), matrix_profile(*primaries, table)):
        converted = image.load(png(deep, png_icc(profile)), as_array=True)
        reference = np.asarray(image.load(png(shallow, png_icc(profile)))) / 255
        plain = image.load(png(deep), as_array=True)
        assert np.abs(converted - reference)[:, :, :3].mean() < 0.6 / 255
        assert np.abs(converted - plain)[:, :, :3].mean() > 2 / 255
        np.testing.assert_array_equal(converted[:, :, 3], plain[:, :, 3])


def test_16_bit_conversion_keeps_more_than_8_bits():
    levels = np.linspace(20000, 40000, 65536).reshape(256, 256, 1).repeat(3, axis=2).astype(np.uint16)
    loaded = image.load(png(levels, png_icc(display_p3())), as_array=True)
    assert len(np.unique((loaded * 65535).round())) > 15_000


def test_grey_profiles_are_honoured_in_8_and_16_bits():
    grey = scene(30, 20)[:, :, :1]
    expected = (grey / 255) ** 1.0  # gamma 1: linear light
    expected = np.where(expected <= 0.0031308, expected * 12.92, 1.055 * expected ** (1 / 2.4) - 0.055)
    loaded = np.asarray(image.load(encoded(Image.fromarray(grey[:, :, 0]), "PNG", icc_profile=grey_profile(1.0)))) / 255
    np.testing.assert_allclose(loaded, expected.repeat(3, axis=2), atol=1.5 / 255)
    deep = image.load(png(grey.astype(np.uint16) * 257, png_icc(grey_profile(1.0))), as_array=True)
    np.testing.assert_allclose(deep, expected.repeat(3, axis=2), atol=1e-4)


def test_a_profile_that_is_srgb_changes_not_one_pixel():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(scene(64, 48))
    np.testing.assert_array_equal(image.load(encoded(picture, "PNG", icc_profile=profile)), np.asarray(picture))
    deep = image.load(png(deep_scene(64, 48), png_icc(profile)), as_array=True)
    np.testing.assert_array_equal((deep * 65535).round(), deep_scene(64, 48))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_has_the_colours_that_its_inks_suggest(form):
    inks = {
        (0, 0, 0, 0): (255, 255, 255),
        (255, 0, 0, 0): (0, 255, 255),
        (0, 255, 255, 0): (255, 0, 0),
        (0, 0, 0, 255): (0, 0, 0),
    }
    for ink, expected in inks.items():
        loaded = image.load(encoded(Image.new("CMYK", (16, 16), ink), form))
        assert loaded.mode == "RGB"
        np.testing.assert_allclose(np.asarray(loaded)[8, 8], expected, atol=3)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile_has_the_colours_of_the_profile(form):
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    red, green, _ = np.asarray(image.load(encoded(cyan, form, icc_profile=pink_ink_profile())))[8, 8]
    assert red > 200 > 120 > green
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    np.testing.assert_allclose(
        np.asarray(image.load(encoded(white, form, icc_profile=pink_ink_profile()))), 255, atol=2
    )


@pytest.mark.parametrize("profile", [b"junk", display_p3()[:200], pink_ink_profile(), b"\xff" * 3000])
def test_a_profile_that_cannot_be_used_is_said_and_left_out(profile, caplog):
    from ml4a._core.devices import say_once

    say_once.cache_clear()
    picture = scene(30, 20)
    np.testing.assert_array_equal(np.asarray(image.load(png(picture, png_icc(profile)))), picture)
    assert "colour profile cannot be used" in caplog.text
    say_once.cache_clear()
    caplog.clear()
    deep = image.load(png(deep_scene(30, 20), png_icc(profile)), as_array=True)
    np.testing.assert_array_equal((deep * 65535).round(), deep_scene(30, 20))
    assert "colour profile cannot be used" in caplog.text


def test_a_pil_image_with_a_profile_is_converted_wherever_it_goes_in():
    red = Image.new("RGB", (4, 4), P3_RED_OF_SRGB)
    red.info["icc_profile"] = display_p3()
    np.testing.assert_allclose(image.to_array(red)[0, 0], (1, 0, 0), atol=1 / 255)
    np.testing.assert_allclose(np.asarray(image.resize(red, 2))[0, 0], (255, 0, 0), atol=1)
