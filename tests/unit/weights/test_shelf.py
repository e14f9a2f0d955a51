from __future__ import annotations

import hashlib
import logging
import os
import random
import time
from pathlib import Path

import pytest
import toy_card

from ml4a import weights
from ml4a._core.errors import Cancelled, UnknownName
from ml4a._core.progress import Cancel, Progress, listening
from ml4a.weights import cache, stamp

A, B, C = (random.Random(size).randbytes(size) for size in (5 << 20, 300_000, 1000))
FILES = {"a": "a.bin", "b": "b.bin", "c": "c.bin"}


@pytest.fixture
def sources(tmp_path: Path, home: Path) -> dict[str, list[str]]:
    """Two models: `one` has the files a and b, `two` has b and c."""
    for name, data in zip(FILES.values(), (A, B, C), strict=True):
        (tmp_path / name).write_bytes(data)
    places = {role: [f"file:{tmp_path / name}"] for role, name in FILES.items()}
    toy_card.write_files({"a": A, "b": B}, places, name="one", names=FILES)
    toy_card.write_files({"b": B, "c": C}, places, name="two", names=FILES)
    return places


def items() -> dict[str, weights.Item]:
    return {item.spec: item for item in weights.inventory()}


def damage(path: Path, at: int) -> None:
    """Change one byte, and set the clock back so that only the content tells."""
    about = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 255]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.usefixtures("sources")
def test_the_inventory_says_what_there_is_and_what_is_here():
    one = items()["one/small"]
    assert (one.weights.size, one.here, one.complete) == (len(A) + len(B), 0, False)
    assert items()["hed/bsds"].weights.licence == "MIT"
    weights.fetch("two")
    assert items()["two/small"].complete
    one = items()["one/small"]
    assert (one.here, one.complete) == (len(B), False)


@pytest.mark.usefixtures("sources")
def test_sound_files_are_verified_and_named():
    weights.fetch("one")
    weights.fetch("two")
    verdicts = {verdict.path.name: verdict for verdict in weights.verify()}
    assert {name: verdict.problem for name, verdict in verdicts.items()} == dict.fromkeys(FILES.values(), "")
    assert verdicts["b.bin"].specs == ("one/small/b", "two/small/b")
    assert [verdict.path.name for verdict in weights.verify("two")] == ["b.bin", "c.bin"]
    with pytest.raises(UnknownName):
        weights.verify("three")


@pytest.mark.parametrize("at", [0, len(A) // 4, len(A) // 2, len(A) - 1], ids=["start", "between", "middle", "end"])
@pytest.mark.usefixtures("sources")
def test_damage_anywhere_is_found_and_the_file_fetched_anew(at: int, caplog: pytest.LogCaptureFixture):
    """Between the three places of the quick hash as well, which `find` alone would not notice."""
    path = weights.fetch("one")["a"]
    damage(path, at)
    if at == len(A) // 4:
        assert weights.find("one") is not None
    (bad,) = [verdict for verdict in weights.verify() if verdict.problem]
    sha256 = hashlib.sha256(A).hexdigest()
    assert (bad.path, bad.specs) == (path, ("one/small/a",))
    assert f"a.bin has SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}…" in bad.problem
    assert f"should have {sha256[:12]}…" in bad.problem
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert weights.find("one") is None
    assert not path.exists()
    assert weights.fetch("one")["a"].read_bytes() == A
    assert not any(verdict.problem for verdict in weights.verify())


def test_a_damaged_copy_is_named_and_removed(home: Path):
    copies = home / "cache" / "converted"
    copies.mkdir(parents=True)
    for name in ("good", "bad"):
        (copies / f"{name}.safetensors").write_bytes(b"copy")
        stamp.write(copies / f"{name}.safetensors", hashlib.sha256(b"copy").hexdigest())
    damage(copies / "bad.safetensors", 1)
    assert {verdict.path.stem: bool(verdict.problem) for verdict in weights.verify()} == {"good": False, "bad": True}
    assert sorted(path.name for path in copies.iterdir()) == [".good.safetensors.stamp", "good.safetensors"]


@pytest.mark.usefixtures("sources")
def test_verifying_tells_its_progress_and_can_be_stopped():
    weights.fetch("one")
    told: list[Progress] = []
    weights.verify(on_progress=told.append)
    assert told[-1].done == told[-1].total == len(A) + len(B)
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Cancelled), listening(None, cancel):
        weights.verify()


@pytest.mark.usefixtures("sources")
def test_what_other_weights_need_is_not_removed():
    weights.fetch("one")
    weights.fetch("two")
    removal = weights.removal("one")
    assert [path.name for path in removal.files] == ["a.bin"]
    assert removal.shared == ("b.bin (two/small)",)
    assert removal.size == len(A)
    assert weights.find("one") is not None  # so far it was only a plan
    removal.run()
    assert weights.find("one") is None
    assert weights.find("two") is not None
    both = weights.removal("one/small", "two")
    assert sorted(path.name for path in both.files) == ["b.bin", "c.bin"]
    both.run()
    assert [path for path in cache.root().rglob("*") if path.is_file()] == []


def test_what_no_card_names_is_unused(sources: dict[str, list[str]], home: Path):
    weights.fetch("one")
    copies = home / "cache" / "converted"
    copies.mkdir()
    of_a, of_b = (hashlib.sha256(data).hexdigest() for data in (A, B))
    for name in (of_a, of_b, f"{of_b}-{of_a}"):
        (copies / f"{name}.safetensors").write_bytes(b"copy")
    old, young = cache.root() / f"{'ab' * 32}.0.part", cache.root() / f"{'cd' * 32}.0.part"
    for path in (old, young):
        path.write_bytes(b"x" * 100)
    os.utime(old, (time.time() - 3 * 86400,) * 2)
    toy_card.write_files({"b": B}, sources, name="one", names=FILES)
    removal = weights.removal(unused=True)
    assert {path.name for path in removal.files} == {
        "a.bin",
        old.name,
        f"{of_a}.safetensors",
        f"{of_b}-{of_a}.safetensors",
    }
    removal.run()
    assert weights.find("one") is not None
    assert young.exists()
    assert weights.removal(unused=True).files == ()


def test_everything_is_everything(sources: dict[str, list[str]], home: Path):
    weights.fetch("one")
    (cache.root() / f"{'ab' * 32}.0.part").write_bytes(b"x")
    keep = home / "cache" / "other"
    keep.write_bytes(b"not ours")
    weights.removal(everything=True).run()
    assert [path for path in home.joinpath("cache").rglob("*") if path.is_file()] == [keep]


def test_an_empty_cache_is_no_trouble(home: Path):
    assert weights.verify() == []
    assert weights.removal(everything=True, unused=True).files == ()
    assert weights.removal("hed").files == ()
    assert not any(item.here for item in weights.inventory())
