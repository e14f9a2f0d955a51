from __future__ import annotations

import io
import mmap
import zipfile

import numpy as np
import pytest

from ml4a._core.errors import BadWeights, UnsafeWeights

ARRAYS = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.float16([1, 2]),
    "bytes": np.arange(5, dtype=np.uint8),
    "truths": np.array([True, False]),
    "complex": np.complex64([1 + 2j]),
    "a scalar": np.array(5),
    "big-endian": np.arange(3, dtype=">f8"),
    "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 3)),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_an_array_is_read(tmp_path, read, name, version):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, ARRAYS[name], version)
    archive = read(tmp_path / "a.npy")
    assert (archive.format, list(archive.tensors)) == ("numpy", [""])
    np.testing.assert_array_equal(archive.arrays()[""], ARRAYS[name])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_by_name(tmp_path, read, save):
    save(tmp_path / "a.npz", **ARRAYS)
    arrays = read(tmp_path / "a.npz").arrays()
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_arrays_are_slices_of_the_mapped_file(tmp_path, read):
    np.save(tmp_path / "a.npy", ARRAYS["float32"])
    np.savez(tmp_path / "a.npz", ARRAYS["float32"])
    for name in ("a.npy", "a.npz"):
        (tensor,) = read(tmp_path / name).tensors.values()
        assert isinstance(tensor.data.obj, mmap.mmap)


BOUNDARY = {"boundary": np.ones((1, 14, 512), np.float32), "meta_data": {"manipulate_layers": [0, 1, 2]}}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_an_array_of_one_table_is_read_as_the_table(tmp_path, read, protocol):
    """As the boundaries of idinvert are kept."""
    path = tmp_path / "age.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        import pickle

        pickle.dump(np.array(BOUNDARY), file, protocol)
    archive = read(path)
    np.testing.assert_array_equal(archive.arrays()["boundary"], BOUNDARY["boundary"], strict=True)
    assert archive.metadata == {"meta_data": BOUNDARY["meta_data"]}


class Command:
    def __reduce__(self):
        return print, ("executed",)


def test_code_in_the_table_is_refused(tmp_path, read, capsys):
    np.save(tmp_path / "a.npy", {"a": Command()})
    with pytest.raises(UnsafeWeights, match=r"a\.npy: it asks for builtins\.print"):
        read(tmp_path / "a.npy")
    assert capsys.readouterr().out == ""


def header(text: str, body: bytes = b"", version: int = 1) -> bytes:
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2, "little") + text.encode("latin-1") + body


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header(PLAIN, bytes(7)), r"its shape \(2,\) of <f4 does not fit its 7 bytes"),
        (header(PLAIN, bytes(9)), "does not fit its 9 bytes"),
        (header(PLAIN, bytes(8), version=9), "version of the format is unknown"),
        (header(PLAIN)[:30], "cut short or broken in its header"),
        (b"\x93NUMPY", "version of the format is unknown, or it is cut short"),
        (b"\x93NUMPY\1\0\1", "or it is cut short"),
        (header(PLAIN.replace("<f4", "<U4"), bytes(8)), "element type '<U4' is not supported"),
        (header(PLAIN.replace("<f4", "|S4"), bytes(8)), "element type"),
        (header(PLAIN.replace("<f4", "<M8"), bytes(8)), "element type"),
        (header(PLAIN.replace("<f4", "<f3"), bytes(8)), "element type '<f3' is not supported"),
        (header(PLAIN.replace("<f4", "|V4"), bytes(8)), "element type"),
        (header(PLAIN.replace("<f4", "<f16"), bytes(32)), "float128' is not supported"),
        (header(PLAIN.replace("(2,)", f"({1 << 40}, {1 << 40})"), bytes(8)), "shape is impossible"),
        (header(PLAIN.replace("(2,)", "(-2,)"), bytes(8)), "header is broken"),
        (header(PLAIN.replace("(2,)", "(__import__('os').system('touch executed'),)"), bytes(8)), "header is broken"),
        (header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }"), "it holds structures"),
        (header(PLAIN.replace("<f4", "|O"), b"\x80\x02]."), "an array of Python objects, which is a pickle"),
        (header(PLAIN.replace("<f4", "|O").replace("(2,)", "()"), b"\x80\x02]."), "not hold what its header says"),
        (header(PLAIN.replace("<f4", "|O").replace("(2,)", "()"), b"\x80\x02].more"), "bytes follow its pickle"),
    ],
)
def test_what_is_no_array_of_numbers_is_named(tmp_path, read, data, message):
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(BadWeights, match=message):
        read(tmp_path / "a.npy")


def test_objects_among_arrays_are_refused(tmp_path, read):
    np.savez(tmp_path / "a.npz", a=np.ones(2), b=np.array([None, "text"], object))
    with pytest.raises(BadWeights, match=r"member 'b\.npy': it is an array of Python objects, which is a pickle"):
        read(tmp_path / "a.npz")


def test_objects_in_the_table_are_refused(tmp_path, read):
    np.save(tmp_path / "a.npy", {"a": np.array([None, "text"], object)})
    with pytest.raises(BadWeights, match="an array of Python objects, which is not supported"):
        read(tmp_path / "a.npy")


def npz(path, member: bytes, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        archive.writestr("a.npy", member)
    return path


def test_a_member_that_unpacks_to_far_more_is_refused(tmp_path, read):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(10_000_000, np.float32))
    with pytest.raises(BadWeights, match=r"member 'a\.npy': it unpacks to far more than \d+ bytes hold"):
        read(npz(tmp_path / "a.npz", buffer.getvalue(), compresslevel=9))


def test_a_member_that_is_longer_than_it_says_is_refused(tmp_path, read):
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).random(100))
    path = npz(tmp_path / "a.npz", buffer.getvalue())
    data = path.read_bytes()
    size = len(buffer.getvalue()).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (len(buffer.getvalue()) - 8).to_bytes(4, "little")))
    with pytest.raises(BadWeights, match="unpacks to another size than it should"):
        read(path)


def test_a_member_that_is_no_array_is_refused(tmp_path, read):
    with pytest.raises(BadWeights, match="it is no array"):
        read(npz(tmp_path / "a.npz", b"text"))
