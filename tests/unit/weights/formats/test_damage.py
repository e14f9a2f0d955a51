"""Files that a transfer has cut short or damaged: every reader says so, in `BadWeights`, and never in anything else."""

from __future__ import annotations

import contextlib

import h5py
import numpy as np
import onnx
import pytest
import safetensors.numpy
import torch
from onnx import TensorProto, helper, numpy_helper

from ml4a._core.errors import BadWeights
from ml4a.weights import formats

ARRAYS = {
    "conv.weight": np.random.default_rng(0).random((4, 3, 3, 3)).astype(np.float32),
    "conv.bias": np.arange(4, dtype=np.float16),
    "steps": np.array(7),
}
TENSORS = {name: torch.from_numpy(array) for name, array in ARRAYS.items()}
CONFIG = {"name": "rrdb", "sizes": (1, 2.5, None), "history": [np.float64(1), {"a": b"\xff"}]}


def save_safetensors(path):
    safetensors.numpy.save_file(ARRAYS, path)


def save_zip(path):
    torch.save({"params": TENSORS, "config": CONFIG}, path)


def save_stream(path):
    torch.save({"params": TENSORS, "config": CONFIG}, path, _use_new_zipfile_serialization=False)


def save_keras(path):
    with h5py.File(path, "w") as file:
        for name, array in ARRAYS.items():
            file[name.replace(".", "/")] = array


def save_onnx(path):
    constant = numpy_helper.from_array(np.int64([1, 2]))
    nodes = [
        helper.make_node("Constant", [], ["c"], value=constant),
        helper.make_node("Conv", ["x", "conv.weight"], ["y"], strides=[1, 2], auto_pad="VALID"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "n"]) for name in "xy"]
    tensors = [numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


SAVE = {function.__name__.removeprefix("save_"): function for function in
        (save_safetensors, save_zip, save_stream, save_keras, save_onnx)}  # fmt: skip


@pytest.fixture(params=SAVE)
def path(request, tmp_path):
    SAVE[request.param](tmp_path / "w")
    return tmp_path / "w"


def test_a_file_that_is_cut_short_anywhere_is_refused(path):
    data = path.read_bytes()
    formats.read(path)
    for end in sorted({0, *range(1, 40), *np.linspace(40, len(data) - 1, 80, dtype=int)}):
        path.write_bytes(data[:end])
        with pytest.raises(BadWeights):
            formats.read(path)


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_is_read_or_refused(request, tmp_path, read, seed):
    random = np.random.default_rng(seed)
    for name in SAVE.keys() - {"keras"}:
        path = tmp_path / name
        SAVE[name](path)
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(100):
            damaged = data.copy()
            places = random.integers(0, len(data), random.integers(1, 5))
            damaged[places] = random.integers(0, 256, len(places))
            path.write_bytes(damaged.tobytes())
            with contextlib.suppress(BadWeights):
                read(path).arrays()
