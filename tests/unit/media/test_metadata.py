"""The record of what made a picture goes into the file, and comes back as data and nothing else."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from picture_files import deep_scene, png, png_chunk, scene
from PIL import Image

from ml4a._core import limits
from ml4a._core.errors import BadMedia
from ml4a._core.record import Record
from ml4a.media import image, provenance
from ml4a.media.image import _metadata

HOSTILE = """</rdf:Description> <!-- ]]> &amp; '"\\ \x07\x1b[2J é 🎨 \ufffe \u2028"""


def record(**changes: object) -> Record:
    fields = {
        "model": "fast_style", "operation": "__call__", "weights": "magenta", "digests": {"network": "ab" * 32},
        "parameters": {"strength": 0.5, "style": HOSTILE}, "seed": 7, "device": "cpu", "dtype": "float32",
        "inputs": (), "versions": {"ml4a": "1.0"}, "source_type": "algorithmicallyEnhanced",
    }  # fmt: skip
    return Record(**{**fields, **changes})


def xmp(body: str) -> bytes:
    """A PNG with this XMP."""
    return png(scene(4, 4), png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + body.encode()))


def packet(attributes: str, inside: str = "") -> str:
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    names = f"xmlns:m='{_metadata.NAMESPACE}' xmlns:r='{rdf}'"
    return f"<r:RDF {names}><r:Description {attributes}>{inside}</r:Description></r:RDF>"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif", ".gif"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_record_survives_in_every_format_that_can_hold_one(suffix, mode, tmp_path):
    picture = Image.fromarray(scene(20, 10)).convert(mode)
    provenance.mark(picture, record())
    path = image.save(picture, tmp_path / f"work{suffix}")
    assert Record.from_json(image.read_record_text(path)) == record()
    bare = image.load(image.save(Image.fromarray(scene(20, 10)).convert(mode), tmp_path / f"bare{suffix}"))
    np.testing.assert_array_equal(np.asarray(image.load(path)), np.asarray(bare))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_record_survives_in_16_bit_files(suffix):
    data = image.encode(deep_scene(20, 10), suffix, bits=16, record=record())
    assert Record.from_json(image.read_record_text(data)) == record()
    np.testing.assert_array_equal((image.load(data, as_array=True) * 65535).round(), deep_scene(20, 10))


def test_the_source_type_is_the_iptc_field_that_viewers_know():
    with Image.open(io.BytesIO(image.encode(scene(8, 8), record=record()))) as opened:
        description = ET.fromstring(opened.info["xmp"])[0][0].attrib
    source_type = description["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
    assert source_type == "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
    assert Record.from_json(description[f"{{{_metadata.NAMESPACE}}}Record"]) == record()


def test_a_png_has_exactly_one_packet_before_its_pixels():
    data = image.encode(scene(8, 8), record=record())
    assert data.count(b"XML:com.adobe.xmp") == 1
    assert data.index(b"iTXt") < data.index(b"IDAT")
    with Image.open(io.BytesIO(data)) as opened:
        opened.verify()


def test_no_record_is_written_without_one_or_where_records_are_off(monkeypatch):
    assert image.read_record_text(image.encode(scene(8, 8))) is None
    picture = Image.fromarray(scene(8, 8))
    provenance.mark(picture, record())
    picture.putpixel((0, 0), (1, 2, 3))
    assert image.read_record_text(image.encode(picture)) is None
    monkeypatch.setenv("ML4A_RECORD", "0")
    assert image.read_record_text(image.encode(scene(8, 8), record=record())) is None


def test_a_loaded_picture_does_not_pass_its_files_record_on(tmp_path):
    path = image.save(scene(8, 8), tmp_path / "work.png", record=record())
    assert image.read_record_text(image.encode(image.load(path))) is None


def test_a_record_too_long_for_a_jpeg_is_left_out_and_said(caplog):
    long = record(parameters={f"note{n}": "x" * 400 for n in range(400)})
    data = image.encode(scene(8, 8), ".jpg", record=long)
    assert image.read_record_text(data) is None
    assert "too long for a JPEG" in caplog.text


def test_a_record_that_another_program_turned_into_an_element_is_found():
    text = "{&quot;format&quot;:1}"
    assert image.read_record_text(xmp(packet(f"m:Record='{text}'"))) == '{"format":1}'
    assert image.read_record_text(xmp(packet("", f"<m:Record>{text}</m:Record>"))) == '{"format":1}'


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE x SYSTEM 'http://127.0.0.1/x.dtd'>",
    ],
)
def test_xml_that_declares_a_document_type_is_refused(declaration):
    with pytest.raises(BadMedia, match="document type"):
        image.read_record_text(xmp(declaration + packet("m:Record='&a;'")))


def test_broken_or_foreign_xmp_is_no_record():
    for body in ("", "<x", packet("m:Other='1'"), packet("m:Record='1'")[:-9], "\0" * 50):
        assert image.read_record_text(xmp(body)) is None


def test_records_beyond_the_limit_are_refused(monkeypatch):
    text = "x" * 5000
    monkeypatch.setattr(limits, "RECORD_BYTES", 4000)
    with pytest.raises(BadMedia, match="a record of more than"):
        image.read_record_text(xmp(packet(f"m:Record='{text}'")))
    with pytest.raises(BadMedia, match="a record of more than"):
        image.read_record_text(gif_comment(b"ml4a record " + text.encode()))


def test_xmp_beyond_the_limit_is_not_even_parsed():
    body = packet("m:Record='1'") + " " * 1_100_000
    buffer = io.BytesIO()
    Image.fromarray(scene(8, 8)).save(buffer, "WEBP", xmp=body.encode())
    with pytest.raises(BadMedia, match="KiB of XMP"):
        image.read_record_text(buffer.getvalue())


def test_a_picture_without_metadata_or_no_picture_at_all():
    assert image.read_record_text(png(scene(4, 4))) is None
    with pytest.raises(BadMedia, match="no picture"):
        image.read_record_text(b"hello")


def gif_comment(comment: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene(8, 8)).save(buffer, "GIF", comment=comment)
    return buffer.getvalue()
