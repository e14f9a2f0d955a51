"""ncnn: a text that lists a network's layers (.param), and their weights one after the other (.bin).

The .bin names nothing: each layer type takes what it needs. So the layer types are a closed list here, and a file is
only accepted if it is used up to its last byte.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

from ..._core.errors import BadWeights
from .archive import DTYPES, Archive, Tensor
from .mapped import naming, reading

MAGIC = "7767517"
"""The first line of a .param."""
FLOAT16_FLAG = 0x01306B47
"""What stands before float16 weights in a .bin; before float32 ones stands 0."""
_FLOAT32_FLAG = 0
_LARGEST_PARAM = 1 << 20  # bytes: 10,000 layers
_ARRAY_BASE = -23300
_WEIGHTLESS = ("BinaryOp", "Concat", "Eltwise", "Input", "Interp", "PixelShuffle", "Split")


@dataclass(frozen=True)
class _Layer:
    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: dict[int, Any]


def read(param_path: str | os.PathLike[str], bin_path: str | os.PathLike[str]) -> Archive:
    """Read an ncnn network from its two files.

    Tensors are named `"<layer>.weight"`, `"<layer>.bias"` and (PReLU) `"<layer>.slope"`, in the layers' order. The
    weights of a convolution are out × in × kernel height × kernel width; float16 stays float16.
    `metadata["layers"]` is a list of `{"type", "name", "inputs", "outputs", "parameters"}`; parameters are numbers, or
    lists of them, by ncnn's parameter number.

    Raises:
        BadWeights: a file is cut short or broken, they do not belong together, or there is a layer type or a kind of
            compression that is not supported.
    """
    with reading(param_path) as text:
        layers = _layers(text)
    with reading(bin_path) as data:
        tensors: dict[str, Tensor] = {}
        stream = _Stream(data)
        for layer in layers:
            with naming(f"layer {layer.name!r}"):
                tensors.update({f"{layer.name}.{role}": tensor for role, tensor in _weights(layer, stream).items()})
        if stream.position != len(data):
            raise BadWeights(f"{len(data) - stream.position} bytes belong to no layer of {param_path}")
        return Archive("ncnn", {"layers": [vars(layer) for layer in layers]}, tensors)


# -- .param ------------------------------------------------------------------------------------------------------------


def _layers(text: memoryview) -> list[_Layer]:
    if len(text) > _LARGEST_PARAM:
        raise BadWeights(f"it is larger than {_LARGEST_PARAM >> 20} MiB, more than any list of layers needs")
    try:
        lines = str(text, "ascii").splitlines()
    except UnicodeDecodeError:
        raise BadWeights("it is not a text; the .param comes before the .bin") from None
    if len(lines) < 2 or lines[0].strip() != MAGIC:
        raise BadWeights(f"it does not begin with {MAGIC}; this is no list of ncnn layers")
    layer_count, _ = _whole_numbers(lines[1].split(), 2)
    layers = []
    for number, line in enumerate(lines[2:], start=3):
        with naming(f"line {number}"):
            layers.append(_layer(line.split()))
    if len(layers) != layer_count:
        raise BadWeights(f"it has {len(layers)} of {layer_count} layers; the file is cut short, download it again")
    if len({layer.name for layer in layers}) != len(layers):
        raise BadWeights("two of its layers have one name")
    return layers


def _layer(words: list[str]) -> _Layer:
    """`type name input-count output-count inputs… outputs… number=value…`."""
    if len(words) < 4:
        raise BadWeights("it is no layer")
    input_count, output_count = _whole_numbers(words[2:4], 2)
    blobs, parameters = words[4:][: input_count + output_count], words[4:][input_count + output_count :]
    if len(blobs) != input_count + output_count:
        raise BadWeights("it names fewer inputs and outputs than it says")
    return _Layer(
        words[0], words[1], tuple(blobs[:input_count]), tuple(blobs[input_count:]), dict(map(_parameter, parameters))
    )


def _parameter(word: str) -> tuple[int, Any]:
    """`number=value`, or, for a list, `-23300 minus number=count,value,value…`."""
    key, equals, value = word.partition("=")
    try:
        number = int(key)
        if equals and number >= 0:
            return number, _number(value)
        count, *values = value.split(",")
        if number <= _ARRAY_BASE and int(count) == len(values):
            return _ARRAY_BASE - number, [_number(element) for element in values]
    except ValueError:
        pass
    raise BadWeights(f"{word[:40]!r} is no parameter")


def _number(word: str) -> int | float:
    return float(word) if any(mark in word for mark in ".eE") else int(word)


def _whole_numbers(words: list[str], count: int) -> list[int]:
    if len(words) != count or not all(word.isdecimal() and len(word) < 8 for word in words):
        raise BadWeights(f"it has {' '.join(words)[:40]!r} where {count} numbers are due")
    return [int(word) for word in words]


# -- .bin --------------------------------------------------------------------------------------------------------------


class _Stream:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.position = 0

    def take(self, dtype: str, *shape: int) -> Tensor:
        """The next tensor; every tensor is padded to whole 32-bit words."""
        end = self.position + math.prod(shape) * DTYPES[dtype].itemsize
        padded = end + -end % 4
        if padded > len(self._data):
            raise BadWeights("the weights end before it; the file is cut short, or not that of this .param")
        tensor = Tensor(dtype, shape, self._data[self.position : end])
        self.position = padded
        return tensor

    def take_flagged(self, *shape: int) -> Tensor:
        """The next tensor, behind a flag that says how it is stored."""
        flag = int(self.take("uint32", 1).numpy()[0])
        if flag not in (FLOAT16_FLAG, _FLOAT32_FLAG):
            raise BadWeights(f"its weights are stored in an unknown way ({flag:#010x}), or another network's .bin")
        return self.take("float16" if flag == FLOAT16_FLAG else "float32", *shape)


def _weights(layer: _Layer, stream: _Stream) -> dict[str, Tensor]:
    if layer.type in _WEIGHTLESS:
        return {}
    if layer.type == "PReLU":
        return {"slope": stream.take("float32", _integer(layer, 0))}
    if layer.type == "Convolution":
        return _convolution(layer, stream)
    raise BadWeights(f"its type {layer.type[:40]} is not supported")


def _convolution(layer: _Layer, stream: _Stream) -> dict[str, Tensor]:
    if _integer(layer, 8) or _integer(layer, 19):
        raise BadWeights("it is quantised, or takes its weights from another layer, which is not supported")
    out, width, count = _integer(layer, 0), _integer(layer, 1), _integer(layer, 6)
    height = _integer(layer, 11, width)
    per_input = out * height * width
    if per_input == 0 or count % per_input:
        raise BadWeights(f"{count} weights do not make kernels of {out} × … × {height} × {width}")
    weight = stream.take_flagged(out, count // per_input, height, width)
    return {"weight": weight} | ({"bias": stream.take("float32", out)} if _integer(layer, 5) else {})


def _integer(layer: _Layer, number: int, default: int = 0) -> int:
    value = layer.parameters.get(number, default)
    if not isinstance(value, int) or value < 0:
        raise BadWeights(f"its parameter {number} is not a whole number")
    return value
