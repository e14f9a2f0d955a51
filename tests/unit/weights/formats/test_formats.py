from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from ml4a._core.errors import BadWeights, NotFound, UnknownName
from ml4a.weights import formats, schema

JUNK = {
    "empty": (b"", "is empty"),
    "a page": (b"\n<!DOCTYPE html>\n<html><head><title>Quota exceeded</title></head></html>", "is a web page"),
    "an XML error": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git-lfs pointer"),
    "a tar": (b"pickle".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0"), "is a tar archive, as torch before 0.2"),
    "a photo": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "none of the formats"),
    "a bare pickle": (b"\x80\x04cos\nsystem\n.", r"(asks for os\.system|is in the format stylegan, not torch)"),
    "a .bin": (b"\x47\x6b\x30\x01" + bytes(20), "second file of an ncnn network"),
}


@pytest.mark.parametrize("name", JUNK)
@pytest.mark.parametrize("format", [None, "torch"])
def test_what_is_no_weights_file_is_named(tmp_path, read, name, format):
    content, message = JUNK[name]
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=f"weights.pth:? .*{message}"):
        read(path, format)


@pytest.mark.parametrize("name", formats.FORMATS)
@pytest.mark.parametrize("junk", ["empty", "a page", "a pointer"])
def test_each_reader_names_it_too(tmp_path, name, junk):
    content, message = JUNK[junk]
    path = tmp_path / "weights"
    path.write_bytes(content)
    reader = __import__(f"ml4a.weights.formats.{name}", fromlist=["read"]).read
    with pytest.raises(BadWeights, match=message):
        reader(path, path) if name in formats.PAIRS else reader(path)


def test_the_suffix_does_not_matter(tmp_path):
    path = tmp_path / "weights.onnx"
    safetensors.numpy.save_file({"a": np.ones(3, np.float32)}, path)
    assert formats.identify(path) == "safetensors"


def test_another_format_than_the_one_asked_for_is_refused_by_both_names(tmp_path, read):
    path = tmp_path / "weights.onnx"
    safetensors.numpy.save_file({"a": np.ones(3, np.float32)}, path)
    with pytest.raises(BadWeights, match="in the format safetensors, not onnx"):
        read(path, "onnx")


def test_cards_may_name_every_format():
    assert set(formats.FORMATS) <= set(schema.FORMATS)


def test_an_unknown_format_suggests_a_known_one(tmp_path, read):
    with pytest.raises(UnknownName, match="did you mean 'safetensors'"):
        read(tmp_path / "a", "safetensor")


def test_a_missing_file_is_not_found(tmp_path, read):
    with pytest.raises(NotFound, match=r"no weights file .*nothing\.pth"):
        read(tmp_path / "nothing.pth")


def test_a_folder_or_a_pipe_is_refused_without_waiting(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(BadWeights, match="a folder, a device or a pipe"):
            read(path)


def test_a_pair_is_for_formats_of_two_files_and_for_nothing_else(tmp_path, read):
    single, param = tmp_path / "a.safetensors", tmp_path / "a.param"
    safetensors.numpy.save_file({"a": np.ones(3, np.float32)}, single)
    param.write_text("7767517\n0 0\n")
    with pytest.raises(BadWeights, match=r"a\.safetensors: weights in the format safetensors are one file, not a pair"):
        read((single, single))
    with pytest.raises(BadWeights, match=r"a\.param: weights in the format ncnn are the pair \(\.param, \.bin\)"):
        read(param)


def test_reading_safetensors_loads_neither_torch_nor_the_other_readers(tmp_path):
    path = tmp_path / "weights"
    safetensors.numpy.save_file({"a": np.ones(3, np.float32)}, path)
    program = (
        "import sys; from ml4a.weights import formats; formats.read(sys.argv[1]);"
        "print([m for m in ('torch', 'h5py', 'ml4a.weights.formats.torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
