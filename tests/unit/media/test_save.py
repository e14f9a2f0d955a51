"""Pictures are written whole, in the format that the name asks for, and nothing is lost in silence."""

from __future__ import annotations

import io
import os
import struct

import numpy as np
import pytest
from picture_files import deep_scene, display_p3, scene
from PIL import Image

from ml4a._core.errors import BadValue, CannotWrite, OutputExists
from ml4a.media import image


@pytest.mark.parametrize(
    ("suffix", "form"),
    [(".png", "PNG"), (".JPG", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP"), (".tif", "TIFF"), (".tiff", "TIFF"),
     (".gif", "GIF"), (".bmp", "BMP"), (".avif", "AVIF")],
)  # fmt: skip
def test_the_suffix_chooses_the_format(suffix, form, tmp_path):
    path = image.save(scene(40, 30), tmp_path / f"photo{suffix}")
    with Image.open(path) as opened:
        assert opened.format == form
    slack = {"JPEG": 4, "WEBP": 6, "AVIF": 6, "GIF": 8}.get(form, 0)
    difference = np.abs(np.asarray(image.load(path)).astype(int) - scene(40, 30))
    assert difference.mean() <= slack
    if not slack:
        assert difference.max() == 0


def test_an_unknown_suffix_is_refused_and_known_ones_are_named(tmp_path):
    for name in ("photo.xcf", "photo", "photo.png.exe"):
        with pytest.raises(BadValue, match=r"must end in one of \.png, \.jpg"):
            image.save(scene(4, 4), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif"])
def test_alpha_survives(suffix, tmp_path):
    path = image.save(scene(40, 30, 4), tmp_path / f"photo{suffix}", quality=100)
    np.testing.assert_allclose(np.asarray(image.load(path))[:, :, 3], scene(40, 30, 4)[:, :, 3], atol=2)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_the_colours_of_transparent_pixels_survive(suffix, tmp_path):
    hidden = scene(40, 30, 4)
    hidden[:, :, 3] = 0
    path = image.save(hidden, tmp_path / f"photo{suffix}", quality=100)
    np.testing.assert_array_equal(np.asarray(image.load(path)), hidden)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_alpha_get_the_picture_on_white(suffix, tmp_path):
    picture = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 16, 32))
    loaded = np.asarray(image.load(image.save(picture, tmp_path / f"photo{suffix}")))
    np.testing.assert_allclose(loaded[16, 24], 255, atol=3)
    np.testing.assert_allclose(loaded[16, 8], (0, 0, 255), atol=3)


def test_gif_keeps_full_transparency(tmp_path):
    picture = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 8, 16))
    loaded = np.asarray(image.load(image.save(picture, tmp_path / "photo.gif")))
    assert loaded[8, 12, 3] == 0
    assert loaded[8, 4].tolist() == [0, 0, 255, 255]


def test_quality_is_heeded(tmp_path):
    for suffix in (".jpg", ".webp", ".avif"):
        sizes = [len(image.encode(scene(80, 60), suffix, quality=quality)) for quality in (20, 60, 95)]
        assert sizes == sorted(sizes)
        assert sizes[0] < 0.7 * sizes[2]
    lossless = image.load(image.encode(scene(80, 60), ".webp", quality=100))
    np.testing.assert_array_equal(np.asarray(lossless), scene(80, 60))
    for wrong in (0, 101, 9.5, "best"):
        with pytest.raises(BadValue, match="quality must be"):
            image.encode(scene(4, 4), ".jpg", quality=wrong)


def test_jpeg_keeps_full_colour_resolution():
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    loaded = np.asarray(image.load(image.encode(stripes, ".jpg"))).astype(int)
    assert np.abs(loaded - stripes).mean() < 12


def test_16_bits_are_refused_where_they_would_be_lost(tmp_path):
    with pytest.raises(BadValue, match="JPEG with bits=16 is not possible"):
        image.save(deep_scene(4, 4), tmp_path / "deep.jpg", bits=16)
    with pytest.raises(BadValue, match="bits=12"):
        image.save(deep_scene(4, 4), tmp_path / "deep.png", bits=12)
    assert image.most_bits("deep.TIF") == image.most_bits("deep.png") == 16
    assert image.most_bits("deep.jpg") == 8
    assert list(tmp_path.iterdir()) == []


def test_8_bit_pictures_saved_in_16_bits_stay_what_they_were():
    loaded = image.load(image.encode(Image.fromarray(scene(9, 7)), bits=16))
    np.testing.assert_array_equal(np.asarray(loaded), scene(9, 7))


def test_metadata_of_the_source_are_not_copied(tmp_path):
    picture = Image.fromarray(scene(20, 10))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera & Sons", 6
    picture.save(tmp_path / "photo.jpg", exif=exif, icc_profile=display_p3(), comment=b"do not tell", dpi=(300, 300))
    with Image.open(tmp_path / "photo.jpg") as opened:
        for suffix in (".jpg", ".png", ".tif", ".webp", ".avif", ".gif"):
            data = image.encode(opened, suffix)
            with Image.open(io.BytesIO(data)) as again:
                assert not {"icc_profile", "comment", "exif", "xmp"} & again.info.keys()
                assert again.getexif().get(0x010F) is None
            assert b"Camera" not in data


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16384), (".jpg", 65501), (".gif", 65536)])
def test_what_a_format_cannot_hold_is_said(suffix, side):
    with pytest.raises(BadValue, match=rf"at most {side - 1} px a side, not {side}x1; save as \.png"):
        image.encode(np.zeros((1, side, 3), np.uint8), suffix)
    assert image.size(image.encode(np.zeros((1, side - 1, 3), np.uint8), suffix)) == (side - 1, 1)


def test_an_existing_file_is_replaced_only_if_allowed(tmp_path):
    path = image.save(scene(4, 4), tmp_path / "a" / "b" / "photo.png")
    before = path.read_bytes()
    with pytest.raises(OutputExists, match="exists"):
        image.save(scene(8, 8), path, overwrite=False)
    assert path.read_bytes() == before
    image.save(scene(8, 8), path)
    assert image.size(path) == (8, 8)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputExists, match="is a folder"):
        image.save(scene(4, 4), tmp_path / "folder.png")


def test_a_picture_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="cannot make the folder"):
        image.save(scene(4, 4), tmp_path / "file" / "photo.png")
    with pytest.raises(BadValue):
        image.save(np.full((4, 4, 3), 9.0), tmp_path / "wrong.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_strange_names_are_written(tmp_path):
    for name in ("-rf.png", "a b;$(id)\n.png", "🎨.png", os.fsdecode(b"caf\xe9.png")):
        path = image.save(scene(4, 4), tmp_path / name)
        assert path.name == name
        assert image.size(path) == (4, 4)


def test_encoded_bytes_are_what_save_writes(tmp_path):
    path = image.save(scene(9, 7), tmp_path / "photo.png")
    assert image.encode(scene(9, 7), ".png") == path.read_bytes()
    assert struct.unpack(">II", image.encode(scene(9, 7))[16:24]) == (9, 7)
