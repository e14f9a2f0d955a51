from __future__ import annotations

import argparse
import io
import mmap
import pickle
import tarfile
import tracemalloc
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from ml4a._core.errors import BadWeights, UnsafeWeights
from ml4a.weights.formats.torch_stream import MAGIC

CONTAINERS = {
    "zip": {},
    "stream": {"_use_new_zipfile_serialization": False},
    "zip, protocol 4": {"pickle_protocol": 4},
    "stream, protocol 4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
}


@pytest.fixture(params=CONTAINERS)
def save(request, tmp_path):
    """Write a value with `torch.save`, in each of its containers."""

    def save(value):
        torch.save(value, tmp_path / "weights.pth", **CONTAINERS[request.param])
        return tmp_path / "weights.pth"

    return save


DTYPES = [
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_read(save, read, dtype):
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    archive = read(save({"a": tensor}))
    assert archive.format == "torch"
    np.testing.assert_array_equal(archive.arrays()["a"], tensor.numpy(), strict=True)


def test_bfloat16_is_read(save, read):
    archive = read(save({"a": torch.tensor([1.5, -2], dtype=torch.bfloat16)}))
    assert archive.tensors["a"].dtype == "bfloat16"
    np.testing.assert_array_equal(archive.arrays()["a"], np.float32([1.5, -2]), strict=True)


VIEWS = {
    "transposed": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    "channels last": torch.arange(120.0).reshape(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "expanded": torch.arange(3.0)[:, None].expand(3, 100),
    "sliced": torch.arange(10.0)[3:7],
    "strided": torch.arange(10.0)[1::3],
    "a scalar": torch.tensor(3.0),
    "a scalar of many": torch.arange(5.0)[2],
    "empty": torch.zeros(0, 3),
    "one element with any stride": torch.arange(10.0).as_strided((1, 3), (7, 1)),
    "a parameter": torch.nn.Parameter(torch.ones(2)),
    "bfloat16, transposed": torch.arange(6.0).reshape(2, 3).T.bfloat16(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_every_kind_of_view_is_read(save, read, name):
    array = read(save({"a": VIEWS[name]})).arrays()["a"]
    np.testing.assert_array_equal(array, VIEWS[name].detach().float().numpy(), strict=True)


def test_a_state_dict_keeps_its_order_and_loses_its_version_numbers(save, read):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    archive = read(save(network.state_dict()))
    assert archive.metadata == {}
    assert list(archive.tensors) == list(network.state_dict())
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(archive.arrays()[name], tensor.numpy(), strict=True)


def test_tensors_of_a_wrapper_get_its_name_and_the_rest_is_metadata(save, read):
    value = {
        "params_ema": OrderedDict({"conv.weight": torch.ones(2), "note": "x"}),
        "params": {"conv.weight": torch.zeros(2)},
        "step": torch.tensor(7),
        "epoch": 3,
        "config": {"name": "rrdb", "sizes": (1, 2), "dtype": torch.float16, "shape": torch.Size([4, 5])},
        "history": [{"loss": np.float64(0.5)}],
        "optimizer": {"state": {0: {"momentum": torch.ones(1)}}},
    }
    archive = read(save(value))
    assert list(archive.tensors) == ["params_ema.conv.weight", "params.conv.weight", "step"]
    momentum = archive.metadata.pop("optimizer")["state"][0]["momentum"]
    np.testing.assert_array_equal(momentum.numpy(), [1])
    assert archive.metadata == {
        "params_ema": {"note": "x"},
        "epoch": 3,
        "config": {"name": "rrdb", "sizes": (1, 2), "dtype": "float16", "shape": (4, 5)},
        "history": [{"loss": 0.5}],
    }


def test_numpy_arrays_count_as_tensors(save, read):
    arrays = {"a": np.arange(6, dtype=">f4").reshape(2, 3), "b": np.asfortranarray(np.arange(6).reshape(2, 3))}
    for name, array in read(save(arrays)).arrays().items():
        np.testing.assert_array_equal(array, arrays[name])


def test_tensors_that_share_a_storage_are_both_read(save, read):
    base = torch.arange(10.0)
    arrays = read(save({"a": base[:6], "b": base[4:]})).arrays()
    np.testing.assert_array_equal(arrays["a"][4:], arrays["b"][:2])


@pytest.mark.parametrize("value", [torch.ones(2), [torch.ones(2)], "text"])
def test_what_is_no_table_is_refused(save, read, value):
    with pytest.raises(BadWeights, match=r"not tensors by name; save a state_dict\(\)"):
        read(save(value))


def test_two_tensors_of_one_name_are_refused(save, read):
    with pytest.raises(BadWeights, match=r"two tensors named 'a\.b'"):
        read(save({"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}))


WRAPPED = OrderedDict({"conv.weight": torch.ones(2, 3), "model.0.bias": torch.zeros(2)})


@pytest.mark.parametrize("wrapper", ["state_dict", "params_ema", "params", "model", "g_ema"])
def test_official_wrappers_keep_their_name_in_front_whatever_lies_beside_them(save, read, wrapper):
    beside = {"epoch": 9, "arch": "flownets", "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1}]}}
    archive = read(save({**beside, wrapper: WRAPPED}))
    assert list(archive.tensors) == [f"{wrapper}.{key}" for key in WRAPPED]
    assert archive.metadata == beside


def test_a_prefix_of_data_parallel_is_part_of_the_name(save, read):
    archive = read(save({"state_dict": {f"module.{key}": tensor for key, tensor in WRAPPED.items()}}))
    assert list(archive.tensors) == [f"state_dict.module.{key}" for key in WRAPPED]


def test_an_averaged_generator_beside_the_others_is_told_apart(save, read):
    """As rosinality's StyleGAN2 has them."""
    value = {
        "g": WRAPPED,
        "g_ema": WRAPPED,
        "d": WRAPPED,
        "latent_avg": torch.ones(8),
        "args": argparse.Namespace(size=256),
    }
    archive = read(save(value))
    assert list(archive.tensors)[-1] == "latent_avg"
    assert {name.partition(".")[0] for name in archive.tensors} == {"g", "g_ema", "d", "latent_avg"}
    assert archive.metadata == {"args": {"class": "argparse.Namespace", "size": 256}}


class Command:
    def __reduce__(self):
        return print, ("executed",)


def test_code_beside_the_tensors_is_refused(save, read, capsys):
    with pytest.raises(UnsafeWeights, match=r"weights\.pth: it asks for (builtins|__builtin__)\.print"):
        read(save({"a": torch.ones(2), "b": Command()}))
    assert capsys.readouterr().out == ""


def test_a_zip_file_is_mapped_and_not_copied(tmp_path, read):
    torch.save({"a": torch.ones(5_000_000)}, tmp_path / "w")
    tracemalloc.start()
    archive = read(tmp_path / "w")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(archive.tensors["a"].data.obj, mmap.mmap)
    assert peak < 1_000_000
    assert archive.arrays()["a"].sum() == 5_000_000


def test_a_stream_is_mapped_and_not_copied(tmp_path, read):
    torch.save({"a": torch.ones(1000)}, tmp_path / "w", _use_new_zipfile_serialization=False)
    assert isinstance(read(tmp_path / "w").tensors["a"].data.obj, mmap.mmap)


# -- Files that torch.save does not write ------------------------------------------------------------------------------


def zipped(path, pickled, **members):
    """A zip container with any pickle and any other members."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in members.items():
            archive.writestr(f"archive/{name.replace('data_', 'data/')}", content)
    return path


def stream(path, pickled, keys=(), storages=b""):
    """A stream with any pickle, storage keys and bytes behind them."""
    head = b"\x80\x02\x8a\x0a" + MAGIC + b"." + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    path.write_bytes(head + pickled + pickle.dumps(list(keys), 2) + storages)
    return path


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def number(value):
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def numbers(*values):
    """A tuple of integers, as pickled."""
    return b"(" + b"".join(map(number, values)) + b"t"


def view(offset, shape, stride, size=4, storage="FloatStorage", key="0"):
    """A pickled table with one tensor, on a storage of four floats."""
    kind = f"ctorch\n{storage}\n".encode()
    reference = b"(" + text("storage") + kind + text(key) + text("cpu") + number(size) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor\n(" + reference + number(offset) + shape + stride + b"tR"
    return b"}" + text("a") + tensor + b"s."


FLOATS = np.arange(4, dtype="<f4").tobytes()


def test_the_hand_made_table_is_read_if_nothing_is_wrong_with_it(tmp_path, read):
    pickled = view(1, numbers(3), numbers(1))
    expected = [1, 2, 3]
    np.testing.assert_array_equal(read(zipped(tmp_path / "w", pickled, data_0=FLOATS)).arrays()["a"], expected)
    storages = (4).to_bytes(8, "little") + FLOATS
    np.testing.assert_array_equal(read(stream(tmp_path / "w", pickled, "0", storages)).arrays()["a"], expected)


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (view(2, numbers(3), numbers(1)), r"entry 'a': its shape \(3,\) reaches beyond its storage"),
        (view(0, numbers(2), numbers(4)), "reaches beyond its storage"),
        (view(0, numbers(2, 2), numbers(3, 1)), "reaches beyond its storage"),
        (view(2**62, numbers(1), numbers(1)), "reaches beyond its storage"),
        (view(0, numbers(2**20, 2**20), numbers(1, 1)), "reaches beyond its storage"),
        (view(0, numbers(2**30), numbers(0)), "unfold to far more than the file holds"),
        (view(-1, numbers(1), numbers(1)), "not whole numbers"),
        (view(0, numbers(2), numbers(-1)), "not whole numbers"),
        (view(0, numbers(-2), numbers(1)), "not whole numbers"),
        (view(0, numbers(2), numbers(1, 1)), "something else than a storage, a shape and a stride"),
        (view(0, numbers(*[1] * 33), numbers(*[1] * 33)), "entry 'a': its shape is impossible"),
        (view(0, numbers(0, 2**62, 2**62), numbers(1, 1, 1)), "its shape is impossible"),
        (view(0, numbers(4), numbers(1), size=5), "should be 5 × float32, but has 16 bytes"),
        (view(0, numbers(4), numbers(1), storage="DoubleStorage"), "should be 4 × float64, but has 16 bytes"),
        (view(0, numbers(4), numbers(1), key="7"), "storage '7': it is missing"),
        (b"}" + text("a") + b"ctorch\nSize\ns.", "entry 'a': it is neither a tensor nor a plain value"),
        (b"}" + text("a") + text("0") + b"Qs.", "something else than a storage"),
        (b"}" + text("a") + b"ctorch._utils\n_rebuild_parameter\n(NNNtRs.", "something else than a tensor"),
    ],
)
def test_a_tensor_that_is_none_is_refused(tmp_path, read, pickled, message):
    with pytest.raises(BadWeights, match=message):
        read(zipped(tmp_path / "w", pickled, data_0=FLOATS))


def test_many_views_of_one_storage_may_not_unfold_to_much(tmp_path, read):
    """They cost nothing until someone looks at all tensors, or writes them."""
    whole = torch.zeros(2_000_000)
    torch.save({str(number): whole for number in range(4)}, tmp_path / "w")
    assert len(read(tmp_path / "w").tensors) == 4
    torch.save({str(number): whole for number in range(100)}, tmp_path / "w")
    with pytest.raises(BadWeights, match="its tensors unfold to far more than the file holds"):
        read(tmp_path / "w")


def test_big_endian_files_are_turned_round(tmp_path, read):
    big = np.arange(4, dtype=">f4").tobytes()
    path = zipped(tmp_path / "w", view(0, numbers(2, 2), numbers(1, 2)), data_0=big, byteorder="big")
    np.testing.assert_array_equal(read(path).arrays()["a"], np.float32([[0, 2], [1, 3]]), strict=True)


def test_an_unknown_byte_order_is_refused(tmp_path, read):
    with pytest.raises(BadWeights, match="byte order is unknown"):
        read(zipped(tmp_path / "w", b"}.", byteorder="middle"))


@pytest.mark.parametrize(
    ("keys", "storages", "message"),
    [
        (["1"], b"", "list of storages is not that of its tensors"),
        (5 * [None], b"", "list of storages is not that of its tensors"),
        (["0"], (4).to_bytes(8, "little") + FLOATS[:-1], "cut short within its tensors"),
        (["0"], (2**63).to_bytes(8, "little") + FLOATS, "cut short within its tensors"),
        (["0"], (4).to_bytes(8, "little") + FLOATS + b"more", "4 bytes follow its last tensor"),
        ([], b"", "storage '0': it is missing"),
    ],
)
def test_a_stream_whose_storages_do_not_fit_is_refused(tmp_path, read, keys, storages, message):
    with pytest.raises(BadWeights, match=message):
        read(stream(tmp_path / "w", view(0, numbers(4), numbers(1)), keys, storages))


def test_torchscript_is_recognised(tmp_path, read):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "w")
    with pytest.raises(BadWeights, match="it is TorchScript, which holds code"):
        read(tmp_path / "w")


def test_a_tar_of_the_first_torch_is_recognised(tmp_path, read):
    with tarfile.open(tmp_path / "w", "w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(BadWeights, match=r"tar archive, as torch before 0\.2 wrote"):
        read(tmp_path / "w")


def test_another_zip_file_is_not_taken_for_torchs(tmp_path, read):
    with zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/weights.bin", bytes(100))
    with pytest.raises(BadWeights, match=r"not one of torch\.save"):
        read(tmp_path / "w")
