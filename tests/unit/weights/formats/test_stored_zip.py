from __future__ import annotations

import mmap
import struct
import zipfile
import zlib

import pytest
import torch

from ml4a._core.errors import BadWeights
from ml4a.weights.formats.stored_zip import members, names


def mapped(path):
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


@pytest.fixture(params=["torch", "zipfile"])
def archive(request, tmp_path):
    """A path and its bytes: an archive with sizes in trailers (torch), one with sizes in headers (Python)."""
    path = tmp_path / "archive.zip"
    if request.param == "torch":
        torch.save({"a": torch.arange(50.0)}, path)
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", b"pickle" * 9)
            file.writestr("archive/data/0", torch.arange(50.0).numpy().tobytes())
    return path, bytearray(path.read_bytes())


def header_and_entry(data, name=b"archive/data/0"):
    """Where the member's own header and its entry in the directory begin."""
    entry = data.rindex(name) - 46
    return struct.unpack_from("<I", data, entry + 42)[0], entry


def check_refused(path, data, message):
    path.write_bytes(data)
    with pytest.raises(BadWeights, match=message):
        members(mapped(path))


def test_members_are_slices_of_the_map(archive):
    data = mapped(archive[0])
    found = members(data)
    assert list(found) == names(data)
    assert bytes(found["archive/data/0"]) == torch.arange(50.0).numpy().tobytes()
    assert all(member.obj is data.obj for member in found.values())


def test_sizes_that_stand_in_extra_fields_are_read(tmp_path, monkeypatch):
    """As in archives of more than 4 GB, whose directory is in a longer record, too."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 50)
    with zipfile.ZipFile(tmp_path / "w", "w") as file:
        file.writestr("archive/data.pkl", b"pickle" * 9)
        file.writestr("archive/data/0", bytes(100))
    assert b"PK\6\6" in (tmp_path / "w").read_bytes()
    found = members(mapped(tmp_path / "w"))
    assert {name: len(member) for name, member in found.items()} == {"archive/data.pkl": 54, "archive/data/0": 100}


def test_a_flipped_bit_is_found_by_the_checksum(archive):
    path, data = archive
    data[data.index(torch.arange(50.0).numpy().tobytes()) + 70] ^= 1
    check_refused(path, data, "member 'archive/data/0': its checksum is wrong")


@pytest.mark.parametrize("flag", [1 << 0, 1 << 5, 1 << 6, 1 << 13])
@pytest.mark.parametrize("where", ["header", "directory", "both"])
def test_a_flag_that_torch_never_sets_is_refused(archive, flag, where):
    path, data = archive
    header, entry = header_and_entry(data)
    for position, part in ((header + 6, "header"), (entry + 8, "directory")):
        if where in (part, "both"):
            struct.pack_into("<H", data, position, struct.unpack_from("<H", data, position)[0] ^ flag)
    check_refused(path, data, "marked as torch.save never does|disagree|broken")


@pytest.mark.parametrize(("offset", "form", "value"), [(8, "<H", 8), (14, "<I", 77), (18, "<I", 77), (22, "<I", 77)])
def test_a_header_that_disagrees_with_the_directory_is_refused(archive, offset, form, value):
    path, data = archive
    struct.pack_into(form, data, header_and_entry(data)[0] + offset, value)
    check_refused(path, data, "disagree")


def test_a_trailer_that_disagrees_with_the_directory_is_refused(tmp_path):
    path = tmp_path / "archive.zip"
    torch.save({"a": torch.arange(50.0)}, path)
    data = bytearray(path.read_bytes())
    end = data.index(torch.arange(50.0).numpy().tobytes()) + 200
    assert data[end : end + 4] == b"PK\7\x08"
    data[end + 8] ^= 1
    check_refused(path, data, "disagree")


def test_another_name_in_the_header_is_refused(archive):
    path, data = archive
    header, _ = header_and_entry(data)
    data[header + 30 : header + 44] = b"archive/data/1"
    check_refused(path, data, "disagree")


def test_a_name_that_ends_early_is_refused(archive):
    path, data = archive
    check_refused(path, data.replace(b"archive/data/0", b"archive/data\x000"), "its size or its name is contradictory")


def test_a_compressed_member_is_refused(tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", bytes(1000))
    with pytest.raises(BadWeights, match="compressed"):
        members(mapped(path))


def test_two_members_of_one_name_are_refused(tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", b"2")
    with pytest.raises(BadWeights, match="there twice"):
        members(mapped(path))


def test_a_member_inside_another_is_refused(tmp_path):
    inner = stored(b"inner", b"hidden")
    outer = stored(b"outer", inner)
    directory = entry(b"outer", inner, 0) + entry(b"inner", b"hidden", len(outer) - len(inner))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(directory), len(outer), 0)
    check_refused(tmp_path / "archive.zip", outer + directory + end, "overlap")


def stored(name, content):
    sizes = (zlib.crc32(content), len(content), len(content))
    return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, *sizes, len(name), 0) + name + content


def entry(name, content, offset):
    sizes = (zlib.crc32(content), len(content), len(content))
    return struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, *sizes, len(name), 0, 0, 0, 0, 0, offset) + name


def test_a_member_beyond_the_end_is_refused(archive):
    path, data = archive
    struct.pack_into("<I", data, header_and_entry(data)[1] + 42, len(data) - 10)
    check_refused(path, data, "outside of the file")
