from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from archives import tarred, zipped

from ml4a._core.errors import BadWeights
from ml4a.weights import packed, tar
from ml4a.weights.packed import extract

NET = random.Random(1).randbytes(300_000)
MEMBERS = {"readme.txt": b"hello", "deep/down/net.pth": NET, "deep/empty": b""}
LONG = "folder/" * 30 + "net.pth"


def taken(path: Path, member: str, limit: int = 1 << 20) -> bytes:
    target = path.parent / "taken"
    target.unlink(missing_ok=True)
    extract(path, "the archive", member, limit, target)
    return target.read_bytes()


def refused(path: Path, member: str, words: str, limit: int = 1 << 20) -> None:
    start = time.perf_counter()
    with pytest.raises(BadWeights, match=words) as caught:
        taken(path, member, limit)
    assert time.perf_counter() - start < 2
    assert str(caught.value).startswith("the archive: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("member", ["deep/down/net.pth", "down/net.pth", "net.pth"])
@pytest.mark.parametrize("mode", ["zip", "stored", "w:", "w:gz", "w:bz2", "w:xz"])
def test_a_member_is_found_by_its_path_or_the_end_of_it(member: str, mode: str, tmp_path: Path):
    path = tmp_path / "x"
    if mode in ("zip", "stored"):
        zipped(path, MEMBERS, compression=zipfile.ZIP_STORED if mode == "stored" else zipfile.ZIP_DEFLATED)
    else:
        tarred(path, MEMBERS, mode=mode)
    assert taken(path, member) == NET
    assert taken(path, "empty") == b""
    refused(path, "other.pth", "it has no member other.pth; it has 3, the first being readme.txt, deep/down/net.pth")
    refused(path, "et.pth", "it has no member et.pth")


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["net.pth", "a" * 90 + "/net.pth", LONG, "ünï/net.pth", "./net.pth"])
def test_every_kind_of_tar_is_read(format: int, name: str, tmp_path: Path):
    assert taken(tarred(tmp_path / "x", {"a": b"a", name: NET, "z": b"z"}, format=format), name) == NET


def test_an_archive_that_another_program_packed_in_several_streams_is_read(tmp_path: Path):
    plain = tarred(tmp_path / "plain", MEMBERS, mode="w:").read_bytes()
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        (tmp_path / "x").write_bytes(compress(plain[:1000]) + compress(plain[1000:]))
        assert taken(tmp_path / "x", "net.pth") == NET


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_not_followed(kind: bytes, tmp_path: Path):
    refused(tarred(tmp_path / "x", {"net.pth": b""}, kind=kind), "net.pth", "is a link, a folder or a device")
    assert not (tmp_path / "taken").exists()


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        about = zipfile.ZipInfo("net.pth")
        about.external_attr = 0o120777 << 16
        archive.writestr(about, "/etc/passwd")
    refused(tmp_path / "x", "net.pth", "is a link or a device")


def test_members_whose_names_lead_out_are_only_names(tmp_path: Path):
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    names = ["../../evil", "/evil", "C:\\evil", "\\\\host\\share\\evil", "net.pth"]
    for path in (zipped(folder / "zip", dict.fromkeys(names, NET)), tarred(folder / "tar", dict.fromkeys(names, NET))):
        assert taken(path, "net.pth") == NET
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"zip", "tar", "taken"}


@pytest.mark.parametrize("mode", ["zip", "w:gz"])
def test_a_name_that_several_members_have_is_refused(mode: str, tmp_path: Path):
    members = {"a/net.pth": NET, "b/net.pth": b"other"}
    path = zipped(tmp_path / "x", members) if mode == "zip" else tarred(tmp_path / "x", members, mode=mode)
    refused(path, "net.pth", "2 of its members are called net.pth; name one by its whole path")
    assert taken(path, "b/net.pth") == b"other"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_of_two_members_of_the_very_same_name_neither_is_taken(kind: str, tmp_path: Path):
    path = tmp_path / "x"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/net.pth", NET)
            archive.writestr("a/net.pth", b"other")
    else:
        with tarfile.open(path, "w") as archive:
            for data in (NET, b"other"):
                about = tarfile.TarInfo("a/net.pth")
                about.size = len(data)
                archive.addfile(about, io.BytesIO(data))
    refused(path, "a/net.pth", "2 of its members are called a/net.pth")


def test_names_that_differ_only_in_case_are_two_names(tmp_path: Path):
    members = {"NET.pth": b"other", "net.pth": NET}
    for path in (zipped(tmp_path / "zip", members), tarred(tmp_path / "tar", members)):
        assert taken(path, "net.pth") == NET
        assert taken(path, "NET.pth") == b"other"


