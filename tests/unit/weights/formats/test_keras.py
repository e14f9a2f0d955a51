from __future__ import annotations

import h5py
import numpy as np
import pytest

from ml4a._core.errors import BadWeights
from ml4a.weights import formats


@pytest.fixture
def write(tmp_path):
    """Write an HDF5 file: `fill` gets the open file."""

    def write(fill):
        with h5py.File(tmp_path / "w.weights.h5", "w") as file:
            fill(file)
        return tmp_path / "w.weights.h5"

    return write


def test_tensors_are_named_by_their_path(write, read):
    kernel, bias = np.arange(54, dtype=np.float32).reshape(3, 3, 3, 2), np.float32([1, 2])

    def fill(file):
        layer = file.create_group("block1/layers/conv2d/vars")
        layer["0"], layer["1"] = kernel, bias
        file["block1/layers/conv2d"].attrs["name"] = "block1_conv1"
        file.create_group("vars")

    archive = read(write(fill))
    assert (archive.format, archive.metadata) == ("keras", {})
    assert list(archive.tensors) == ["block1/layers/conv2d/vars/0", "block1/layers/conv2d/vars/1"]
    np.testing.assert_array_equal(archive.arrays()["block1/layers/conv2d/vars/0"], kernel, strict=True)
    np.testing.assert_array_equal(archive.arrays()["block1/layers/conv2d/vars/1"], bias, strict=True)


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3),
        np.zeros((0, 3), np.float32),
        np.array([True, False]),
        np.arange(5, dtype=">f8"),
        np.float16([1, 2]),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_shapes_and_element_types_are_kept(write, read, array):
    found = read(write(lambda file: file.create_dataset("a", data=array)))
    np.testing.assert_array_equal(found.arrays()["a"], array)
    assert found.tensors["a"].shape == array.shape
    assert found.tensors["a"].dtype == array.dtype.name


@pytest.mark.parametrize(
    "options", [{"compression": "gzip"}, {"compression": "lzf", "shuffle": True}, {"chunks": (7,)}]
)
def test_compressed_datasets_are_read(write, read, options):
    array = np.random.default_rng(0).random(1000)
    path = write(lambda file: file.create_dataset("a", data=array, **options))
    np.testing.assert_array_equal(read(path).arrays()["a"], array)


def link(target):
    def fill(file):
        file["a"] = np.ones(3)
        group = file.create_group("group")
        group["b"] = file[target] if isinstance(target, str) else target

    return fill


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "a", (3,))
    file.create_virtual_dataset("a", layout)


def nested(file):
    for _ in range(40):
        file = file.create_group("g")


def dataset(*arguments, **options):
    return lambda file: file.create_dataset("a", *arguments, **options)


def zeros(file):
    file.create_dataset("a", (1 << 22,), "f4", compression="gzip")[:] = 0


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (link(h5py.SoftLink("/a")), "entry 'group/b': it is a link to another place or file"),
        (link(h5py.ExternalLink("/etc/passwd", "/a")), "entry 'group/b': it is a link to another place or file"),
        (link("group"), "linked twice"),
        (link("/"), "linked twice"),
        (link("a"), "linked twice"),
        (link(np.dtype("f4")), "neither a group nor a dataset"),
        (virtual, "its numbers lie in another file"),
        (dataset((3,), "f4", external=[("/etc/passwd", 0, 12)]), "its numbers lie in another file"),
        (dataset(data=np.zeros(3, [("a", "f4"), ("b", "i4")])), "not numbers"),
        (dataset(data="text"), "not numbers"),
        (dataset(data=np.array([b"text"])), "not numbers"),
        (dataset((3,), h5py.vlen_dtype("f4")), "not numbers"),
        (dataset((3,), h5py.ref_dtype), "not numbers"),
        (dataset(data=h5py.Empty("f4")), "not numbers"),
        (dataset((3,), "f4"), "never written"),
        (dataset((1 << 45,), "f4"), "never written"),
        (zeros, "claim to hold 16777216; the file is broken or hostile"),
        (nested, "nested more than 32 deep"),
    ],
)
def test_what_is_not_plain_numbers_in_this_file_is_refused(write, fill, message):
    with pytest.raises(BadWeights, match=message):
        formats.read(write(fill))


def test_a_filter_that_hdf5_would_load_a_plugin_for_is_refused(write):
    def fill(file):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((4,))
        properties.set_filter(32099, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"a", h5py.h5t.IEEE_F32LE, space, properties)

    with pytest.raises(BadWeights, match="compressed in a way that is not part of HDF5"):
        formats.read(write(fill))
