"""Keras 3's `.weights.h5`: each layer's variables as datasets of an HDF5 file (keras.io, saving_lib)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeAlias

import h5py
import numpy as np

from ..._core.errors import BadWeights
from .archive import DTYPES, Archive, Tensor
from .mapped import naming, reading

_Item: TypeAlias = h5py.Dataset | h5py.Group

_LARGEST_DEPTH = 32
_LARGEST_OBJECTS = 2_000
_LARGEST_RATIO = 32
"""Bytes of all tensors to bytes of the file: compression gains far less on trained weights."""
_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF)
"""What HDF5 and h5py decode themselves; for anything else HDF5 would load a plug-in."""


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a Keras 3 weights file.

    Tensors are named by their path in the file: `"block1/layers/conv2d/vars/0"` is a kernel, height × width × in × out,
    and `…/1` its bias. `metadata` is empty.

    Raises:
        BadWeights: the file is cut short or broken, refers to other files, or holds something else than numbers.
    """
    with reading(path) as data:
        try:
            # Without locks, which some network drives do not have: files of weights are not written to.
            with h5py.File(path, "r", locking=False) as file:
                datasets = dict(_datasets(file, "", set()))
                _check_sizes(datasets, len(data))
                return Archive("keras", {}, {name: _tensor(dataset) for name, dataset in datasets.items()})
        except BadWeights:
            raise
        except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # all that h5py makes of HDF5's
            raise BadWeights(f"it is cut short or broken, download it again (HDF5: {error})") from None


def _datasets(group: h5py.Group, prefix: str, seen: set[_Item]) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset below `group`, by its path. `seen` keeps a link to a group above from going round for ever."""
    if prefix.count("/") > _LARGEST_DEPTH:
        raise BadWeights(f"it is nested more than {_LARGEST_DEPTH} deep, deeper than any weights need")
    for name in map(str, group):
        path = f"{prefix}{name}"
        with naming(f"entry {path!r}"):
            item = _checked(group, name)
            if item in seen or len(seen) == _LARGEST_OBJECTS:
                raise BadWeights("it is linked twice, or one of too many; the file is broken or hostile")
            seen.add(item)
        if isinstance(item, h5py.Dataset):
            yield path, item
        else:
            yield from _datasets(item, f"{path}/", seen)


def _checked(group: h5py.Group, name: str) -> _Item:
    # Asked before it is followed: a link may lead to any file of this machine.
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise BadWeights("it is a link to another place or file")
    item = group[name]
    if isinstance(item, h5py.Dataset):
        _check(item)
    elif not isinstance(item, h5py.Group):
        raise BadWeights("it is neither a group nor a dataset")
    return item


def _check(dataset: h5py.Dataset) -> None:
    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise BadWeights("its numbers lie in another file")
    if dataset.shape is None or dataset.dtype.name not in DTYPES:
        raise BadWeights(f"it holds {dataset.dtype}, not numbers")
    if any(properties.get_filter(index)[0] not in _FILTERS for index in range(properties.get_nfilters())):
        raise BadWeights("it is compressed in a way that is not part of HDF5")
    if dataset.nbytes and not dataset.id.get_storage_size():
        raise BadWeights("its numbers were never written; the file is broken")


def _check_sizes(datasets: dict[str, h5py.Dataset], file_size: int) -> None:
    """Before anything is read: a few bytes can say that they unpack to terabytes."""
    needed = sum(dataset.nbytes for dataset in datasets.values())
    if needed > _LARGEST_RATIO * file_size:
        raise BadWeights(f"its {file_size} bytes claim to hold {needed}; the file is broken or hostile")


def _tensor(dataset: h5py.Dataset) -> Tensor:
    array = np.empty(dataset.shape, dataset.dtype)
    if array.size:
        dataset.read_direct(array)
    return Tensor.from_numpy(array)
