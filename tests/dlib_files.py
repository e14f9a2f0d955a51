"""dlib's streams, with any numbers in them, written without dlib: shape predictors and networks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

State = Mapping[str, np.ndarray]
Layer = tuple[Any, ...]
"""The kind, and what is not a tensor: stride, padding and version of a `con`, size and stride of a pooling."""

RELU: Layer = ("relu",)
TAG: Layer = ("tag",)


# -- Numbers -----------------------------------------------------------------------------------------------------------


def integer(value: int) -> bytes:
    """A whole number, in as few bytes as it takes."""
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(length, "little")


def integers(*values: int) -> bytes:
    """Whole numbers, one after the other."""
    return b"".join(map(integer, values))


def number(value: float, digits: int = 24) -> bytes:
    """A floating-point number of so many binary digits: 24 of a float, 53 of a double."""
    if not math.isfinite(value):
        return integers(0, 32002 if math.isnan(value) else 32000 if value > 0 else 32001)
    fraction, exponent = math.frexp(value)
    mantissa, exponent = int(fraction * (1 << digits)), exponent - digits
    for _ in range(8):
        if mantissa % 256 == 0:
            mantissa, exponent = mantissa // 256, exponent + 8
    return integers(mantissa, exponent)


def numbers(values: Iterable[float], digits: int = 24) -> bytes:
    """Floating-point numbers, one after the other."""
    return b"".join(number(float(value), digits) for value in values)


def text(value: str) -> bytes:
    """A name."""
    return integer(len(value)) + value.encode()


def tensor(array: np.ndarray) -> bytes:
    """A tensor of four dimensions."""
    return integers(2, *array.shape) + array.astype("<f4").tobytes()


def column(values: np.ndarray) -> bytes:
    """A matrix of one column."""
    return integers(-values.size, -1) + numbers(values.ravel())


# -- Shape predictors --------------------------------------------------------------------------------------------------


def shape_predictor(arrays: State) -> bytes:
    """A shape predictor of the arrays that `formats.dlib.read` gives."""
    splits, thresholds, leaves = arrays["splits"], arrays["thresholds"], arrays["leaves"]
    stream = [integer(1), column(arrays["initial_shape"]), integer(len(splits))]
    for level in range(len(splits)):
        stream.append(integer(splits.shape[1]))
        for pairs, edges, ends in zip(splits[level], thresholds[level], leaves[level], strict=True):
            stream.append(integer(len(pairs)))
            stream += [integers(*map(int, pair)) + number(float(edge)) for pair, edge in zip(pairs, edges, strict=True)]
            stream.append(integer(len(ends)))
            stream += [column(end) for end in ends]
    for table, write in ((arrays["anchors"], lambda row: integers(*map(int, row))), (arrays["deltas"], _vectors)):
        stream.append(integer(len(table)))
        stream += [integer(len(row)) + write(row) for row in table]
    return b"".join(stream)


def _vectors(row: np.ndarray) -> bytes:
    return numbers(row.ravel())


def forest(
    points: int = 68, levels: int = 3, trees: int = 20, splits: int = 7, pixels: int = 60
) -> dict[str, np.ndarray]:
    """The arrays of a shape predictor that has learnt nothing, but moves its points by what it sees."""
    random = np.random.default_rng(5)
    return {
        "initial_shape": random.uniform(0.1, 0.9, (points, 2)).astype(np.float32),
        "splits": random.integers(0, pixels, (levels, trees, splits, 2)).astype(np.int32),
        "thresholds": random.uniform(-60, 60, (levels, trees, splits)).astype(np.float32),
        "leaves": random.normal(0, 0.006, (levels, trees, splits + 1, points, 2)).astype(np.float32),
        "anchors": random.integers(0, points, (levels, pixels)).astype(np.int32),
        "deltas": random.normal(0, 0.06, (levels, pixels, 2)).astype(np.float32),
    }


# -- Networks ----------------------------------------------------------------------------------------------------------


def face_encoder(state: State, depths: Sequence[int] = (3, 4, 3, 3)) -> bytes:
    """The file of a network that measures faces."""
    layers: list[Layer] = [("con", 2, 0), ("affine",), RELU, ("max_pool", 3, 2)]
    for level, depth in enumerate((*depths, 1)):
        for block in range(depth):
            halved = level > 0 and block == 0
            first = ("con", 2, 0) if halved else ("con", 1, 1)
            layers += [TAG, first, ("affine",), RELU, ("con", 1, 1), ("affine",)]
            layers += [TAG, TAG, ("avg_pool", 2, 2), ("add_prev",), RELU] if halved else [("add_prev",), RELU]
    layers += [("avg_pool", 0, 1), ("fc",)]
    loss = text("loss_metric_2") + numbers((0.04, 0.6))
    return network(state, layers, loss, "input_rgb_image_sized", integers(150, 150))


def face_detector(state: State, *, normalised: bool = False) -> bytes:
    """The file of a network that finds faces; its scales may be written as normalisations, as in the official one."""
    scale = "bn" if normalised else "affine"
    halving = [("con", 2, 0), (scale,), RELU] * 3
    same = [("con", 1, 2), (scale,), RELU] * 3
    overlaps = numbers((0.5,), 53) + numbers((0.34, 1.0, 0.5, 1.0), 53)
    loss = text("loss_mmod_") + integers(1, 80, 80) + numbers((1, 1), 53) + overlaps
    return network(state, [*halving, *same, ("con", 1, 4)], loss, "input_rgb_image_pyramid")


def network(state: State, layers: Sequence[Layer], loss: bytes, kind: str, more: bytes = b"") -> bytes:
    """A network's file: the loss, what nests in what, what goes in, the layers."""
    versions = [1 if layer == TAG else 2 for layer in layers]
    versions[0] = 3
    stream = [integer(1), loss, integers(*versions[::-1]), text(kind), numbers(state["input.average"]), more]
    counts: dict[str, int] = {}
    for index, (what, *steps) in enumerate(layers):
        if what == "tag":
            continue
        name = "affine" if what == "bn" else str(what)
        count = counts[name] = counts.get(name, -1) + 1
        own = {
            role: array for role in _ROLES.get(name, ()) if (array := state.get(f"{name}.{count}.{role}")) is not None
        }
        stream.append(_WRITE.get(what, _plain)(what, own, *steps))
        stream += [b"110", *[tensor(np.zeros((0, 0, 0, 0)))] * 3, integer(1) if index == 0 else b""]
    return b"".join(stream)


