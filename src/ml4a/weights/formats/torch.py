"""What `torch.save` writes, read without torch: the zip archive of today and the stream from before torch 1.6.

Both hold a pickle whose tensors are views of storages, which lie beside the pickle as plain bytes. The pickle is
interpreted by `Unpickler`, with a closed list of names; whole modules that were pickled are read as their tensors.
"""

from __future__ import annotations

import os
from typing import Any

from ..._core.errors import BadWeights
from .archive import Archive
from .mapped import reading
from .pickle import Unpickler
from .pickle_classes import KEPT
from .pickle_names import closed_list
from .pickle_values import plain, split
from .stored_zip import members, names
from .torch_stream import read_stream
from .torch_tensors import NAMES, Storages, persistent

_ZIP_MAGIC = b"PK\3\4"
_FIND = closed_list(NAMES, KEPT)


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a file of `torch.save`.

    Tensors of the top table keep their names; those of a table or a module in it, one level down (`params_ema`,
    `state_dict`, `g_ema`, `model` …), get its name and a dot in front. `metadata` is everything else, with `Tensor`s
    where tensors lie deeper; of a module `"class"`, its name, and `"attributes"`, its own numbers and texts.

    Raises:
        UnsafeWeights: its pickle asks for anything but tensors, plain values and modules. Nothing was run.
        BadWeights: it is cut short or broken, TorchScript, from before torch 0.2, or no table of tensors.
    """
    with reading(path) as data:
        if data[:4] == _ZIP_MAGIC:
            value, storages = _from_zip(data)
        else:
            value, buffers = read_stream(data, _FIND)
            storages = Storages(buffers, len(data))
        tensors, metadata = split(plain(value, storages.tensor))
        return Archive("torch", metadata, tensors)


def _from_zip(data: memoryview) -> tuple[Any, Storages]:
    # By names first: other archives compress their members, which would be refused in words about torch.
    listed = names(data)
    folders = [name.removesuffix("data.pkl") for name in listed if name.endswith("/data.pkl")]
    if any(name.endswith("/constants.pkl") for name in listed):
        raise BadWeights("it is TorchScript, which holds code; save its state_dict() with torch.save and use that")
    if len(folders) != 1:
        raise BadWeights("it is a zip archive, but not one of torch.save: it has not one data.pkl")
    folder, found = folders[0], members(data)
    byte_order = bytes(found.get(f"{folder}byteorder", b"little"))
    if byte_order not in (b"little", b"big"):
        raise BadWeights("its byte order is unknown; the file is broken, download it again")
    value = Unpickler(found[f"{folder}data.pkl"], _FIND, persistent).load()
    prefix = f"{folder}data/"
    buffers = {name.removeprefix(prefix): member for name, member in found.items() if name.startswith(prefix)}
    return value, Storages(buffers, len(data), big_endian=byte_order == b"big")
