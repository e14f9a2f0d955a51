"""NVIDIA's pickles of StyleGAN networks: of TensorFlow (2019 to 2021) and of PyTorch (StyleGAN2-ADA and StyleGAN3).

Both hold whole networks with the source of their classes, which is meant to be run. It is skipped here: a network is
read as its tensors and the arguments it was built with.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from .archive import Archive, Tensor
from .mapped import reading
from .pickle import Unpickler
from .pickle_budget import Budget
from .pickle_classes import KEPT, Instance
from .pickle_keys import check_key
from .pickle_names import closed_list
from .pickle_values import NumpyArray, plain, split
from .torch_stream import read_stream
from .torch_tensors import NAMES, Storage, Storages

_TENSORFLOW = "dnnlib.tflib.network.Network"
_TENSORFLOW_NETWORKS = ("G", "D", "Gs")
_LARGEST_DEPTH = 10
_LARGEST_VARIABLES = 20_000


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a StyleGAN pickle.

    Tensors are named by their network, `G`, `D` and the averaged `G_ema` (PyTorch) or `Gs` (TensorFlow), then as in
    its state_dict(), `"G_ema.synthesis.b4.const"`, or as TensorFlow's variables, `"Gs.synthesis/4x4/Const/const"`.
    `metadata` has, by network,

    * of PyTorch `"class"`, `"init"` (the keywords it was built with) and `"attributes"` (its own numbers and texts),
    * of TensorFlow `"class"` (the function that built it), `"version"`, `"init"` and `"components"` (of these the
      same, by name),

    and PyTorch's `"training_set_kwargs"`.

    Raises:
        UnsafeWeights: its pickle asks for anything but networks, tensors and plain values. Nothing was run.
        BadWeights: it is cut short or broken, or holds something else than networks.
    """
    with reading(path) as data:
        inner = _InnerStorages(Budget.of(data))
        find = closed_list(
            NAMES
            | {
                ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent_object,
                ("torch.storage", "_load_from_bytes"): inner.load,
            },
            KEPT,
        )
        unpickler = Unpickler(data, find, budget=inner.budget)
        value = unpickler.load()
        if unpickler.position != len(data):
            raise BadWeights(f"{len(data) - unpickler.position} bytes follow its pickle; the file is broken or hostile")
        table = plain(_networks(value), Storages(inner.buffers, len(data)).tensor)
        tensors, metadata = split(table)
        if not tensors:
            raise BadWeights("it is a pickle, but holds no networks; save tensors by name as safetensors instead")
        return Archive("stylegan", metadata, tensors)


@dataclass
class _InnerStorages:
    """Storages that were pickled by themselves: each is a byte string, in which is a whole stream of torch.save."""

    budget: Budget
    buffers: dict[str, memoryview] = field(default_factory=dict)

    def load(self, data: Any) -> Storage:
        if not isinstance(data, bytes | memoryview):
            raise BadWeights("its pickle makes a storage from something else than bytes")
        storage, buffers = read_stream(memoryview(data), _FIND_STORAGE, self.budget)
        if not isinstance(storage, Storage) or storage.key not in buffers:
            raise BadWeights("its pickle makes a storage from something else than a storage")
        key = str(len(self.buffers))
        self.buffers[key] = buffers[storage.key]
        return Storage(key, storage.dtype, storage.size)


_FIND_STORAGE = closed_list({name: value for name, value in NAMES.items() if name[0] in ("torch", "torch.cuda")})


def _persistent_object(about: Any) -> Instance:
    """What stands for an object that was pickled with its class's source."""
    if not isinstance(about, dict) or about.get("type") != "class" or not isinstance(about.get("class_name"), str):
        raise BadWeights("its pickle holds an object in an unknown way")
    return Instance(about["class_name"], about.get("state"))


def _networks(value: Any) -> dict[Any, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple) and len(value) == len(_TENSORFLOW_NETWORKS) and all(map(_is_tensorflow, value)):
        reader = _Variables()
        found = {name: reader.read(network) for name, network in zip(_TENSORFLOW_NETWORKS, value, strict=True)}
        return {name: about | variables for name, (variables, about) in found.items()}
    if isinstance(value, Instance) and value.is_module:
        return value
    raise BadWeights(
        f"it is a pickle of a {type(value).__name__}, not of networks; save weights as safetensors instead"
    )


def _is_tensorflow(network: Any) -> bool:
    return isinstance(network, Instance) and network.name == _TENSORFLOW


@dataclass
class _Variables:
    """Of TensorFlow's networks and of the networks in them: one may be in others many times."""

    left: int = _LARGEST_VARIABLES

    def read(self, network: Instance, prefix: str = "", depth: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
        """The network's variables by name, and what it was built with."""
        state = network.state
        components, variables = state.get("components", {}), state.get("variables")
        if depth > _LARGEST_DEPTH or not isinstance(components, dict) or not isinstance(variables, list):
            raise BadWeights("its pickle holds a network without variables, or endless ones")
        self.left -= 1 + len(components) + len(variables)
        if self.left < 0:
            raise BadWeights(
                f"its networks have more than {_LARGEST_VARIABLES} variables; the file is broken or hostile"
            )
        for pair in variables:
            if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(check_key(pair[0]), str):
                raise BadWeights("its pickle holds a network whose variables are not pairs of name and array")
        found = {f"{prefix}{name}": _variable(value) for name, value in variables}
        parts: dict[str, Any] = {}
        for name, component in components.items():
            if not _is_tensorflow(component):
                raise BadWeights("its pickle holds a network with a part that is none")
            inner, parts[str(name)] = self.read(component, f"{prefix}{name}/", depth + 1)
            found |= inner
        facts = {"class": "build_func_name", "version": "version", "init": "static_kwargs"}
        return found, {name: state.get(key) for name, key in facts.items()} | {"components": parts}


def _variable(value: Any) -> Any:
    """A variable's array; TensorFlow gives a scalar of NumPy's for one without axes, and it was pickled as a number."""
    if not isinstance(value, float | int):
        return value
    if abs(value) >= 1 << 63:
        raise BadWeights("its pickle holds a variable that is larger than any number of TensorFlow's")
    array = NumpyArray()
    array.tensor = Tensor.from_numpy(np.array(value, np.float32 if isinstance(value, float) else None))
    return array