_ROLES = {"con": ("filters", "biases"), "affine": ("gamma", "beta"), "fc": ("weights", "biases")}


def _joined(own: State) -> bytes:
    flat = np.concatenate([array.ravel() for array in own.values()])
    return tensor(flat.reshape(-1, 1, 1, 1))


def _alias(*shape: int) -> bytes:
    return integers(1, *shape)


def _con(_: str, own: State, stride: int, padding: int, version: int = 4) -> bytes:
    """Version 5 says whether there are biases."""
    filters, biased = own["filters"], "biases" in own
    sizes = integers(len(filters), *filters.shape[2:], stride, stride, padding, padding)
    aliases = _alias(*filters.shape) + (_alias(1, len(filters), 1, 1) if biased else _alias(0, 0, 0, 0))
    flag = b"" if version < 5 else b"1" if biased else b"0"
    return text(f"con_{version}") + _joined(own) + sizes + aliases + numbers((1, 1, 1, 0), 53) + flag


def _affine(_: str, own: State) -> bytes:
    alias = _alias(1, len(own["gamma"]), 1, 1)
    return text("affine_") + _joined(own) + alias * 2 + integer(0)


def _batch_norm(_: str, own: State) -> bytes:
    """With means of 0.5 and variances of 4, which are taken into account."""
    channels = len(own["gamma"])
    mean, variance = np.full((1, channels, 1, 1), 0.5), np.full((1, channels, 1, 1), 4.0)
    scale = np.sqrt(variance.ravel() + 1e-4)
    undone = {"gamma": own["gamma"] * scale, "beta": own["beta"] + own["gamma"] * 0.5}
    alias, empty = _alias(1, channels, 1, 1), tensor(np.zeros((0, 0, 0, 0)))
    averages = tensor(mean) + tensor(variance) + integers(100, 1000)
    return text("bn_con2") + _joined(undone) + alias * 2 + empty * 2 + averages + numbers((1, 0, 1, 1, 1e-4), 53)


def _fc(_: str, own: State) -> bytes:
    weights = own["weights"]
    alias = _alias(*weights.shape, 1, 1) + _alias(0, 0, 0, 0)
    return text("fc_2") + integers(*weights.shape[::-1]) + _joined(own) + alias + integer(1) + numbers((1, 1, 1, 0), 53)


def _pool(what: str, _: State, size: int, stride: int) -> bytes:
    return text(f"{what}_2") + integers(size, size, stride, stride, 0, 0)


def _plain(what: str, _: State) -> bytes:
    return text(f"{what}_")


_WRITE = {"con": _con, "affine": _affine, "bn": _batch_norm, "fc": _fc, "max_pool": _pool, "avg_pool": _pool}


def save(path: Path, stream: bytes) -> Path:
    """Write a stream to a file."""
    path.write_bytes(stream)
    return path