@pytest.mark.parametrize("mode", ["zip", "w:gz"])
def test_no_more_is_written_than_shows_that_it_is_too_much(mode: str, tmp_path: Path):
    bomb = {"net.pth": bytes(5_000_000)}
    path = zipped(tmp_path / "x", bomb) if mode == "zip" else tarred(tmp_path / "x", bomb, mode=mode)
    assert len(taken(path, "net.pth", limit=1000)) == 1001


def test_a_tar_that_swells_on_the_way_to_the_member_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tarred(tmp_path / "x", {"a": bytes(20_000_000), "net.pth": NET[:1000]})
    assert taken(path, "net.pth") == NET[:1000]
    monkeypatch.setattr(packed, "_SMALL", 1 << 20)
    refused(path, "net.pth", "swells to more than 50 times its size")


def test_a_directory_without_end_is_not_read(tmp_path: Path):
    size = 2 << 20
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 9, 9, size, 4, 0)
    (tmp_path / "zip").write_bytes(b"PK\x03\x04" + bytes(size) + end)
    refused(tmp_path / "zip", "net.pth", "its directory is longer than")
    (tmp_path / "tar").write_bytes(tarfile.TarInfo("x").tobuf() * 10_001)
    refused(tmp_path / "tar", "net.pth", "more than 10000 members")


def test_a_name_of_a_gigabyte_is_not_read(tmp_path: Path):
    about = tarfile.TarInfo("././@LongLink")
    about.type, about.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    with (tmp_path / "x").open("wb") as file:
        file.write(about.tobuf(tarfile.GNU_FORMAT))
        file.truncate(1 << 30)  # a hole: it takes no room
    refused(tmp_path / "x", "net.pth", "a name in the tar archive is too long")


def test_an_encrypted_or_oddly_packed_member_is_refused(tmp_path: Path):
    zipped(tmp_path / "lzma", MEMBERS, compression=zipfile.ZIP_LZMA)
    refused(tmp_path / "lzma", "net.pth", "compressed in a way that is not read")
    data = bytearray(zipped(tmp_path / "x", MEMBERS).read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(signature, start + 1)) >= 0:
            data[start + at] |= 1
    (tmp_path / "x").write_bytes(data)
    refused(tmp_path / "x", "net.pth", "cannot be read .*encrypted")


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 1000, b"\x1f\x8b" + b"x" * 1000, b"BZh9xxxxxxxxxx", bytes(20)])
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path):
    (tmp_path / "x").write_bytes(data)
    refused(tmp_path / "x", "net.pth", "not a tar archive|cut short|cannot be|no member")


@pytest.mark.parametrize("mode", ["zip", "w:", "w:gz", "w:xz"])
def test_archives_cut_short_anywhere_or_damaged_are_refused_or_give_the_true_member(mode: str, tmp_path: Path):
    whole = tmp_path / "whole"
    members = {"a": random.Random(9).randbytes(500), "net.pth": NET[:3000]}
    good = (zipped(whole, members) if mode == "zip" else tarred(whole, members, mode=mode)).read_bytes()
    rng = random.Random(2)
    cuts = [good[:end] for end in range(0, len(good), 64)]
    flips = []
    for _ in range(200):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        flips.append(bytes(data))
    outcomes = set()
    for data in [*cuts, *flips]:
        (tmp_path / "x").write_bytes(data)
        try:
            found = taken(tmp_path / "x", "net.pth")
        except BadWeights:
            outcomes.add("refused")
        else:
            outcomes.add("read")
            assert found == members["net.pth"] or mode == "w:"  # whose contents have no checksum
    assert "refused" in outcomes


def test_a_member_that_would_begin_before_the_file_is_refused(tmp_path: Path):
    """Found by fuzzing: `zipfile` asks the system to go to a place before the start."""
    data = zipped(tmp_path / "whole", MEMBERS).read_bytes()
    (tmp_path / "x").write_bytes(b"PK" + data[100:])
    refused(tmp_path / "x", "readme.txt", "the archive is broken or hostile")


def test_a_member_without_a_name_is_no_trouble(tmp_path: Path):
    """Found by fuzzing: `zipfile` looks for the last character of the name."""
    data = zipped(tmp_path / "whole", {"a": b"a", "net.pth": NET}, compression=zipfile.ZIP_STORED).read_bytes()
    at = data.index(b"PK\x01\x02")
    nameless = data[: at + 28] + bytes(2) + data[at + 30 : at + 46] + data[at + 47 :]
    end = nameless.index(b"PK\x05\x06") + 12
    size = int.from_bytes(nameless[end : end + 4], "little") - 1
    (tmp_path / "x").write_bytes(nameless[:end] + size.to_bytes(4, "little") + nameless[end + 4 :])
    refused(tmp_path / "x", "net.pth", "the archive is broken or hostile")


def test_a_number_in_base_256_is_understood():
    assert tar._number(b"\x80" + (10**10).to_bytes(11, "big")) == 10**10
