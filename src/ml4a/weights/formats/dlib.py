"""dlib's streams (.dat): shape predictors, and networks that measure faces or find them (dlib, serialize.h, dnn/).

A network is written from the outside to the inside and back: first the loss, then a version number for every layer
from the last one to the first, the kind of pictures that go in, and then each layer's own numbers from the first to the
last. Which layer is which only the names in front of those numbers say, so these are a closed list.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from . import dlib_shape
from .archive import Archive, Tensor, byte_count
from .dlib_stream import Stream
from .mapped import naming, reading

_Record = dict[str, Any]
_Tensors = dict[str, Tensor]

_MOST_LAYERS = 2000
_TAG, _LAYER, _FIRST_LAYER = 1, 2, 3
"""What the version numbers on the way in stand for: tags and skips; layers; the layer that pictures go into."""


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a shape predictor, or a network that was saved with its loss.

    `metadata["kind"]` is `"shape_predictor"` or `"network"`.

    A shape predictor of P points, L levels, T trees a level, S splits a tree (one less than leaves) and N pixels a
    level has the tensors `initial_shape` P×2, in units of the box, `splits` L×T×S×2, the numbers of the two pixels that
    are compared, `thresholds` L×T×S, `leaves` L×T×(S+1)×P×2, `anchors` L×N, the point nearest to a pixel, and `deltas`
    L×N×2, how far from it the pixel is.

    A network's tensors are named by kind and number in the order of computation: `con.0.filters` (out × in × height ×
    width), `con.0.biases`, `affine.0.gamma`, `affine.0.beta`, `fc.0.weights` (in × out), `fc.0.biases`, and
    `input.average`, the mean colour. `metadata["loss"]` and `metadata["input"]` say what else is known of these, and
    `metadata["layers"]` lists the layers in that order, with strides and padding (rows, columns); the kind `"tag"`
    stands for what only names or fetches a layer's result.

    Raises:
        BadWeights: it is cut short or broken, or has a kind of layer that is not supported.
    """
    with reading(path) as data:
        stream = Stream(data)
        stream.version((1,), "stream")
        if stream.peek() < 0:
            metadata, tensors = {"kind": "shape_predictor"}, dlib_shape.read(stream)
        else:
            metadata, tensors = _network(stream)
        if stream.left:
            raise BadWeights(f"{stream.left} bytes belong to nothing; the file is broken, or of another kind")
        return Archive("dlib", metadata, tensors)


def _network(stream: Stream) -> tuple[_Record, _Tensors]:
    loss = _loss(stream)
    nesting = _nesting(stream)
    about, tensors = _input(stream)
    layers: list[_Record] = []
    counts: Counter[str] = Counter()
    for version in nesting:
        if version == _TAG and layers:
            layers.append({"kind": "tag"})
            continue
        with naming(f"layer {len(layers)}"):
            layer, own = _layer(stream)
            kind = layer["kind"]
            tensors |= {f"{kind}.{counts[kind]}.{role}": tensor for role, tensor in own.items()}
            counts[kind] += 1
            layers.append(layer)
            _skip_state(stream, version)
    return {"kind": "network", "loss": loss, "input": about, "layers": layers}, tensors


def _nesting(stream: Stream) -> list[int]:
    """The version numbers of all layers, from the first layer to the last."""
    versions: list[int] = []
    while _TAG <= stream.peek() <= _FIRST_LAYER:  # what comes then is the length of a name
        versions.append(stream.integer())
        if len(versions) > _MOST_LAYERS:
            raise BadWeights(f"it has more than {_MOST_LAYERS} layers, more than any network needs")
    if not versions or versions[-1] == _TAG or _FIRST_LAYER in versions[:-1]:
        raise BadWeights("its layers are nested in a way that is not supported")
    return versions[::-1]


def _skip_state(stream: Stream, version: int) -> None:
    """What a layer keeps of the last training step: flags, and tensors which are empty in published files."""
    for _ in range(3):
        stream.flag()
    for _ in range(3):  # two gradients and a result
        stream.tensor()
    if version == _FIRST_LAYER:
        stream.integer()  # how many pictures one picture becomes


# -- What stands in front ----------------------------------------------------------------------------------------------


def _loss(stream: Stream) -> _Record:
    name = stream.text()
    if name == "loss_metric_2":
        return {"name": name, "margin": stream.number(), "distance_threshold": stream.number()}
    if name != "loss_mmod_":
        raise BadWeights(f"its loss {name!r} is not supported")
    stream.version((1,), "list of detector windows")
    loss = {"name": name, "width": stream.size(), "height": stream.size()}
    numbers = [stream.number() for _ in range(7)]
    about = ("loss_per_false_alarm", "loss_per_missed_target", "truth_match_iou")
    overlaps = ("overlap_iou", "overlap_covered", "ignored_iou", "ignored_covered")
    return loss | dict(zip(about + overlaps, numbers, strict=True))


def _input(stream: Stream) -> tuple[_Record, _Tensors]:
    kind = stream.text()
    if kind not in ("input_rgb_image", "input_rgb_image_sized", "input_rgb_image_pyramid"):
        raise BadWeights(f"what goes in is {kind!r}, which is not supported")
    with np.errstate(over="ignore"):  # what is not finite is told of whatever is read
        average = np.array([stream.number() for _ in range(3)], np.float32)
    about: _Record = {"kind": kind}
    if kind.endswith("sized"):
        about |= {"rows": stream.size(), "columns": stream.size()}
    return about, {"input.average": Tensor.from_numpy(average)}


