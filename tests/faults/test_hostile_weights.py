"""Hostile, broken and odd weights files: read or refused in words, in time, in little memory, and nothing is run."""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import containers
import h5py
import numpy as np
import onnx
import pytest
import tf_files
import torch
import weights_files
from onnx import TensorProto, helper, numpy_helper
from reading_watch import SLOWEST, refused, watched_read, watching

from ml4a._core.errors import BadWeights
from ml4a.weights import formats

# -- Whatever is in a file, reading it does nothing else ---------------------------------------------------------------


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_a_sound_file_is_read_and_nothing_else_happens(tmp_path, name):
    archive = watched_read(weights_files.SAVE[name](tmp_path))
    assert archive.tensors
    assert archive.not_finite() == []


def test_the_watch_sees_what_it_should(tmp_path):
    with watching() as seen:
        exec("import this_is_not_there" if False else "pass")
        (tmp_path / "written").write_bytes(b"")
        eval("1")
        os.mkdir(tmp_path / "folder")
    events = " ".join(seen)
    for event in ("exec", "compile", "open", "os.mkdir"):
        assert event in events


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_a_file_that_is_cut_short_anywhere_is_refused(tmp_path, name):
    source = weights_files.SAVE[name](tmp_path)
    whole = {key: array.copy() for key, array in formats.read(source).arrays().items()}
    for part in source if isinstance(source, tuple) else (source,):
        path = Path(part)
        data = path.read_bytes()
        assert len(data) < 1 << 16
        for end in sorted({*range(40), *range(0, len(data), 64), len(data) - 1}):
            path.write_bytes(data[:end])
            started = time.process_time()
            try:
                found = formats.read(source).arrays()
            except BadWeights:
                found = None
            assert time.process_time() - started < SLOWEST
            if found is not None:
                # A graph may end after any node, and a list of layers without its last line's end.
                assert name in ("tf_graph", "ncnn")
                assert all((array == whole[key]).all() for key, array in found.items())
        path.write_bytes(data)


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_a_file_of_which_a_few_bytes_changed_is_read_or_refused(tmp_path, name):
    random = np.random.default_rng(0)
    source = weights_files.SAVE[name](tmp_path)
    for part in source if isinstance(source, tuple) else (source,):
        path = Path(part)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            data = whole.copy()
            places = random.integers(0, len(data), random.integers(1, 5))
            data[places] = random.integers(0, 256, len(places))
            path.write_bytes(data.tobytes())
            started = time.process_time()
            with watching() as seen:
                with contextlib.suppress(BadWeights):
                    formats.read(source).arrays()
            assert not seen, seen
            assert time.process_time() - started < SLOWEST
        path.write_bytes(whole.tobytes())


# -- Other containers --------------------------------------------------------------------------------------------------


def test_an_archive_whose_flags_or_checksums_lie_is_refused(tmp_path):
    """Such files crashed a scanner and were loaded all the same."""
    path = containers.save_torch(tmp_path / "w", {"a": torch.ones(3)})
    data = path.read_bytes()
    entry = data.index(b"PK\1\2")
    for offset, message in (
        (8, "marked as torch.save never does|disagree"),
        (16, "disagree"),
        (42, "disagree|outside"),
    ):
        changed = bytearray(data)
        changed[entry + offset] ^= 1
        path.write_bytes(changed)
        refused(path, BadWeights, message)


def test_an_archive_of_very_many_members_is_refused_before_they_are_listed(tmp_path):
    header = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    size = 1_000_000 * len(entry)
    for claimed in (size, size + 1, 0xFFFFFFFF):
        start = len(header) + size
        long = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1_000_000, 1_000_000, size, len(header))
        long += struct.pack("<4sIQI", b"PK\6\7", 0, start, 1)
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, claimed, len(header), 0)
        (tmp_path / "w").write_bytes(header + entry * 1_000_000 + (long if claimed > size else b"") + end)
        refused(tmp_path / "w", BadWeights, "its zip directory has 47000000 bytes, more than that of any weights")


def test_archives_with_a_comment_behind_them_are_refused(tmp_path):
    """Readers disagree about where such an archive ends, and where its directory is."""
    path = containers.save_torch(tmp_path / "w", {"a": torch.ones(3)})
    data = path.read_bytes()
    path.write_bytes(data[:-2] + b"\x04\0" + b"more")
    refused(path, BadWeights, "it has no zip directory")
    path.write_bytes(data[:-22] + struct.pack("<4sIQI", b"PK\6\7", 0, 4, 1) + data[-22:])
    refused(path, BadWeights, "its zip directory is not where it should be")


