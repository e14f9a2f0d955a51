from __future__ import annotations

import hashlib
import logging
import os
import random
from pathlib import Path

import pytest
import toy_card
from archives import zipped

from ml4a import weights
from ml4a._core.errors import BadValue, BadWeights, NotFound, UnknownName

NET = random.Random(8).randbytes(100_000)
SHA256 = hashlib.sha256(NET).hexdigest()


@pytest.fixture
def got(tmp_path: Path, home: Path) -> Path:
    """A file that was got by hand."""
    path = tmp_path / "download (1).pth"
    path.write_bytes(NET)
    return path


def test_a_file_is_known_by_its_content_on_whatever_card(got: Path):
    expected = toy_card.write(NET, "https://example.org/x")
    toy_card.write(NET, "https://example.org/y", name="other", file_name="other.bin")
    assert weights.add(got) == ["other/small/network", "toy/small/network"]
    assert weights.find("toy") == {"network": expected}
    assert weights.find("other")["network"].name == "other.bin"  # type: ignore[index]
    assert expected.read_bytes() == got.read_bytes() == NET
    assert weights.add(got) == ["other/small/network", "toy/small/network"]


def test_a_file_that_no_card_knows_is_refused_with_advice(got: Path, home: Path):
    with pytest.raises(BadWeights, match=rf"\(SHA-256 {SHA256[:12]}…\) is on no card; if you know what it is, say so"):
        weights.add(got)
    assert not list(home.rglob("*.pth"))


def test_a_file_without_a_hash_is_taken_at_the_users_word_and_held_to(got: Path, caplog: pytest.LogCaptureFixture):
    expected = toy_card.write(NET, "https://example.org/x", known=False)
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert weights.add(got, "toy/small/network") == ["toy/small/network"]
    assert f"kept to from now on: {SHA256}" in caplog.text
    assert weights.find("toy") == {"network": expected}
    assert weights.card("toy").variant().files["network"].sha256 == SHA256
    assert weights.add(got) == ["toy/small/network"]
    got.write_bytes(NET[::-1])
    with pytest.raises(BadWeights, match=r"as it had when it first came; if you trust the new one, delete .*pins"):
        expected.unlink()
        weights.add(got, "toy")


@pytest.mark.parametrize("spec", ["toy", "toy/small", "toy/small/network"])
def test_what_it_is_may_be_said_as_shortly_as_is_clear(spec: str, got: Path):
    toy_card.write(NET, "https://example.org/x", known=False)
    assert weights.add(got, spec) == ["toy/small/network"]


def test_what_could_mean_several_files_is_refused(got: Path):
    names = {"a": "a.bin", "b": "b.bin"}
    places = {role: [f"https://example.org/{role}"] for role in names}
    toy_card.write_files({"a": NET, "b": b"b"}, places, names=names)
    for spec in ("toy", "toy/small", "toy/small/c", "toy/small/a/b"):
        with pytest.raises(BadValue, match="does not say which file is meant; say one of toy/small/a, toy/small/b"):
            weights.add(got, spec)
    with pytest.raises(UnknownName):
        weights.add(got, "toy/large/a")
    assert weights.add(got, "toy/small/a") == ["toy/small/a"]


def test_another_file_than_is_said_is_refused(got: Path):
    toy_card.write(NET[::-1], "https://example.org/x")
    with pytest.raises(BadWeights, match=f"toy.bin has SHA-256 {SHA256[:12]}…, but should have"):
        weights.add(got, "toy")
    assert weights.find("toy") is None


def test_what_is_no_file_is_refused(tmp_path: Path, home: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(BadWeights, match="is not a file"):
            weights.add(path)
    with pytest.raises(NotFound, match="there is no file"):
        weights.add(tmp_path / "nothing")


@pytest.mark.parametrize("known", [True, False])
def test_the_archive_that_a_file_comes_in_will_do_as_well(known: bool, tmp_path: Path, home: Path):
    expected = toy_card.write(NET, "gdrive:0123456789abc#net.pth", known=known)
    archive = zipped(tmp_path / "pretrained.zip", {"deep/net.pth": NET, "deep/other.pth": b"other"})
    assert weights.add(archive, "toy") == ["toy/small/network"]
    assert weights.find("toy") == {"network": expected}
    assert archive.exists()
    expected.unlink()
    (tmp_path / "net.pth").write_bytes(NET)
    weights.add(tmp_path / "net.pth", "toy")
    assert weights.find("toy") == {"network": expected}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html>", "toy.bin: it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "toy.bin: it is a git-lfs pointer"),
        (b"", "toy.bin: the file is empty"),
    ],
)
def test_what_only_stands_for_a_file_is_never_what_counts(data: bytes, words: str, got: Path, home: Path):
    toy_card.write(NET, "https://example.org/x", known=False)
    got.write_bytes(data)
    with pytest.raises(BadWeights, match=words):
        weights.add(got, "toy")
    assert not list(home.rglob("*.bin"))
    assert not (home / "config" / "pins").exists()
