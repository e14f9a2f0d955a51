"""Glow's graph, node by node as the original program has it, encoder and decoder.

Names are the original's but for what is the same everywhere: slices' bounds, paddings, shapes. `folded` is what is left
once everything that follows from constants has been computed, under the names that TensorFlow then gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tf_files

_TYPE = np.dtype("float32")


def nodes(
    variables: Mapping[str, np.ndarray], side: int, *, folded: bool, bits: int = 5, classes: int = 1
) -> Iterator[bytes]:
    """The nodes of the original's graph for pictures of this side.

    Inputs are `input/image`, `input/label`, `Placeholder`, `Placeholder_1` …; latents `model/pool0/truediv_1` … and
    `model/truediv_4`; the picture `model_1/Cast_1`, before it is rounded `model_1/Reshape_4`.
    """
    written = _Graph(variables, folded, bits, classes)
    written.encoder(side)
    written.decoder()
    return iter(written.nodes)


class _Graph:
    def __init__(self, variables: Mapping[str, np.ndarray], folded: bool, bits: int, classes: int) -> None:
        self.variables, self.folded, self.bits, self.classes = variables, folded, bits, classes
        self.nodes: list[bytes] = []
        self._written: set[str] = set()
        keys = [name.split("/") for name in variables]
        self.levels = 1 + max(int(key[1]) for key in keys if key[1].isdigit())
        self.depth = 1 + max(int(key[2]) for key in keys if key[1] == "0")

    def add(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        if name not in self._written:  # what both halves have is there once
            self._written.add(name)
            self.nodes.append(tf_files.node(name, op, *inputs, **attributes))
        return name

    def constant(self, name: str, value: Any, dtype: Any = np.int32) -> str:
        if name not in self._written:
            self._written.add(name)
            self.nodes.append(tf_files.constant(name, np.array(value, dtype)))
        return name

    def computed(self, name: str, value: np.ndarray) -> str:
        """A constant that TensorFlow put in the place of a node."""
        return self.constant(f"{name}/_{len(name)}__cf__{len(name)}", value, value.dtype)

    def variable(self, name: str) -> str:
        value = self.variables[name]
        if self.folded:
            return self.computed(f"{name}/read", value)
        self.constant(name, value, value.dtype)
        return self.add("Identity", f"{name}/read", name, T=_TYPE)

    def scale(self, scope: str, variable: str, sign: int = 1) -> str:
        """The node exp(3·logs)."""
        logs = self.variables[variable]
        if self.folded:
            return self.computed(f"{scope}/Exp", np.exp(np.float32(3 * sign) * logs))
        tripled = self.add("Mul", f"{scope}/mul", self.variable(variable), self.constant("three", 3, np.float32))
        if sign < 0:
            tripled = self.add("Neg", f"{scope}/Neg", tripled)
        return self.add("Exp", f"{scope}/Exp", tripled)

    # -- Pieces --------------------------------------------------------------------------------------------------------

    def slice(self, name: str, x: str, begin: int, end: int, step: int = 1) -> str:
        """Of the last of four axes; an end of 0 is the last channel."""
        bounds = [self.constant(f"slice/{'_'.join(map(str, each))}", each)
                  for each in ((0, 0, 0, begin), (0, 0, 0, end), (1, 1, 1, step))]  # fmt: skip
        masks = {"begin_mask": 7 if step > 0 else 15, "end_mask": 15 if end == 0 else 7}
        return self.add("StridedSlice", name, x, *bounds, **masks, shrink_axis_mask=0)

    def concat(self, name: str, *parts: str, axis: int = 3) -> str:
        return self.add("ConcatV2", name, *parts, self.constant(f"axis/{axis}", axis), N=len(parts))

    def reshape(self, name: str, x: str, *shape: int) -> str:
        return self.add("Reshape", name, x, self.constant(f"shape/{'_'.join(map(str, shape))}", shape))

    def transpose(self, name: str, x: str, *axes: int) -> str:
        return self.add("Transpose", name, x, self.constant(f"axes/{'_'.join(map(str, axes))}", axes))

    def ringed(self, scope: str, x: str, side: int) -> str:
        """Zeros around, and a channel that says where they are."""
        pads = self.constant("pads", [[0, 0], [1, 1], [1, 1], [0, 0]])
        ring = np.zeros((1, side + 2, side + 2, 1), np.float32)
        ring[:, [0, -1]] = ring[:, :, [0, -1]] = 1
        padded = self.add("Pad", f"{scope}/Pad", x, pads)
        shape = self.add("Shape", f"{scope}/Shape", padded, out_type=np.dtype("int32"))
        bounds = [self.constant(f"slice/{each}", [each]) for each in (0, 1, 1)]
        count = self.add("StridedSlice", f"{scope}/strided_slice", shape, *bounds, shrink_axis_mask=1)
        one = self.constant("one", 1)
        times = self.add("Pack", f"{scope}/Tile/multiples", count, one, one, one, N=4, axis=0)
        tiled = self.add("Tile", f"{scope}/Tile", self.constant(f"ring/{side}", ring, np.float32), times)
        return self.concat(f"{scope}/concat", padded, tiled)

    def conv(self, scope: str, x: str, kernel: str, padding: str = "VALID") -> str:
        about = {"strides": [1, 1, 1, 1], "dilations": [1, 1, 1, 1], "data_format": "NHWC", "T": _TYPE}
        return self.add("Conv2D", f"{scope}/Conv2D", x, kernel, padding=padding, **about)

    def conv_zeros(self, scope: str, variables: str, x: str, side: int) -> str:
        y = self.conv(scope, self.ringed(scope, x, side), self.variable(f"{variables}/W"))
        y = self.add("Add", f"{scope}/add", y, self.variable(f"{variables}/b"))
        return self.add("Mul", f"{scope}/mul_1", y, self.scale(scope, f"{variables}/logs"))

    def actnorm(self, scope: str, variables: str, x: str) -> str:
        x = self.add("Add", f"{scope}/actnorm_center/add", x, self.variable(f"{variables}/actnorm_center/b"))
        scale = self.scale(f"{scope}/actnorm_scale", f"{variables}/actnorm_scale/logs")
        return self.add("Mul", f"{scope}/actnorm_scale/mul_1", x, scale)

    def network(self, half: str, step: str, x: str, side: int) -> str:
        for layer in ("l_1", "l_2"):
            scope, variables = f"{half}/{step}/f1/{layer}", f"model/{step}/f1/{layer}"
            x = self.ringed(scope, x, side) if layer == "l_1" else x
            x = self.conv(scope, x, self.variable(f"{variables}/W"))
            x = self.add("Relu", f"{half}/{step}/f1/Relu{'_1' * (layer == 'l_2')}", self.actnorm(scope, variables, x))
        return self.conv_zeros(f"{half}/{step}/f1/l_last", f"model/{step}/f1/l_last", x, side)

    def halves(self, scope: str, x: str, channels: int) -> tuple[str, str]:
        first = self.slice(f"{scope}/strided_slice", x, 0, channels // 2)
        return first, self.slice(f"{scope}/strided_slice_1", x, channels // 2, 0)

    def said(self, scope: str, said: str) -> tuple[str, str]:
        """What an affine network says: the shift and the scale."""
        shift = self.slice(f"{scope}/strided_slice_2", said, 0, 0, 2)
        raw = self.slice(f"{scope}/strided_slice_3", said, 1, 0, 2)
        two = self.constant("two", 2, np.float32)
        return shift, self.add("Sigmoid", f"{scope}/Sigmoid", self.add("Add", f"{scope}/add", raw, two))

    def mixing(self, half: str, step: str, x: str) -> str:
        scope, backwards = f"{half}/{step}/invconv", half != "model"
        if f"model/{step}/invconv/W" in self.variables:
            weight = self.variables[f"model/{step}/invconv/W"]
            if self.folded:
                value = np.linalg.inv(weight.astype(np.float64)).astype(np.float32) if backwards else weight
                kernel = self.computed(f"{scope}/Reshape", value[None, None])
            else:
                kernel = self.variable(f"model/{step}/invconv/W")
                kernel = self.add("MatrixInverse", f"{scope}/MatrixInverse", kernel) if backwards else kernel
                kernel = self.reshape(f"{scope}/Reshape", kernel, 1, 1, *weight.shape)
            return self.conv(scope, x, kernel, "SAME")
        if f"model/{step}/shuffle/indices" in self.variables:
            scope = f"{half}/{step}/shuffle"
            order = self.variable(f"model/{step}/shuffle/indices{'_inverse' * backwards}")
            turned = self.transpose(f"{scope}/transpose", x, 3, 1, 2, 0)
            taken = self.add("GatherV2", f"{scope}/GatherV2", turned, order, self.constant("axis/0", 0))
            return self.transpose(f"{scope}/transpose_1", taken, 3, 1, 2, 0)
        return self.slice(f"{half}/{step}/strided_slice_9", x, 0, 0, -1)

    def encode_step(self, step: str, x: str, channels: int, side: int) -> str:
        scope = f"model/{step}"
        x = self.mixing("model", step, self.actnorm(scope, scope, x))
        still, moved = self.halves(scope, x, channels)
        said = self.network("model", step, still, side)
        if self.affine(step):
            shift, scale = self.said(scope, said)
            moved = self.add("Mul", f"{scope}/mul", self.add("Add", f"{scope}/add_1", moved, shift), scale)
        else:
            moved = self.add("Add", f"{scope}/add", moved, said)
        return self.concat(f"{scope}/concat", still, moved)

    def decode_step(self, step: str, x: str, channels: int, side: int) -> str:
        scope = f"model_1/{step}"
        still, moved = self.halves(scope, x, channels)
        said = self.network("model_1", step, still, side)
        if self.affine(step):
            shift, scale = self.said(scope, said)
            moved = self.add("Sub", f"{scope}/sub", self.add("RealDiv", f"{scope}/truediv", moved, scale), shift)
        else:
            moved = self.add("Sub", f"{scope}/sub", moved, said)
        x = self.mixing("model_1", step, self.concat(f"{scope}/concat", still, moved))
        logs = f"model/{step}/actnorm_scale/logs"
        x = self.add("Mul", f"{scope}/actnorm_scale/mul_1", x, self.scale(f"{scope}/actnorm_scale", logs, -1))
        return self.add("Sub", f"{scope}/actnorm_center/sub", x, self.variable(f"model/{step}/actnorm_center/b"))

    def affine(self, step: str) -> bool:
        scope = f"model/{step}"
        return self.variables[f"{scope}/f1/l_last/b"].size == self.variables[f"{scope}/actnorm_center/b"].size

    def prior(self, half: str, side: int, channels: int) -> tuple[str, str]:
        scope = f"{half}/prior"
        label = self.add("Placeholder", "input/label", dtype=np.dtype("int32"))
        values = [self.constant(f"whole/{value}", value) for value in (self.classes, 1, 0)]
        one_hot = self.add("OneHot", f"{half}/one_hot", label, *values, axis=-1)
        one_hot = self.add("Cast", f"{half}/Cast_9", one_hot, DstT=_TYPE)
        shape = self.add("Shape", f"{scope}/Shape", one_hot, out_type=np.dtype("int32"))
        bounds = [self.constant(f"slice/{each}", [each]) for each in (0, 1, 1)]
        count = self.add("StridedSlice", f"{scope}/strided_slice", shape, *bounds, shrink_axis_mask=1)
        sizes = [self.constant(f"whole/{each}", each) for each in (side, side, 2 * channels)]
        size = self.add("Pack", f"{scope}/zeros/packed", count, *sizes, axis=0)
        said = self.add("Fill", f"{scope}/zeros", size, self.constant("nought", 0, np.float32))
        if "model/prior/p/W" in self.variables:
            said = self.conv_zeros(f"{scope}/p", "model/prior/p", said, side)
        if "model/prior/y_emb/W" in self.variables:
            inner, name = f"{scope}/y_emb", "model/prior/y_emb"
            of_label = self.add("MatMul", f"{inner}/MatMul", one_hot, self.variable(f"{name}/W"))
            of_label = self.add("Add", f"{inner}/add", of_label, self.variable(f"{name}/b"))
            of_label = self.add("Mul", f"{inner}/mul_1", of_label, self.scale(inner, f"{name}/logs"))
            said = self.add(
                "Add", f"{scope}/add", said, self.reshape(f"{scope}/Reshape", of_label, -1, 1, 1, 2 * channels)
            )
        return self.halves(f"{scope}/halves", said, 2 * channels)

    # -- Both ways -----------------------------------------------------------------------------------------------------

    def encoder(self, side: int) -> None:
        channels = self.variables["model/0/0/actnorm_center/b"].size // 4
        image = self.add("Placeholder", "input/image", dtype=np.dtype("uint8"), shape=(-1, side, side, channels))
        x = self.add("Cast", "model/Cast", image, DstT=_TYPE)
        if self.bits < 8:
            step = self.constant("step", 2 ** (8 - self.bits), np.float32)
            x = self.add("Floor", "model/Floor_1", self.add("RealDiv", "model/truediv_2", x, step))
        x = self.add("RealDiv", "model/truediv_3", x, self.constant("bins", 2**self.bits, np.float32))
        x = self.add("Sub", "model/sub_1", x, self.constant("half", 0.5, np.float32))
        shape = self.add("Shape", "model/Shape_1", x, out_type=np.dtype("int32"))
        noise = self.add("RandomUniform", "model/random_uniform/RandomUniform", shape, dtype=_TYPE)
        noise = self.add("Mul", "model/random_uniform", noise, self.constant("range", 2.0**-self.bits, np.float32))
        x = self.add("Add", "model/add_1", x, noise)
        for level in range(self.levels):
            scope = "model" if level == 0 else f"model/pool{level - 1}"
            side, channels = side // 2, 4 * channels
            x = self.reshape(f"{scope}/Reshape", x, -1, side, 2, side, 2, channels // 4)
            x = self.transpose(f"{scope}/transpose", x, 0, 1, 3, 5, 2, 4)
            x = self.reshape(f"{scope}/Reshape_1", x, -1, side, side, channels)
            for step in range(self.depth):
                x = self.encode_step(f"{level}/{step}", x, channels, side)
            if level < self.levels - 1:
                scope, channels = f"model/pool{level}", channels // 2
                x, away = self.halves(scope, x, 2 * channels)
                said = self.conv_zeros(f"{scope}/conv", f"{scope}/conv", x, side)
                mean = self.slice(f"{scope}/strided_slice_2", said, 0, 0, 2)
                logs = self.slice(f"{scope}/strided_slice_3", said, 1, 0, 2)
                self.normalised(scope, "sub_9", "Exp_9", "truediv_1", away, mean, logs)
        mean, logs = self.prior("model", side, channels)
        self.normalised("model", "sub_9", "Exp_9", "truediv_4", x, mean, logs)
        self.top = side, channels

    def normalised(self, scope: str, sub: str, exp: str, name: str, x: str, mean: str, logs: str) -> None:
        moved = self.add("Sub", f"{scope}/{sub}", x, mean)
        self.add("RealDiv", f"{scope}/{name}", moved, self.add("Exp", f"{scope}/{exp}", logs))

    def decoder(self) -> None:
        side, channels = self.top
        half = "model_1"
        mean, logs = self.prior(half, side, channels)
        x = self.expected(half, mean, logs, self.levels - 1)
        for level in reversed(range(self.levels)):
            if level < self.levels - 1:
                scope = f"{half}/pool{level}"
                x, side, channels = self.unsqueezed(scope, x, side, channels)
                said = self.conv_zeros(f"{scope}/conv", f"model/pool{level}/conv", x, side)
                mean = self.slice(f"{scope}/strided_slice_2", said, 0, 0, 2)
                logs = self.slice(f"{scope}/strided_slice_3", said, 1, 0, 2)
                x = self.concat(f"{scope}/concat", x, self.expected(scope, mean, logs, level))
                channels *= 2
            for step in reversed(range(self.depth)):
                x = self.decode_step(f"{level}/{step}", x, channels, side)
        x, side, channels = self.unsqueezed(half, x, side, channels)
        bins = 2.0**self.bits
        y = self.add("Add", f"{half}/add_4", x, self.constant("half", 0.5, np.float32))
        y = self.add(
            "Floor", f"{half}/Floor", self.add("Mul", f"{half}/mul_4", y, self.constant("bins", bins, np.float32))
        )
        y = self.add("Mul", f"{half}/mul_5", y, self.constant("wide", 256 / bins, np.float32))
        y = self.add("Minimum", f"{half}/Minimum", y, self.constant("white", 255, np.float32))
        y = self.add("Maximum", f"{half}/Maximum", y, self.constant("nought", 0, np.float32))
        self.add("Cast", f"{half}/Cast_1", y, DstT=np.dtype("uint8"))

    def expected(self, scope: str, mean: str, logs: str, level: int) -> str:
        noise = self.add("Placeholder", f"Placeholder{f'_{level}' if level else ''}", dtype=_TYPE)
        scaled = self.add("Mul", f"{scope}/mul_7", self.add("Exp", f"{scope}/Exp_7", logs), noise)
        return self.add("Add", f"{scope}/add_7", mean, scaled)

    def unsqueezed(self, scope: str, x: str, side: int, channels: int) -> tuple[str, int, int]:
        x = self.reshape(f"{scope}/Reshape_3", x, -1, side, side, channels // 4, 2, 2)
        x = self.transpose(f"{scope}/transpose_3", x, 0, 1, 4, 2, 5, 3)
        return self.reshape(f"{scope}/Reshape_4", x, -1, 2 * side, 2 * side, channels // 4), 2 * side, channels // 4
