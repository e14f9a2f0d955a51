from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ml4a._core.errors import BadValue, BadWeights, CannotWrite
from ml4a.weights import pins
from ml4a.weights.schema import File

A, B = (hashlib.sha256(text).hexdigest() for text in (b"a", b"b"))
FILE = File("net.pth", "torch", ("gdrive:0123456789", "https://example.org/net.pth?key=hush"))


def test_nothing_is_known_before_the_first_download(home: Path):
    assert pins.known(FILE) == FILE
    assert not home.exists()


def test_the_first_download_counts_from_then_on_and_the_user_is_told_once(home: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert pins.keep(FILE, 10, A) == replace(FILE, size=10, sha256=A)
    (message,) = caplog.messages
    assert A in message
    assert "net.pth: nobody has published its SHA-256" in message
    assert pins.known(FILE) == replace(FILE, size=10, sha256=A)
    with pytest.raises(BadWeights, match="another process has just got another one"):
        pins.keep(FILE, 10, B)
    assert pins.known(FILE).sha256 == A


def test_a_pin_belongs_to_each_address_so_that_cards_may_change(home: Path):
    pins.keep(FILE, 10, A)
    for source in FILE.sources:
        assert pins.known(File("other name.pth", "torch", ("https://new.example.org/x", source))).sha256 == A
    assert pins.known(File("net.pth", "torch", ("https://new.example.org/x",))).sha256 == ""


def test_a_card_that_knows_better_is_believed(home: Path):
    pins.keep(FILE, 10, A)
    assert pins.known(replace(FILE, sha256=B)).sha256 == B
    assert pins.advice(replace(FILE, sha256=B)) == ""
    assert "if you trust the new one, delete " in pins.advice(pins.known(FILE))


def test_the_start_of_a_hash_is_held_to(home: Path):
    file = replace(FILE, sha256_start=A[:8])
    with pytest.raises(BadWeights, match=f"has SHA-256 {B[:12]}…, but it should begin with {A[:8]}"):
        pins.keep(file, 10, B)
    assert pins.known(file) == file
    assert pins.keep(file, 10, A).sha256 == A


def test_of_many_at_once_one_decides(home: Path):
    outcomes: list[str] = []
    hashes = [hashlib.sha256(bytes([number])).hexdigest() for number in range(8)]
    gate = threading.Barrier(len(hashes))

    def work(sha256: str) -> None:
        gate.wait()
        try:
            outcomes.append(pins.keep(File("x", "torch", ("gdrive:0123456789",)), 1, sha256).sha256)
        except BadWeights:
            outcomes.append("")

    threads = [threading.Thread(target=work, args=(sha256,)) for sha256 in hashes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, outcomes)
    assert pins.known(File("x", "torch", ("gdrive:0123456789",))).sha256 == winner


@pytest.mark.parametrize("text", ["", "sha256 = 5\nsize = 1", "not toml", f'sha256 = "{A}"', f'sha256="{A}"\nsize=-1'])
def test_a_pin_that_cannot_be_read_is_named(text: str, home: Path):
    pins.keep(FILE, 10, A)
    path = next((home / "config" / "pins").glob("*.toml"))
    for path in (home / "config" / "pins").glob("*.toml"):
        path.write_text(text)
    with pytest.raises(BadValue, match=r"which holds net\.pth to its first download, cannot be read") as caught:
        pins.known(FILE)
    assert str(path.parent) in str(caught.value)


def test_settings_that_cannot_be_written_are_named(home: Path):
    (home / "config").mkdir(parents=True)
    (home / "config" / "pins").write_text("a file in the folder's place")
    with pytest.raises(CannotWrite, match="cannot write to the settings"):
        pins.keep(FILE, 10, A)