# -- Layers ------------------------------------------------------------------------------------------------------------


def _layer(stream: Stream) -> tuple[_Record, _Tensors]:
    name = stream.text()
    if name not in _LAYERS:
        raise BadWeights(f"its kind {name!r} is not supported")
    return _LAYERS[name](stream, name)


def _con(stream: Stream, name: str) -> tuple[_Record, _Tensors]:
    parameters = stream.tensor()
    count, rows, columns = stream.size(), stream.size(), stream.size()
    layer = {"kind": "con"} | _steps(stream)
    filters, biases = _alias(stream), _alias(stream)
    _training_rates(stream, 4)
    biased = name == "con_4" or stream.flag()
    if filters[0] != count or filters[2:] != (rows, columns) or (biased and biases != (1, count, 1, 1)):
        raise BadWeights("its filters are not of the sizes that it says")
    return layer, _shares(parameters, {"filters": filters} | ({"biases": (count,)} if biased else {}))


def _fc(stream: Stream, _: str) -> tuple[_Record, _Tensors]:
    outputs, inputs = stream.size(), stream.size()
    parameters = stream.tensor()
    weights, biases = _alias(stream), _alias(stream)
    biased = stream.integer() == 0
    _training_rates(stream, 4)
    if weights != (inputs, outputs, 1, 1) or (biased and biases != (1, outputs, 1, 1)):
        raise BadWeights("its weights are not of the sizes that it says")
    return {"kind": "fc"}, _shares(
        parameters, {"weights": (inputs, outputs)} | ({"biases": (outputs,)} if biased else {})
    )


def _affine(stream: Stream, _: str) -> tuple[_Record, _Tensors]:
    parameters = stream.tensor()
    gamma, beta = _alias(stream), _alias(stream)
    stream.integer()  # whether it stood for a normalisation of maps or of vectors, which the sizes say, too
    if gamma != beta or gamma[0] != 1 or gamma[2:] != (1, 1):
        raise BadWeights("it does not scale whole channels, which is not supported")
    return {"kind": "affine"}, _shares(parameters, {"gamma": gamma[1:2], "beta": beta[1:2]})


def _batch_norm(stream: Stream, name: str) -> tuple[_Record, _Tensors]:
    """As an `affine`, which dlib's programs make of it when they read it."""
    parameters = stream.tensor()
    gamma, beta = _alias(stream), _alias(stream)
    _, _, means, variances = [stream.tensor() for _ in range(4)]  # of the last batch, and averages
    for _ in range(2):  # over how many batches these go
        stream.integer()
    _training_rates(stream, 4)
    epsilon = stream.number()
    if not gamma == beta == means.shape == variances.shape or gamma[0] != 1 or gamma[2:] != (1, 1):
        raise BadWeights("it does not normalise whole channels, which is not supported")
    scale, shift = (part.numpy() for part in _shares(parameters, {"gamma": gamma[1:2], "beta": beta[1:2]}).values())
    with np.errstate(all="ignore"):  # what is not finite is told of whatever is read
        scale = (scale / np.sqrt(variances.numpy().ravel() + epsilon)).astype(np.float32)
        shift = shift - scale * means.numpy().ravel()
    return {"kind": "affine"}, {"gamma": Tensor.from_numpy(scale), "beta": Tensor.from_numpy(shift)}


def _pool(stream: Stream, name: str) -> tuple[_Record, _Tensors]:
    size = [stream.size(), stream.size()]
    return {"kind": name.removesuffix("_2"), "size": size} | _steps(stream), {}


def _plain(_: Stream, name: str) -> tuple[_Record, _Tensors]:
    return {"kind": name.removesuffix("_")}, {}


_LAYERS: dict[str, Callable[[Stream, str], tuple[_Record, _Tensors]]] = {
    "add_prev_": _plain,
    "affine_": _affine,
    "avg_pool_2": _pool,
    "bn_con2": _batch_norm,
    "con_4": _con,
    "con_5": _con,
    "fc_2": _fc,
    "max_pool_2": _pool,
    "relu_": _plain,
}
"""By the name, with its version, that dlib writes in front of a layer's numbers."""


def _steps(stream: Stream) -> _Record:
    return {"stride": [stream.size(), stream.size()], "padding": [stream.size(), stream.size()]}


def _training_rates(stream: Stream, count: int) -> None:
    for _ in range(count):
        stream.number()


def _alias(stream: Stream) -> tuple[int, int, int, int]:
    """The sizes of a part of a layer's parameters."""
    stream.version((1,), "part of a tensor")
    return stream.size(), stream.size(), stream.size(), stream.size()


def _shares(parameters: Tensor, shapes: dict[str, tuple[int, ...]]) -> _Tensors:
    """The parts that lie one after the other in a layer's parameters."""
    ends = list(accumulate(byte_count(shape, 4) for shape in shapes.values()))
    if ends[-1] != len(parameters.data):
        raise BadWeights(f"its {len(parameters.data)} bytes of parameters are not the {ends[-1]} that its sizes need")
    begins = (0, *ends)
    return {
        role: Tensor("float32", shape, parameters.data[begin:end])
        for (role, shape), begin, end in zip(shapes.items(), begins, ends, strict=False)
    }
