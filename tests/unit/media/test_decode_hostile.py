"""What is no picture, or would be too large, is refused in one line and before it costs anything."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import peak_memory
import pytest
from lying_server import Answer
from picture_files import deep_scene, png, png_bomb, scene, tiff
from PIL import Image

from ml4a._core import limits
from ml4a._core.errors import BadMedia, BadValue, NotFound, TooLarge, UnsafeURL
from ml4a.media import image


def jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2\x44\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + frame + b";"


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png_bomb(), "30000x30000 = 900,000,000"),
        (jpeg(65535, 65535), "65535x65535 = 4,294,836,225"),
        (tiff(scene(4, 4), tag256=40000, tag257=40000), "40000x40000 = 1,600,000,000"),
        (tiff(deep_scene(4, 4), tag256=40000, tag257=40000), "40000x40000 = 1,600,000,000"),
        (b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 50000, 50000, 1, 24, 0, 0, 0, 0, 0, 0), "50000x50000"),
        (gif(60000, 60000), "60000x60000"),
    ],
    ids=["png", "jpeg", "tiff", "deep tiff", "bmp", "gif"],
)
@pytest.mark.parametrize("read", [image.load, image.size, image.load_deep])
def test_too_many_pixels_are_refused_by_the_header_naming_them_and_the_limit(data, size, read, tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    assert len(data) < 20_000
    with pytest.raises(TooLarge, match=rf"bomb\.png has .*{size}.*200,000,000"):
        read(path)


def test_a_bomb_takes_no_memory():
    script = (
        "import sys; from pathlib import Path; from ml4a.media import image\n"
        "try: image.load(Path(sys.argv[1]))\n"
        f"except ValueError: print({peak_memory.EXPRESSION} // 1024)"
    )
    home = Path(os.environ["ML4A_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    bomb = home / "bomb.png"
    bomb.write_bytes(png_bomb())
    done = subprocess.run([sys.executable, "-c", script, str(bomb)], capture_output=True, text=True, check=True)
    bomb.unlink()
    assert int(done.stdout) < 300


def test_between_pillows_own_guard_and_our_limit_nothing_warns():
    assert image.size(png_bomb(12000)) == (12000, 12000)


def test_the_limit_can_be_raised_and_lowered(monkeypatch):
    data = png(scene(20, 20))
    monkeypatch.setattr(limits, "PICTURE_PIXELS", 399)
    with pytest.raises(TooLarge, match="400 pixels"):
        image.load(data)
    monkeypatch.setattr(limits, "PICTURE_PIXELS", 400)
    assert image.load(data).size == (20, 20)


def test_a_file_of_too_many_bytes_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "long.png"
    path.write_bytes(png(scene(20, 20)) + bytes(1 << 20))
    monkeypatch.setattr(limits, "PICTURE_BYTES", 1 << 20)
    with pytest.raises(TooLarge, match=r"long\.png is larger than 1 MiB"):
        image.load(path)


def test_sizes_asked_for_are_capped_too():
    with pytest.raises(TooLarge, match="100000x100000"):
        image.load(scene(4, 4), size=100_000)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7 \n", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><svg/>", "an XML file"),
        (b"<!doctype html><p>404", "a web page"),
        (b"MZ\x90\0", "a program"),
        (b"\x7fELF\2\1", "a program"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "a HEIC picture"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "a film"),
        (b"hello, this is text", "no picture"),
        (b"qoif\0\0\0\1\0\0\0\1\3\0", "no picture"),
    ],
)
def test_other_files_that_call_themselves_png_are_recognised(content, words, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(BadMedia, match=rf"photo\.png is {words}, whatever its name says"):
        image.load(path)


def test_a_picture_under_another_pictures_name_is_read_as_what_it_is(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(png(scene(20, 10)))
    np.testing.assert_array_equal(np.asarray(image.load(path)), scene(20, 10))


def test_a_tiff_of_a_rare_kind_is_named():
    with pytest.raises(BadMedia, match=r"TIFF of a rare kind .2 channels of 16 bits.*save it as PNG"):
        image.load(tiff(deep_scene(5, 4)[:, :, :2].copy(), tag262=1, tag338=2))
    size = 5 * 4 * 2
    with pytest.raises(BadMedia, match=r"TIFF of a rare kind .3 channels of 16 bits in planes"):
        image.load(tiff(deep_scene(5, 4), tag284=2, tag273=(0, size, 2 * size), tag279=(size, size, size)))


@pytest.mark.parametrize("seed", range(40))
def test_damaged_pictures_give_pixels_or_our_own_error(seed, capfd):
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    form = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "DEEP")[seed % 8]
    if form != "DEEP":
        Image.fromarray(scene(40, 30)).save(buffer, form)
    data = bytearray(buffer.getvalue() or png(deep_scene(40, 30)))
    for place in rng.integers(0, len(data), 12):
        data[place] = rng.integers(256)
    try:
        loaded = image.load(bytes(data), as_array=True)
    except BadMedia as error:
        assert "\n" not in str(error)
    else:
        assert loaded.dtype == np.float32
        assert loaded.min() >= 0
        assert loaded.max() <= 1
    assert "Traceback" not in capfd.readouterr().err


def test_missing_empty_and_dangling_files_are_named(tmp_path):
    with pytest.raises(NotFound, match=r"nothing\.png does not exist"):
        image.load(tmp_path / "nothing.png")
    with pytest.raises(FileNotFoundError):
        image.load(tmp_path / "nothing.png" / "deeper.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(BadMedia, match=r"empty\.png is empty"):
        image.load(tmp_path / "empty.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(NotFound, match=r"link\.png is a link to nothing"):
        image.load(tmp_path / "link.png")
    with pytest.raises(BadMedia, match="is a folder"):
        image.load(tmp_path)
    with pytest.raises(BadMedia, match="name is too long"):
        image.load(tmp_path / ("x" * 300 + ".png"))
    with pytest.raises(BadValue, match="cannot be the name of a file"):
        image.load("a\0b.png")


def test_pipes_and_devices_are_refused_without_waiting_for_them(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(BadMedia, match="is a pipe or a device"):
            image.load(path)


def test_names_that_are_no_utf_8_load_and_are_printed_safely(tmp_path):
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9\x1b[31m.png")
    with open(name, "wb") as file:
        file.write(png(scene(5, 4)))
    for path in (Path(os.fsdecode(name)), os.fsdecode(name)):
        assert image.load(path).size == (5, 4)
    os.truncate(name, 60)
    with pytest.raises(BadMedia) as caught:
        image.load(os.fsdecode(name))
    message = str(caught.value)
    assert message.isprintable()
    message.encode()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a.org/b.png", "data:image/png;base64,AAAA", "FILE:/etc/x"]
)
def test_addresses_other_than_http_are_refused(url):
    with pytest.raises(UnsafeURL):
        image.load(url)


def test_a_picture_from_this_machines_own_network_is_refused(server):
    url = server.put("/photo.png", Answer(png(scene(5, 4))))
    for address in (url, url.replace("127.0.0.1", "2130706433"), "http://[::1]/photo.png"):
        with pytest.raises(UnsafeURL):
            image.load(address)
    assert server.requests == []
