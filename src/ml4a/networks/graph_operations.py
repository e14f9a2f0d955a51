"""TensorFlow's operations that flows are written in, in torch: as TensorFlow documents them, channels last."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

PLACEHOLDERS = ("Placeholder", "PlaceholderV2")
"""Operations whose value somebody gives."""
RANDOM = ("RandomUniform", "RandomStandardNormal")
_DTYPES = {
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


class Attributes(Protocol):
    """What an operation looks at of a node."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """By name."""
        ...


class Sizes:
    """How large a result may be.

    Args:
        most: Numbers in it.
    """

    def __init__(self, most: int) -> None:
        self._most = most

    def check(self, sizes: Sequence[int]) -> list[int]:
        """The sizes, if a tensor of these is allowed.

        Raises:
            BadWeights: it is not.
        """
        if any(size < 0 for size in sizes) or len(sizes) > 8 or math.prod(sizes) > self._most:
            raise BadWeights("its result would be larger than any that a network needs")
        return [int(size) for size in sizes]


Values: TypeAlias = list[torch.Tensor]
Operation: TypeAlias = Callable[[Attributes, Values, Sizes], torch.Tensor]


def _one(function: Callable[[torch.Tensor], torch.Tensor]) -> Operation:
    def operation(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
        (x,) = values
        sizes.check(x.shape)
        return function(x)

    return operation


def _two(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Operation:
    def operation(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
        a, b = values
        sizes.check(torch.broadcast_shapes(a.shape, b.shape))
        if a.dtype != b.dtype:
            raise BadWeights("it has operands of two types")
        return function(a, b)

    return operation


def _square(function: Callable[[torch.Tensor], torch.Tensor]) -> Operation:
    """Of a square matrix, which takes as long as its side's third power."""

    def operation(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
        (x,) = values
        sizes.check([x.shape[0]] * 3)
        if x.ndim != 2:
            raise BadWeights("several matrices at once are not known here")
        return function(x)

    return operation


def _cast(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    sizes.check(values[0].shape)
    return values[0].to(_dtype(node, "DstT"))


def _concat(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    *parts, axis = values
    sizes.check([sum(part.numel() for part in parts)])
    return torch.cat(parts, int(axis))


def _conv2d(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    x, kernel = values
    about = node.attributes
    if about.get("data_format", "NHWC") != "NHWC" or any(each != 1 for each in about.get("dilations") or ()):
        raise BadWeights("convolutions with the channels first, or with dilation, are not known here")
    strides, padding = about.get("strides"), about.get("padding")
    if strides != [1, 1, 1, 1] or padding not in ("VALID", "SAME"):
        raise BadWeights(f"convolutions with strides of {strides} and padding {padding!r} are not known here")
    sizes.check([*x.shape[:3], kernel.shape[3]])
    way = "same" if padding == "SAME" else "valid"
    result = F.conv2d(x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), padding=way)
    return result.permute(0, 2, 3, 1)


def _fill(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    return values[1].expand(sizes.check(_whole(values[0])))


def _gather(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    x, indices, *axis = values
    along = int(axis[0]) if axis else 0
    sizes.check([*x.shape[:along], *indices.shape, *x.shape[along:][1:]])
    if indices.ndim != 1 or not ((indices >= 0) & (indices < x.shape[along])).all():
        raise BadWeights("it looks up places that are not there")
    return x.index_select(along, indices.long())


def _matmul(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    a, b = (
        each.t() if node.attributes.get(key) else each
        for each, key in zip(values, ("transpose_a", "transpose_b"), strict=True)
    )
    sizes.check([*a.shape, b.shape[1]])  # so many products
    return a @ b


def _one_hot(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    labels, depth, on, off = values
    if node.attributes.get("axis", -1) != -1:
        raise BadWeights("one-hot vectors along another axis than the last are not known here")
    sizes.check([*labels.shape, int(depth)])
    return torch.where(labels[..., None] == torch.arange(int(depth)), on, off)


def _pack(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    sizes.check([sum(value.numel() for value in values)])
    return torch.stack(values, node.attributes.get("axis", 0))


def _pad(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    x, pads = values[0], _rows(values[1])
    sizes.check([size + before + after for size, (before, after) in zip(x.shape, pads, strict=True)])
    if any(pad < 0 for pair in pads for pad in pair):
        raise BadWeights("it pads by less than nothing")
    return F.pad(x, [pad for pair in reversed(pads) for pad in pair])


def _random(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    return torch.zeros((), dtype=_dtype(node, "dtype")).expand(sizes.check(_whole(values[0])))


def _reshape(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    return values[0].reshape(_whole(values[1]))


def _shape(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    return torch.tensor(values[0].shape, dtype=_dtype(node, "out_type", torch.int32))


def _strided_slice(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    x, *bounds = values
    begins, ends, strides = (_whole(each) for each in bounds)
    masks = {kind: node.attributes.get(f"{kind}_mask") or 0 for kind in ("begin", "end", "shrink_axis")}
    if node.attributes.get("ellipsis_mask") or node.attributes.get("new_axis_mask"):
        raise BadWeights("slices with an ellipsis or a new axis are not known here")
    gone = []
    for axis, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        if masks["shrink_axis"] >> axis & 1:
            x = x.narrow(axis, begin % x.shape[axis], 1)
            gone.append(axis)
            continue
        first = None if masks["begin"] >> axis & 1 else begin
        last = None if masks["end"] >> axis & 1 else end
        kept = range(*slice(first, last, stride).indices(x.shape[axis]))
        x = x.index_select(axis, torch.tensor(kept, dtype=torch.int64))
    return x.reshape([size for axis, size in enumerate(x.shape) if axis not in gone])


def _sum(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    return values[0].sum(_whole(values[1]), keepdim=bool(node.attributes.get("keep_dims")))


def _mean(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    return values[0].mean(_whole(values[1]), keepdim=bool(node.attributes.get("keep_dims")))


def _tile(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    x, repeats = values[0], _whole(values[1])
    sizes.check([size * times for size, times in zip(x.shape, repeats, strict=True)])
    return x.repeat(repeats)


def _transpose(node: Attributes, values: Values, sizes: Sizes) -> torch.Tensor:
    return values[0].permute(_whole(values[1]))


def _dtype(node: Attributes, attribute: str, usual: torch.dtype | None = None) -> torch.dtype:
    name = node.attributes.get(attribute)
    found = usual if name is None else _DTYPES.get(str(name))
    if found is None:
        raise BadWeights(f"numbers of type {str(name)[:40]} are not known here")
    return found


def _whole(value: torch.Tensor) -> list[int]:
    """A vector of sizes, places or axes; a single one will do."""
    return [int(each) for each in value.reshape(-1)[:64]]


def _rows(value: torch.Tensor) -> list[tuple[int, int]]:
    return [(int(before), int(after)) for before, after in value[:8]]


OPERATIONS: dict[str, Operation] = {
    "Abs": _one(torch.abs),
    "Add": _two(torch.add),
    "AddV2": _two(torch.add),
    "BiasAdd": _two(torch.add),
    "Cast": _cast,
    "ConcatV2": _concat,
    "Conv2D": _conv2d,
    "Exp": _one(torch.exp),
    "Fill": _fill,
    "Floor": _one(torch.floor),
    "Gather": _gather,
    "GatherV2": _gather,
    "Identity": _one(lambda x: x),
    "Log": _one(torch.log),
    "MatMul": _matmul,
    "MatrixDeterminant": _square(torch.linalg.det),
    "MatrixInverse": _square(torch.linalg.inv),
    "Maximum": _two(torch.maximum),
    "Mean": _mean,
    "Minimum": _two(torch.minimum),
    "Mul": _two(torch.mul),
    "Neg": _one(torch.neg),
    "OneHot": _one_hot,
    "Pack": _pack,
    "Pad": _pad,
    "Pow": _two(torch.pow),
    "RandomStandardNormal": _random,
    "RandomUniform": _random,
    "RealDiv": _two(torch.true_divide),
    "Relu": _one(torch.relu),
    "Reshape": _reshape,
    "Rsqrt": _one(torch.rsqrt),
    "Shape": _shape,
    "Sigmoid": _one(torch.sigmoid),
    "Square": _one(torch.square),
    "StopGradient": _one(lambda x: x),
    "StridedSlice": _strided_slice,
    "Sub": _two(torch.sub),
    "Sum": _sum,
    "Tile": _tile,
    "Transpose": _transpose,
    "ZerosLike": _one(torch.zeros_like),
}
"""By TensorFlow's name. Each takes the node, its operands and how large its result may be."""
