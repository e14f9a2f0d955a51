"""A small weights file in every format that is read: for tests of all readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import containers
import dlib_files
import h5py
import numpy as np
import onnx
import safetensors.numpy
import tf_files
import torch
from onnx import TensorProto, helper, numpy_helper

from ml4a.weights.formats import Source

ARRAYS = {
    "conv.weight": np.random.default_rng(0).random((4, 3, 3, 3)).astype(np.float32),
    "conv.bias": np.arange(4, dtype=np.float16),
    "steps": np.array(7),
}
CONFIG = {"name": "rrdb", "sizes": (1, 2.5, None), "history": [np.float64(1), {"a": b"\xff"}]}
_FLOATS = {name.replace(".", "/"): array.astype(np.float32) for name, array in ARRAYS.items()}


def _safetensors(folder: Path) -> Source:
    safetensors.numpy.save_file(ARRAYS, folder / "w")
    return folder / "w"


def _torch(folder: Path) -> Source:
    return containers.save_torch(folder / "w", {"params": containers.tensors(ARRAYS), "config": CONFIG})


def _stream(folder: Path) -> Source:
    return containers.save_stream(folder / "w", {"params": containers.tensors(ARRAYS), "config": CONFIG})


def _stylegan(folder: Path) -> Source:
    network = containers.persistent(ARRAYS, z_dim=4)
    return containers.save_stylegan(folder / "w", G_ema=network, training_set_kwargs=None)


def _stylegan_tf(folder: Path) -> Source:
    network = containers.tensorflow_network("Gs", "G_main", {"mapping/Dense0/weight": ARRAYS["conv.weight"]}, size=4)
    return containers.save_stylegan_tf(folder / "w", network, network, network)


def _module(folder: Path) -> Source:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    return containers.save_stream(folder / "w", {"model": network, "iteration": 5})


def _ncnn(folder: Path) -> Source:
    (folder / "w.param").write_text(
        "7767517\n3 3\nInput in 0 1 x\nConvolution conv 1 1 x y 0=4 1=3 5=1 6=108\nPReLU relu 1 1 y z 0=4\n"
    )
    floats = np.concatenate([ARRAYS["conv.weight"].reshape(-1), np.arange(8)]).astype("<f4")
    (folder / "w.bin").write_bytes(bytes(4) + floats.tobytes())
    return folder / "w.param", folder / "w.bin"


def _keras(folder: Path) -> Source:
    with h5py.File(folder / "w", "w") as file:
        for name, array in ARRAYS.items():
            file[name.replace(".", "/")] = array
    return folder / "w"


def _onnx(folder: Path) -> Source:
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.int64([1, 2]))),
        helper.make_node("Conv", ["x", "conv.weight"], ["y"], strides=[1, 2], auto_pad="VALID"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "n"]) for name in "xy"]
    tensors = [numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "w")
    return folder / "w"


def _tf_checkpoint(folder: Path) -> Source:
    return tf_files.save_checkpoint(folder / "w.index", folder / "w.data-00000-of-00001", _FLOATS)


def _tf_graph(folder: Path) -> Source:
    nodes = [
        tf_files.node("x", "Placeholder", dtype=np.dtype("f4"), shape=(-1, 8, 8, 3)),
        *(tf_files.constant(name, array) for name, array in ARRAYS.items()),
        tf_files.node("y", "Conv2D", "x", "conv.weight", strides=[1, 2, 2, 1], padding="SAME", explicit=0.5),
    ]
    return tf_files.save_graph(folder / "w", nodes)


def _dlib(folder: Path) -> Source:
    state = {"con.0.filters": ARRAYS["conv.weight"], "con.0.biases": np.ones(4, np.float32)}
    state |= {"affine.0.gamma": np.ones(4, np.float32), "affine.0.beta": np.zeros(4, np.float32)}
    state |= {"input.average": np.float32([120, 110, 100]), "fc.0.weights": np.ones((4, 2), np.float32)}
    layers = [
        ("con", 2, 1),
        ("affine",),
        dlib_files.RELU,
        dlib_files.TAG,
        ("max_pool", 3, 2),
        ("avg_pool", 0, 1),
        ("fc",),
    ]
    loss = dlib_files.text("loss_metric_2") + dlib_files.numbers((0.04, 0.6))
    stream = dlib_files.network(state, layers, loss, "input_rgb_image_sized", dlib_files.integers(150, 150))
    return dlib_files.save(folder / "w", stream)


def _dlib_shape(folder: Path) -> Source:
    return dlib_files.save(folder / "w", dlib_files.shape_predictor(dlib_files.forest(3, 2, 3, 3, 5)))


def _npy(folder: Path) -> Source:
    np.save(folder / "w.npy", ARRAYS["conv.weight"])
    return folder / "w.npy"


def _npz(folder: Path) -> Source:
    np.savez(folder / "w.npz", **ARRAYS)  # type: ignore[arg-type]
    return folder / "w.npz"


def _deflated_npz(folder: Path) -> Source:
    np.savez_compressed(folder / "w.npz", **ARRAYS)  # type: ignore[arg-type]
    return folder / "w.npz"


def _npy_table(folder: Path) -> Source:
    np.save(folder / "w.npy", {"boundary": ARRAYS["conv.weight"], "meta_data": {"layers": [1]}})  # type: ignore[arg-type]
    return folder / "w.npy"


SAVE: dict[str, Callable[[Path], Source]] = {
    "safetensors": _safetensors,
    "torch": _torch,
    "torch stream": _stream,
    "torch stream of a module": _module,
    "stylegan": _stylegan,
    "stylegan of TensorFlow": _stylegan_tf,
    "ncnn": _ncnn,
    "keras": _keras,
    "onnx": _onnx,
    "tf_checkpoint": _tf_checkpoint,
    "tf_graph": _tf_graph,
    "dlib": _dlib,
    "dlib's shape predictor": _dlib_shape,
    "npy": _npy,
    "npy of a table": _npy_table,
    "npz": _npz,
    "npz, deflated": _deflated_npz,
}
"""Writes into a folder; returns the file, or the two files."""
