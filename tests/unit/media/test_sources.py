"""Sources are found, checked and printed safely."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from picture_files import png, scene

from ml4a._core.errors import UnknownName
from ml4a.media import samples, sources


def test_paths_of_any_type_are_located(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(scene(4, 4)))
    for given in (path, str(path), os.fspath(path)):
        assert sources.locate(given) == path
        assert sources.read(given) == path.read_bytes()
    (tmp_path / "link.png").symlink_to(path)
    assert sources.read(tmp_path / "link.png") == path.read_bytes()
    assert sources.read(b"GIF89a") == b"GIF89a"


def test_samples_are_located_by_name():
    assert sources.locate("sample:mosaic") == samples.path("mosaic")
    with pytest.raises(UnknownName, match=r"no sample named 'mosiac'; did you mean 'mosaic'\?"):
        sources.locate("sample:mosiac")


def test_what_has_a_scheme_is_a_url_and_what_only_looks_odd_is_a_path():
    for url in ("http://a/b.png", "HTTPS://a", "ftp://a", "file:/etc/x", "data:,x", "gopher://a"):
        assert sources.is_url(url)
    for path in ("photo.png", "/a/b", "C:\\a.png", "a:b.png", "what?.png", "sample:x", "filename.png"):
        assert not sources.is_url(path)


def test_names_are_printed_without_control_characters_and_in_measure():
    assert sources.shown("photo é 🎨.png") == "photo é 🎨.png"
    assert sources.shown("a\n\x1b[31m\u202e.png") == "a\\n\\x1b[31m\\u202e.png"
    assert sources.shown(os.fsdecode(b"\xff.png")) == "\\udcff.png"
    long = sources.shown(Path("x" * 400))
    assert len(long) == 120
    assert long.isprintable()
    assert sources.shown(b"\x89PNG") == "the picture"
