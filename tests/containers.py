"""Weights files as the programs of the official checkpoints write them, with any tensors in them.

`save_torch` and `save_stream` are torch.save of today and of before torch 1.6; `save_module` pickles a whole module of
a program's own classes; `save_stylegan` is a pickle of StyleGAN2-ADA or StyleGAN3, whose classes come with their
source, `save_stylegan_tf` one of the TensorFlow versions. TensorFlow's own files are in `tf_files`. All are written
without anything of `ml4a`, so that readers can be held to them.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

SOURCE = "import os\nos.system('touch executed')\n" + "# The whole file in which the class is.\n" * 50
"""Stands in each pickle of StyleGAN: reading it as data leaves it unread."""
_BUFFERS = ("resample_filter", "noise_const", "w_avg", "magnitude_ema", "transform", "freqs", "phases", "up_filter")


def tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The same as torch's."""
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def save_torch(path: Path, value: Any, *, protocol: int = 2) -> Path:
    """The zip archive of torch 1.6 and later."""
    torch.save(value, path, pickle_protocol=protocol)
    return path


def save_stream(path: Path, value: Any, *, protocol: int = 2) -> Path:
    """The stream of torch before 1.6."""
    torch.save(value, path, _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    return path


@contextlib.contextmanager
def modules_of(classes: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Modules, by dotted name, with what is in them, as long as the block lasts: pickle looks up what it names.

    Each class and function is given the module's name as the place where it is from.
    """
    before = set(sys.modules)
    for name, members in classes.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            inner = ".".join(parts[:end])
            sys.modules.setdefault(inner, types.ModuleType(inner))
        for member, value in members.items():
            value.__module__, value.__qualname__ = name, member
            setattr(sys.modules[name], member, value)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


def save_module(path: Path, value: Any, classes: Mapping[str, Mapping[str, Any]], *, stream: bool = True) -> Path:
    """torch.save of whole modules: `classes` says where each class of theirs is from. A stream holds their source."""
    with modules_of(classes), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Couldn't retrieve source code")
        return save_stream(path, value) if stream else save_torch(path, value)


# -- StyleGAN of PyTorch -----------------------------------------------------------------------------------------------


class _EasyDict(dict[Any, Any]):
    pass


def _reconstruct_persistent_obj(about: Any) -> None:
    raise AssertionError("nothing of a pickle is to be called")


@dataclass
class Persistent:
    """A module that is pickled with its class's source: see `persistent`."""

    class_name: str
    init: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    buffers: dict[str, Any] = field(default_factory=dict)
    modules: dict[str, Persistent] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        hooks = {f"_{name}_hooks": OrderedDict() for name in ("backward", "forward", "forward_pre", "state_dict")}
        state = {
            "training": False,
            "_parameters": OrderedDict(self.parameters),
            "_buffers": OrderedDict(self.buffers),
            "_non_persistent_buffers_set": set(),
            **hooks,
            "_modules": OrderedDict(self.modules),
            **self.attributes,
            "_init_args": (),
            "_init_kwargs": _EasyDict(self.init),
        }
        about = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": self.class_name, "state": state}
        return _reconstruct_persistent_obj, (_EasyDict(about),)


def persistent(arrays: Mapping[str, np.ndarray], class_name: str = "Generator", **init: Any) -> Persistent:
    """A network of tensors by dotted name, as the tree of modules that they say, built with the keywords `init`."""
    root = Persistent(class_name, init, {"num_ws": np.int64(14), "img_channels": 3, "in_size": np.array([36, 36])})
    for name, array in arrays.items():
        module = root
        *parts, last = name.split(".")
        for part in parts:
            module = module.modules.setdefault(part, Persistent("SynthesisLayer", attributes={"activation": "lrelu"}))
        tensor = torch.from_numpy(np.array(array))
        if last in _BUFFERS:
            module.buffers[last] = tensor
        else:
            module.parameters[last] = torch.nn.Parameter(tensor, requires_grad=False)
    return root


def save_stylegan(path: Path, *, protocol: int = 3, **networks: Any) -> Path:
    """A pickle of StyleGAN2-ADA or StyleGAN3: `persistent` networks by name, and plain values."""
    classes = {
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
        "dnnlib.util": {"EasyDict": _EasyDict},
    }
    with modules_of(classes), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TypedStorage is deprecated")
        path.write_bytes(pickle.dumps(networks, protocol))
    return path


# -- StyleGAN of TensorFlow --------------------------------------------------------------------------------------------


class _Network:
    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def __getstate__(self) -> dict[str, Any]:
        return self._state


def tensorflow_network(name: str, build: str, variables: Mapping[str, np.ndarray], **static: Any) -> _Network:
    """A network of variables by name; those below `mapping/` and `synthesis/` are in networks of these names."""
    parts = {}
    for part in ("mapping", "synthesis"):
        inner = {key.removeprefix(f"{part}/"): array for key, array in variables.items() if key.startswith(f"{part}/")}
        if inner:
            parts[part] = tensorflow_network(part, f"{build}_{part}", inner, **static)
    own = [(key, array) for key, array in variables.items() if key.partition("/")[0] not in parts]
    return _Network(
        {
            "version": 4,
            "name": name,
            "static_kwargs": _EasyDict(static),
            "components": _EasyDict(parts),
            "build_module_src": SOURCE,
            "build_func_name": build,
            "variables": own,
        }
    )


def save_stylegan_tf(path: Path, *networks: _Network, protocol: int = 3) -> Path:
    """A pickle of the TensorFlow versions: the networks G, D and Gs."""
    classes = {"dnnlib.tflib.network": {"Network": _Network}, "dnnlib.util": {"EasyDict": _EasyDict}}
    with modules_of(classes):
        path.write_bytes(pickle.dumps(networks, protocol))
    return path
