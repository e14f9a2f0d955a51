"""Run records inside picture files.

A record is JSON in one XMP packet, beside the IPTC field that tells viewers how much of the picture a model made. In
SVG the packet is in the metadata element; in GIFs, which have no place for XMP, the record is the comment. Reading one
back trusts nothing: sizes are bounded, and XML with a document type (and so with entities) is refused.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from ml4a._core import limits
from ml4a._core.devices import say_once
from ml4a._core.errors import BadMedia
from ml4a._core.record import Record

from .. import sources
from . import _decode, _formats

NAMESPACE = "https://ml4a.net/ns/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_PNG_KEYWORD = b"XML:com.adobe.xmp"
_GIF_PREFIX = b"ml4a record "
_SVG_BEGIN, _SVG_END = b"<metadata>", b"</metadata>"
_SVG_HEAD = 1024
_JPEG_SEGMENT = 65502


def packet(record: Record) -> bytes:
    """The XMP packet that carries `record`."""
    text = escape(_ascii(record.to_json()), {"'": "&apos;"})
    source_type = ""
    if record.source_type:
        source_type = f" Iptc4xmpExt:DigitalSourceType='{_SOURCE_TYPES}{escape(record.source_type)}'"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='{_RDF}'>"
        f"<rdf:Description rdf:about='' xmlns:ml4a='{NAMESPACE}' xmlns:Iptc4xmpExt='{_IPTC}'"
        f"{source_type} ml4a:Record='{text}'/>"
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def pillow_options(form: str, record: Record | None) -> dict[str, Any]:
    """What to give Pillow's `save` so that it writes the record. PNG has `insert_into_png`; BMP has no place for it."""
    if record is None or form in ("PNG", "BMP"):
        return {}
    if form == "GIF":
        return {"comment": _GIF_PREFIX + _ascii(record.to_json()).encode()}
    data = packet(record)
    if form == "TIFF":
        return {"tiffinfo": {700: data}}
    if form == "JPEG" and len(data) > _JPEG_SEGMENT:
        say_once("the record is too long for a JPEG and is left out; save as .png to keep it")
        return {}
    return {"xmp": data}


def insert_into_png(png: bytes, record: Record | None) -> bytes:
    """A PNG with the record as its first chunk after the header."""
    if record is None:
        return png
    # Keyword, no compression, no language, no translated keyword: PNG specification, 11.3.3.4.
    body = b"iTXt" + _PNG_KEYWORD + b"\0\0\0\0\0" + packet(record)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    after_header = 8 + 25
    return png[:after_header] + chunk + png[after_header:]


def insert_into_svg(svg: str, record: Record | None) -> str:
    """An SVG document with the record as its first element."""
    if record is None:
        return svg
    begin = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:begin]}\n{_SVG_BEGIN.decode()}{packet(record).decode()}{_SVG_END.decode()}{svg[begin:]}"


def read_record_text(source: str | bytes | os.PathLike[str]) -> str | None:
    """The JSON of the record in a picture file, unchecked (`Record.from_json` checks it), or None if there is none.

    Raises:
        BadMedia: not a picture; its metadata are too large, or ask the XML reader for more than reading.
    """
    name = sources.shown(source)
    data = sources.read(source)
    if _formats.is_svg(data[:_SVG_HEAD]):
        info: dict[Any, Any] = {"xmp": data.partition(_SVG_BEGIN)[2].partition(_SVG_END)[0]}
    else:
        picture = _decode.read_header(data, name).picture
        info = {} if picture is None else picture.info
    comment = info.get("comment", b"")
    if isinstance(comment, bytes) and comment.startswith(_GIF_PREFIX):
        text = comment.removeprefix(_GIF_PREFIX).decode(errors="replace")
    else:
        xmp = info.get("xmp") or b""
        text = _record_in(xmp, name)
    if text is not None and len(text) > limits.RECORD_BYTES:
        raise BadMedia(f"{name} carries a record of more than {limits.RECORD_BYTES >> 10} KiB, which none of ours has")
    return text


def _ascii(text: str) -> str:
    """JSON without the characters that XML forbids; outside its strings JSON has only ASCII."""
    return "".join(char if char.isascii() and char != "\x7f" else json.dumps(char)[1:-1] for char in text)


def _record_in(xmp: bytes, name: str) -> str | None:
    """The record in an XMP packet: our attribute, or the element that other programs may have made of it."""
    if NAMESPACE.encode() not in xmp:
        return None
    largest = 4 * limits.RECORD_BYTES  # other programs add their own to a packet, and escape quotes
    if len(xmp) > largest:
        raise BadMedia(f"{name} carries more than {largest >> 10} KiB of XMP")
    key = f"{NAMESPACE} Record"
    found: list[str] = []
    inside: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        inside.append(tag)
        found.extend([attributes[key]] if key in attributes else [""] if tag == key else [])

    def characters(text: str) -> None:
        if inside and inside[-1] == key:
            found[-1] += text

    def refuse(*_: Any) -> None:
        raise BadMedia(f"{name} carries XMP with a document type, which could make the reader expand entities")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: inside.pop()
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(xmp.rstrip(b"\0"), True)
    except expat.ExpatError:
        return None
    return found[0] if found else None
