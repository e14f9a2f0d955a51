"""Any picture file becomes upright sRGB pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from picture_files import deep_scene, exif, png, png_chunk, scene, stored, tiff
from PIL import Image

from ml4a._core.errors import BadMedia, BadValue
from ml4a.media import image, provenance


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def four_blocks() -> np.ndarray:
    """Four flat colours side by side, which lossy formats keep."""
    colours = np.array([(200, 40, 30), (30, 180, 60), (40, 60, 200), (240, 230, 90)], np.uint8)
    return np.ascontiguousarray(np.broadcast_to(colours.repeat(24, axis=0), (32, 96, 3)))


def as_uint16(array: np.ndarray) -> np.ndarray:
    return (array * 65535).round().astype(np.uint16)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_every_exif_orientation_comes_out_upright_and_is_forgotten(form, orientation):
    upright = scene(13, 9)
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(Image.fromarray(stored(upright, orientation)), form, exif=turned(orientation), **options)
    loaded = image.load(data)
    np.testing.assert_array_equal(np.asarray(loaded), upright)
    assert loaded.getexif().get(0x0112) is None
    assert image.size(data) == (13, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "AVIF"])
def test_every_exif_orientation_of_lossy_formats_comes_out_upright(form, orientation):
    upright = four_blocks()
    data = encoded(Image.fromarray(stored(upright, orientation)), form, exif=turned(orientation), quality=95)
    loaded = np.asarray(image.load(data)).astype(int)
    assert loaded.shape == upright.shape
    for left in (0, 24, 48, 72):
        assert np.abs(loaded - upright)[4:28, left + 6 : left + 18].max() <= 10
    assert image.size(data) == (96, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_exif_orientation_of_16_bit_pictures_comes_out_upright(channels, orientation):
    upright = deep_scene(7, 5, 4)[:, :, :channels]
    expected = upright if channels > 1 else upright.repeat(3, axis=2)
    for data in (
        png(stored(upright, orientation), png_chunk(b"eXIf", exif(orientation))),
        tiff(stored(upright, orientation), tag274=orientation),
    ):
        np.testing.assert_array_equal(as_uint16(image.load(data, as_array=True)), expected)
        assert image.size(data) == (7, 5)


def test_exif_behind_the_pixels_of_a_png_counts_too():
    upright = scene(13, 9)
    data = png(stored(upright, 6))
    end = data.index(b"IEND") - 4
    data = data[:end] + png_chunk(b"eXIf", exif(6)) + data[end:]
    np.testing.assert_array_equal(np.asarray(image.load(data)), upright)
    assert image.size(data) == (13, 9)


def test_an_orientation_that_only_the_xmp_of_a_png_has_counts_too():
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/' tiff:Orientation=\"6\"/>"
    data = png(stored(scene(13, 9), 6), png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    np.testing.assert_array_equal(np.asarray(image.load(data)), scene(13, 9))
    assert image.size(data) == (13, 9)


def test_broken_exif_data_do_not_cost_the_picture():
    data = png(scene(13, 9), png_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"))
    np.testing.assert_array_equal(np.asarray(image.load(data)), scene(13, 9))


def test_grey_one_bit_and_palette_pictures_become_rgb():
    grey = Image.fromarray(scene(20, 10)[:, :, 0])
    for mode in ("L", "1", "P"):
        original = grey.convert(mode)
        loaded = image.load(encoded(original, "PNG"))
        assert loaded.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(loaded), np.asarray(original.convert("RGB")))


def test_alpha_survives_in_every_form_that_files_have_for_it():
    colours = Image.fromarray(scene(20, 10, 4))
    grey = colours.convert("LA")
    palette = colours.convert("RGB").quantize(16)
    palette.info["transparency"] = bytes([0, 128, *[255] * 14])
    key = scene(20, 10)[3, 4]
    one_colour = png(scene(20, 10), png_chunk(b"tRNS", b"".join(bytes([0, value]) for value in key)))
    for data, alpha in (
        (encoded(colours, "PNG"), np.asarray(colours)[:, :, 3]),
        (encoded(colours, "WEBP", lossless=True), np.asarray(colours)[:, :, 3]),
        (encoded(colours, "TIFF"), np.asarray(colours)[:, :, 3]),
        (encoded(colours, "AVIF", quality=100), np.asarray(colours)[:, :, 3]),
        (encoded(grey, "PNG"), np.asarray(grey)[:, :, 1]),
        (encoded(palette, "PNG"), np.array([0, 128, *[255] * 14], np.uint8)[np.asarray(palette)]),
        (one_colour, np.where((scene(20, 10) == key).all(axis=2), 0, 255)),
    ):
        loaded = image.load(data)
        assert loaded.mode == "RGBA"
        np.testing.assert_allclose(np.asarray(loaded)[:, :, 3], alpha, atol=1)
        assert (np.asarray(loaded)[:, :, 3] < 255).any()


def test_premultiplied_alpha_is_undone():
    straight = np.array([[[200, 100, 50, 128], [10, 20, 30, 255]]], np.uint8)
    premultiplied = straight.copy()
    premultiplied[:, :, :3] = (straight[:, :, :3] * (straight[:, :, 3:] / 255)).round()
    loaded = np.asarray(image.load(tiff(premultiplied, tag338=1)))
    np.testing.assert_allclose(loaded, straight, atol=2)


def test_only_the_first_frame_of_an_animation_is_read():
    first, second = Image.fromarray(scene(24, 16)).quantize(64), Image.new("P", (24, 16))
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    np.testing.assert_array_equal(np.asarray(image.load(data)), np.asarray(first.convert("RGB")))
    pictures = [Image.fromarray(scene(24, 16, seed=seed)) for seed in (1, 2)]
    for form, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        data = encoded(pictures[0], form, save_all=True, append_images=pictures[1:], **options)
        np.testing.assert_array_equal(np.asarray(image.load(data)), np.asarray(pictures[0]))


@pytest.mark.parametrize("as_array", [False, True])
def test_autocrop_keeps_the_proportions(as_array):
    circle = np.zeros((60, 100, 3), np.uint8)
    y, x = np.mgrid[0:60, 0:100]
    circle[(x - 49.5) ** 2 + (y - 29.5) ** 2 < 12**2] = 255
    data = png(circle)

    def extent(size: tuple[int, int], autocrop: bool) -> list[int]:
        array = np.asarray(image.load(data, size, as_array=as_array, autocrop=autocrop))[:, :, 0]
        assert array.shape == size[::-1]
        return [int((array.max(axis=axis) > array.max() / 2).sum()) for axis in (0, 1)]

    for size in ((50, 50), (30, 60), (120, 60)):
        width, height = extent(size, autocrop=True)
        assert abs(width - height) <= 1
    assert extent((50, 50), autocrop=False)[0] < 0.7 * extent((50, 50), autocrop=False)[1]
    whole = image.load(data, 30, as_array=as_array)
    np.testing.assert_array_equal(image.load(data, 30, as_array=as_array, autocrop=True), whole)
    assert np.asarray(image.load(data, as_array=as_array, autocrop=True)).shape == (60, 100, 3)


def test_a_record_knows_how_a_file_was_loaded():
    data = png(scene(20, 10))
    origin = provenance.origin_of(image.load(data, (8, 8), autocrop=True))
    assert dict(origin.options) == {"size": (8, 8), "autocrop": True}
    assert dict(provenance.origin_of(image.load(data, (8, 8))).options) == {"size": (8, 8)}


def test_a_number_is_the_height_and_a_pair_is_exact():
    for width, height, size, expected in ((60, 40, 33, 49), (61, 40, 33, 50), (1023, 767, 256, 341), (3, 2, 1, 1)):
        data = encoded(Image.new("RGB", (width, height)), "PNG")
        assert image.load(data, size=size).size == (expected, size)
    data = encoded(Image.new("RGB", (60, 40)), "PNG")
    assert image.load(data, size=(40, 60)).size == (40, 60)
    assert image.load(data, size=(7, 5), as_array=True).shape == (5, 7, 3)


@pytest.mark.parametrize("size", [0, -3, True, 2.5, (3,), (3, 0), (3, 4, 5), "big"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(BadValue, match="size must be a height"):
        image.load(Image.new("RGB", (4, 4)), size=size)


@pytest.mark.parametrize("size", [(1, 1), (20000, 1), (1, 20000)])
def test_the_smallest_and_the_thinnest_pictures_load(size, tmp_path):
    path = image.save(Image.fromarray(scene(*size)), tmp_path / "thin.png")
    np.testing.assert_array_equal(np.asarray(image.load(path)), scene(*size))


def test_a_picture_from_a_file_remembers_the_file_and_one_that_was_changed_does_not(tmp_path, monkeypatch):
    path = image.save(Image.fromarray(scene(20, 10)), tmp_path / "photo.png")
    loaded = image.load(path, size=8)
    seen = provenance.as_input(loaded, "picture")
    assert (seen.kind, seen.options, seen.size) == ("file", {"size": 8}, "16x8")
    assert seen.sha256 == image.file_input(path).sha256
    loaded.putpixel((0, 0), (1, 2, 3))
    assert provenance.as_input(loaded, "picture").kind == "pixels"
    monkeypatch.setenv("ML4A_RECORD", "0")
    assert provenance.as_input(image.load(path), "picture").kind == "pixels"


def test_load_deep_keeps_what_the_file_has_and_says_how_many_bits(tmp_path):
    deep, shallow = tmp_path / "deep.png", tmp_path / "shallow.png"
    deep.write_bytes(png(deep_scene(9, 7)))
    shallow.write_bytes(png(scene(9, 7)))
    picture, bits = image.load_deep(deep)
    assert bits == 16
    np.testing.assert_array_equal(as_uint16(picture), deep_scene(9, 7))
    picture, bits = image.load_deep(shallow)
    assert (bits, picture.mode) == (8, "RGB")
    array = np.zeros((2, 2, 3), np.float32)
    picture, bits = image.load_deep(array)
    assert picture is array
    assert bits == 8


def test_a_file_input_is_described_upright(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(scene(32, 16)), "JPEG", exif=turned(6)))
    assert image.file_input(path).size == "16x32"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF"])
def test_a_picture_cut_short_is_an_error_unless_it_may_be_salvaged(form, tmp_path):
    original = Image.fromarray(scene(200, 150))
    if form == "GIF":
        original = original.quantize(64)
    path = tmp_path / "cut.bin"
    options = {"interlace": 0} if form == "GIF" else {}
    whole = encoded(original, form, **options)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadMedia, match=r"cut\.bin is broken or cut short.*allow_truncated"):
        image.load(path)
    salvaged = image.load(path, allow_truncated=True)
    assert salvaged.size == (200, 150)
    reference = np.asarray(image.load(whole)).astype(int)
    assert np.abs(np.asarray(salvaged).astype(int) - reference)[:20].mean() < 3


def test_a_16_bit_png_cut_short_is_an_error_unless_it_may_be_salvaged_in_8_bits(capfd):
    data = png(deep_scene(60, 50))
    for cut in (data[: len(data) // 2], data[:-12]):
        with pytest.raises(BadMedia, match="broken or cut short"):
            image.load(cut, as_array=True)
    salvaged = image.load(data[: len(data) // 2], as_array=True, allow_truncated=True)
    np.testing.assert_allclose(salvaged[:10], deep_scene(60, 50)[:10] / 65535, atol=1 / 255)
    assert capfd.readouterr() == ("", "")
