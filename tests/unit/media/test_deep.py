"""16 bits a channel stay 16 bits, through float32 and back."""

from __future__ import annotations

import numpy as np
import pytest
from picture_files import deep_scene, png, png_chunk, scene, tiff
from PIL import Image

from ml4a.media import image


def as_uint16(array: np.ndarray) -> np.ndarray:
    return (array * 65535).round().astype(np.uint16)


def ramp() -> np.ndarray:
    """All 65,536 levels, in 256 rows, another order in each channel."""
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    return np.stack([levels, levels[::-1], levels.T], axis=-1)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_ramp_of_all_levels_survives_load_save_load(suffix, tmp_path):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    first.write_bytes(png(ramp()))
    image.save(image.load(first, as_array=True), second, bits=16)
    loaded = image.load(second, as_array=True)
    assert len(np.unique(loaded[:, :, 0])) > 60_000
    np.testing.assert_array_equal(as_uint16(loaded), ramp())


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_colour_and_alpha_of_16_bits_survive_saving(suffix, channels, tmp_path):
    original = deep_scene(31, 17, 4)[:, :, :channels]
    path = image.save(original, tmp_path / f"deep{suffix}", bits=16)
    expected = original if channels > 1 else original.repeat(3, axis=2)
    np.testing.assert_array_equal(as_uint16(image.load(path, as_array=True)), expected)
    shallow = image.load(path)
    assert shallow.mode == ("RGBA" if channels == 4 else "RGB")
    np.testing.assert_allclose(np.asarray(shallow), expected / 257, atol=0.501)


def test_our_16_bit_tiff_is_a_tiff_to_others(tmp_path):
    path = image.save(deep_scene(31, 17, 4), tmp_path / "deep.tif", bits=16)
    with Image.open(path) as opened:
        opened.load()
        assert opened.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(opened), deep_scene(31, 17, 4) >> 8)


def test_a_deep_picture_as_pil_is_rounded_not_truncated():
    levels = np.array([[[0], [128], [129], [385], [386], [65535]]], np.uint16)
    loaded = np.asarray(image.load(png(levels)))[0, :, 0]
    assert loaded.tolist() == [0, 0, 1, 1, 2, 255]


def test_grey_with_alpha_and_with_a_transparent_colour_keep_16_bits():
    grey_alpha = deep_scene(9, 7, 4)[:, :, 2:]
    loaded = as_uint16(image.load(png(np.ascontiguousarray(grey_alpha)), as_array=True))
    np.testing.assert_array_equal(loaded, grey_alpha[:, :, [0, 0, 0, 1]])
    grey = deep_scene(9, 7, 1)
    key = int(grey[3, 4, 0])
    loaded = as_uint16(image.load(png(grey, png_chunk(b"tRNS", key.to_bytes(2, "big"))), as_array=True))
    np.testing.assert_array_equal(loaded[:, :, 0], grey[:, :, 0])
    np.testing.assert_array_equal(loaded[:, :, 3], np.where(grey[:, :, 0] == key, 0, 65535))


def test_tiffs_of_floats_load_and_are_clipped():
    values = np.linspace(-0.5, 2, 7 * 5 * 3).reshape(5, 7, 3)
    for dtype in (np.float32, np.float64):
        loaded = image.load(tiff(values.astype(dtype)), as_array=True)
        np.testing.assert_allclose(loaded, values.clip(0, 1), atol=1e-6)
    grey = values[:, :, :1].astype(np.float32)
    grey[0, 0] = np.nan
    loaded = image.load(tiff(grey), as_array=True)
    np.testing.assert_allclose(loaded[1:], grey[1:].clip(0, 1).repeat(3, axis=2), atol=1e-6)
    assert loaded[0, 0].tolist() == [0, 0, 0]


def test_the_odd_ways_of_16_bit_tiffs_are_known():
    colours = deep_scene(9, 7, 4)
    white_is_zero = image.load(tiff(65535 - colours[:, :, :1], tag262=0), as_array=True)
    np.testing.assert_allclose(white_is_zero[:, :, 0], colours[:, :, 0] / 65535, atol=1e-6)
    unspecified = image.load(tiff(colours, tag338=0), as_array=True)
    np.testing.assert_array_equal(as_uint16(unspecified), colours[:, :, :3])
    premultiplied = colours.copy()
    premultiplied[:, :, :3] = (colours[:, :, :3] * (colours[:, :, 3:] / 65535)).round()
    straight = image.load(tiff(premultiplied, tag338=1), as_array=True)
    np.testing.assert_allclose(straight[:, 2:], colours[:, 2:] / 65535, atol=1e-4)


def test_8_bit_files_give_arrays_of_256_levels():
    loaded = image.load(png(scene(9, 7)), as_array=True)
    np.testing.assert_array_equal(loaded, scene(9, 7).astype(np.float32) / np.float32(255))
