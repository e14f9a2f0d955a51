from __future__ import annotations

import os
import zipfile

import archives
import pytest
from PIL import Image

import ml4a
from ml4a.media import image
from ml4a.models.what import Report, examine


def said(report: Report) -> str:
    assert report.verdict == "not weights", report
    return f"{report.kind}: {report.reason}"


def test_pictures_are_told_with_and_without_a_record(tmp_path):
    Image.new("RGB", (8, 123)).save(tmp_path / "a.gif")  # the height is where safetensors has its first brace
    assert said(examine(tmp_path / "a.gif")).startswith("a GIF picture: it carries no record")
    for suffix in ("png", "jpg", "webp", "tif", "bmp"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"a.{suffix}")
        assert "picture" in said(examine(tmp_path / f"a.{suffix}"))
    sketch = ml4a.load("hed")(image.sample("camera").crop((0, 0, 32, 32)))
    image.save(sketch, tmp_path / "sketch.png")
    assert said(examine(tmp_path / "sketch.png")) == "a PNG picture: ml4a made it; `ml4a inspect` tells how"


def test_archives_are_told_with_the_weights_in_them(tmp_path):
    members = {"read.me": b"", "model/net.pth": b"x", "b": b"y"}
    zipped = examine(archives.zipped(tmp_path / "a.zip", members))
    assert said(zipped) == (
        "a zip archive of 3 files, among them model/net.pth: unpack it, and ask about the files in it"
    )
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.comment = b"a commit's hash"
    assert said(examine(tmp_path / "a.zip")) == said(zipped)
    tarred = examine(archives.tarred(tmp_path / "a.tar", members, mode="w"))
    assert said(tarred).startswith("a tar archive of 3 files, among them model/net.pth: unpack it")
    gzipped = examine(archives.tarred(tmp_path / "a.tar.gz", members))
    assert said(gzipped).startswith("a file compressed with gzip: unpack it")
    old = dict.fromkeys(("sys_info", "pickle", "tensors", "storages"), b"x")
    assert "torch before 0.2" in said(examine(archives.tarred(tmp_path / "old.pth", old, mode="w")))


def test_torchscript_is_told_and_refused(tmp_path):
    path = archives.zipped(tmp_path / "net.pt", {"net/data.pkl": b"", "net/code/a.py": b"", "net/constants.pkl": b""})
    assert said(examine(path)) == (
        "TorchScript, which holds code (zip archive): save its state_dict() with torch.save, and use that"
    )


def test_folders_texts_programs_and_devices_are_told(tmp_path):
    (tmp_path / "in").mkdir()
    assert said(examine(tmp_path / "in")) == "a folder without files: name a file in it"
    (tmp_path / "in" / "net.pth").write_bytes(b"x")
    assert said(examine(tmp_path / "in")) == "a folder of 1 file: net.pth: name a file in it"
    for content, words in (
        ("conditional\nfoo\nbar.", "a text"),
        ("\n#\n comment", "a text"),
        ("# Größe …\n" + "ä" * 300, "a text"),
        ("#!/bin/sh\n", "a script"),
        ("BMW and other cars", "a text"),
    ):
        (tmp_path / "a").write_text(content, encoding="utf-8")
        assert said(examine(tmp_path / "a")).startswith(words)
    for data, words in (
        (b"\x7fELF\2\1\1", "a program"),
        (b"GGUF\3\0\0\0", "a language model"),
        (b"\x1c\0\0\0TFL3" + bytes(20), "a TensorFlow Lite network"),
        (b"\x93\x01\xff\xfe" * 9, "nothing that is known here"),
        (b"fLaC\0\0\0\x22", "a sound"),
    ):
        (tmp_path / "a").write_bytes(data)
        assert said(examine(tmp_path / "a")).startswith(words)
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")
        assert said(examine(tmp_path / "pipe")) == "a device or a pipe: name a file"


@pytest.mark.parametrize(
    "data",
    [
        b"cposix\nsystem\n(S'true'\ntR.",
        b"(S'true'\niposix\nsystem\n.",
        b"(cposix\nsystem\nS'true'\no.",
        b"(dp0\nVw\np1\ncbuiltins\neval\np2\n(V1\ntRp3\ns.",
    ],
)
def test_pickles_without_a_magic_number_are_told_from_texts(tmp_path, data):
    (tmp_path / "net.pth").write_bytes(data)
    report = examine(tmp_path / "net.pth")
    assert report.verdict == "unsafe"
    assert "system" in report.reason or "eval" in report.reason
    (tmp_path / "net.pth").write_bytes(data + b"\nThe end.")
    assert examine(tmp_path / "net.pth").verdict != "readable"
    (tmp_path / "net.pth").write_bytes(data[1:])
    assert said(examine(tmp_path / "net.pth")).startswith("a text")
