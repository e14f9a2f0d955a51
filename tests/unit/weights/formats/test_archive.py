from __future__ import annotations

import numpy as np
import pytest

from ml4a._core.errors import BadWeights
from ml4a.weights.formats import Archive, Tensor
from ml4a.weights.formats.archive import DTYPES


@pytest.mark.parametrize("dtype", sorted(DTYPES.keys() - {"bfloat16"}))
def test_every_dtype_survives_the_way_to_a_tensor_and_back(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    tensor = Tensor.from_numpy(array)
    assert tensor.dtype == dtype
    assert tensor.numpy().dtype == dtype
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_bfloat16_comes_as_float32():
    tensor = Tensor("bfloat16", (2,), bytes([0x80, 0x3F, 0x00, 0xC0]))
    np.testing.assert_array_equal(tensor.numpy(), np.array([1, -2], np.float32))
    assert tensor.numpy().dtype == np.float32


def test_an_array_is_a_read_only_view_of_the_bytes():
    data = memoryview(bytearray(range(8)))
    array = Tensor("float32", (2,), data).numpy()
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    assert not array.flags.writeable


def test_bytes_at_an_odd_address_become_an_aligned_array():
    data = memoryview(np.arange(3, dtype=np.float32).tobytes().join([b"?", b""]))[1:]
    array = Tensor("float32", (3,), data).numpy()
    assert array.flags.aligned
    np.testing.assert_array_equal(array, [0, 1, 2])


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1)])
def test_scalars_and_empty_tensors_keep_their_shape(shape):
    assert Tensor.from_numpy(np.zeros(shape, np.float32)).numpy().shape == shape


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))]
)
def test_other_byte_orders_and_layouts_are_turned_into_ours(array):
    tensor = Tensor.from_numpy(array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert bytes(tensor.data) == np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("float32", (2,), b"1234567"),
        ("float32", (-1,), b""),
        ("float8_e4m3fn", (1,), b"1"),
        ("uint8", (0, 2**62, 2**62), b""),
        ("uint8", (1,) * 33, b"1"),
    ],
)
def test_a_tensor_that_cannot_be_is_refused(dtype, shape, data):
    with pytest.raises(BadWeights):
        Tensor(dtype, shape, data)


def test_arrays_keep_the_order_of_the_file():
    tensors = {name: Tensor("uint8", (1,), b"1") for name in ("z", "a", "m")}
    assert list(Archive("torch", {}, tensors).arrays()) == ["z", "a", "m"]


def test_a_tensor_is_shown_without_its_bytes():
    assert repr(Tensor("uint8", (2,), b"xy")) == "Tensor(dtype='uint8', shape=(2,))"
