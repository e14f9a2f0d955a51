"""TensorFlow's checkpoints (V2): a table that says where each variable lies (.index), and their bytes (.data-…).

Field numbers are those of tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import os

from ..._core.errors import BadWeights
from .archive import Archive, Tensor
from .crc32c import crc32c, masked
from .mapped import naming, reading
from .protobuf import Message
from .sorted_table import entries
from .tf_tensors import TEXT, dtype_name, shape


def read(index_path: str | os.PathLike[str], data_path: str | os.PathLike[str]) -> Archive:
    """Read a checkpoint from its two files.

    Tensors are named as the variables, with TensorFlow's order of axes: a kernel is height × width × in × out.
    `metadata["texts"]` lists what holds no numbers and was left out, as the object graph of TensorFlow 2.

    Raises:
        BadWeights: a file is cut short or broken, they do not belong together, or the variables are spread over several
            files or cut into slices.
    """
    with reading(data_path) as data:
        pass  # first, so that its errors name it
    with reading(index_path) as index:
        tensors: dict[str, Tensor] = {}
        texts: list[str] = []
        end, left = 0, len(data)
        found = entries(index)
        _check_header(next(found, None))
        for key, value in found:
            name = _name(key)
            with naming(f"variable {name[:80]!r}"):
                entry = Message(value)
                content = _content(entry, data)
                left -= len(content)
                if left < 0:
                    raise BadWeights("variables overlap in the data file; the checkpoint is broken or hostile")
                if entry.integer(1) == TEXT:
                    texts.append(name)
                else:
                    tensors[name] = _tensor(entry, content)
                end = max(end, entry.integer(4) + len(content))
        if end != len(data):
            raise BadWeights(
                f"{len(data) - end} bytes of {data_path} belong to no variable; it is of another checkpoint"
            )
        return Archive("tf_checkpoint", {"texts": texts}, tensors)


def _check_header(entry: tuple[bytes, memoryview] | None) -> None:
    if entry is None or entry[0] != b"":
        raise BadWeights("it has no header; this is no index of a checkpoint")
    header = Message(entry[1])
    if header.integer(1) != 1:
        raise BadWeights(f"its variables are spread over {header.integer(1)} files; save them again into one")
    if header.integer(2) != 0:
        raise BadWeights("it was written by a big-endian machine, which is not supported")


def _name(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise BadWeights("a variable's name is not valid UTF-8; the file is broken") from None


def _content(entry: Message, data: memoryview) -> memoryview:
    if 7 in entry or entry.integer(3) != 0:
        raise BadWeights("it is cut into slices; save the checkpoint again with whole variables")
    start, size = entry.integer(4), entry.integer(5)
    if start < 0 or size < 0 or start + size > len(data):
        raise BadWeights("it lies outside of the data file; that is cut short, or of another checkpoint")
    return data[start : start + size]


def _tensor(entry: Message, content: memoryview) -> Tensor:
    dtype, sizes = dtype_name(entry.integer(1)), shape(entry.message(2))
    if sizes is None:
        raise BadWeights("its shape is unknown")
    tensor = Tensor(dtype, sizes, content)
    if 6 not in entry or masked(crc32c(content)) != entry.numbers(6, "<u4")[-1]:
        raise BadWeights("its checksum is wrong; the data file is damaged, or of another checkpoint")
    return tensor
