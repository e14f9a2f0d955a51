"""The stream that `torch.save` wrote before torch 1.6, and still writes where a storage is pickled by itself.

Pickles one behind another (a magic number, the protocol, facts about the machine, the value, the keys of its storages),
then each storage: the number of its elements, and they.
"""

from __future__ import annotations

from typing import Any

from ..._core.errors import BadWeights
from .archive import DTYPES
from .pickle import Unpickler
from .pickle_budget import Budget
from .pickle_classes import Class
from .pickle_names import Find
from .torch_tensors import Storage, persistent

MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
"""The number that a stream begins with."""
_PROTOCOL = 1001


def read_stream(data: memoryview, find: Find, budget: Budget | None = None) -> tuple[Any, dict[str, memoryview]]:
    """The value in a stream, with `View`s for its tensors, and the bytes of its storages by key.

    Args:
        data: the whole stream.
        find: what the pickle's names stand for.
        budget: that of the file, if the stream is only part of it.

    Raises:
        UnsafeWeights: it names something that `find` refuses.
        BadWeights: it is cut short or broken.
    """
    references: dict[str, Storage] = {}

    def load(identity: Any) -> Storage | Class:
        reference = persistent(identity)
        return references.setdefault(reference.key, reference) if isinstance(reference, Storage) else reference

    unpickler = Unpickler(data, find, load, budget=budget)
    magic, protocol, _ = (unpickler.load() for _ in range(3))
    if magic != int.from_bytes(MAGIC, "little") or protocol != _PROTOCOL:
        raise BadWeights("it does not begin as a file of torch.save; download it again")
    value, keys = unpickler.load(), unpickler.load()
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in references for key in keys):
        raise BadWeights("its list of storages is not that of its tensors; the file is broken")
    # Streams are little-endian whatever machine wrote them.
    buffers, position = {}, unpickler.position
    for key in keys:
        start = position + 8
        size = int.from_bytes(data[position:start], "little") * DTYPES[references[key].dtype].itemsize
        position = start + size
        if position > len(data):
            raise BadWeights("the file is cut short within its tensors; download it again")
        buffers[key] = data[start:position]
    if position != len(data):
        raise BadWeights(f"{len(data) - position} bytes follow its last tensor; the file is broken, download it again")
    return value, buffers