def test_h5_that_leads_to_other_files_is_refused(tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["key"] = np.arange(3)
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource(secret, "key", (3,))
    makers: dict[str, Callable[[h5py.File], object]] = {
        "it is a link to another place or file": lambda file: file.__setitem__("a", h5py.ExternalLink(secret, "/key")),
        "it is a link to another place": lambda file: file.__setitem__("a", h5py.SoftLink("/b")),
        "its numbers lie in another file": lambda file: file.create_virtual_dataset("a", layout),
        "numbers lie in another file": lambda file: file.create_dataset("a", (3,), "i8", external=[(secret, 0, 24)]),
    }
    for message, make in makers.items():
        with h5py.File(tmp_path / "w", "w") as file:
            make(file)
        refused(tmp_path / "w", BadWeights, f"entry 'a': .*{message}")


def test_keras_files_with_code_are_data_or_refused(tmp_path):
    """A Lambda layer's code stands in an attribute of a whole model: it is not even looked at."""
    with h5py.File(tmp_path / "w", "w") as file:
        file.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": ["4wAAAA==", null, null]}}'
        file["dense/kernel"] = np.ones((2, 2), np.float32)
    archive = watched_read(tmp_path / "w")
    assert (list(archive.tensors), archive.metadata) == (["dense/kernel"], {})


def test_onnx_whose_tensors_lie_in_other_files_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(12))
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for location in ("secret", "../secret", "/etc/passwd"):
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=location)
        graph = helper.make_graph([], "graph", [], [], [tensor])
        (tmp_path / "w").write_bytes(helper.make_model(graph, ir_version=8).SerializeToString())
        refused(tmp_path / "w", BadWeights, "tensor 'w': it lies in another file")


def test_custom_operations_are_only_names(tmp_path):
    node = helper.make_node("Evaluate", ["x"], ["y"], domain="com.evil", code="import os")
    model = helper.make_model(helper.make_graph([node], "graph", [], []), ir_version=8)
    onnx.save(model, tmp_path / "w")
    (found,) = watched_read(tmp_path / "w").metadata["nodes"]
    assert (found.op, found.attributes) == ("com.evil.Evaluate", {"code": "import os"})
    graph = tf_files.save_graph(tmp_path / "g", [tf_files.node("call", "PyFunc", token="os.system")])
    (found,) = watched_read(graph).metadata["nodes"]
    assert (found.op, found.attributes) == ("PyFunc", {"token": "os.system"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; download it again"),
        (b"<!doctype html><title>Google Drive - Quota exceeded</title>", "it is a web page, not weights"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
            "it is a git-lfs pointer, not weights",
        ),
        (struct.pack("<Q", 1 << 62) + b"{}", "its header claims 4611686018427387904 bytes"),
        (b"PK\3\4" + bytes(100), "cut short or broken: it has no zip directory"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "cut short or broken"),
        (b"MZ\x90\0" + bytes(600), "in none of the formats"),
        (b"#!/bin/sh\ntouch executed\n", "in none of the formats"),
        (b"pickle".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0"), "a tar archive, as torch before 0.2 wrote"),
    ],
)
def test_a_checkpoint_that_is_something_else_is_said_in_words(tmp_path, content, message):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    refused(path, BadWeights, message)


def test_protobuf_bombs_are_refused_in_time(tmp_path):
    for unit in (b"\x0a\x00", b"\xf8\xff\xff\xff\x0f\x01"):
        (tmp_path / "w").write_bytes(b"\x0a\x03\x0a\x01a" + unit * 700_000)
        refused(tmp_path / "w", BadWeights, "more fields than any model of its size|node ''|cut short")


def test_a_table_of_many_small_blocks_is_read_in_time(tmp_path):
    entries = {b"": tf_files.header()} | {
        f"v{number:06}".encode(): tf_files.bundle_entry(np.zeros((), np.uint8), number) for number in range(5000)
    }
    (tmp_path / "w.index").write_bytes(tf_files.sorted_table(entries, per_block=1))
    (tmp_path / "w.data").write_bytes(bytes(5000))
    started = time.process_time()
    assert len(watched_read((tmp_path / "w.index", tmp_path / "w.data")).tensors) == 5000
    assert time.process_time() - started < 2 * SLOWEST
