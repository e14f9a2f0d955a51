from __future__ import annotations

from pathlib import Path

import pytest

from ml4a._core.errors import BadValue
from ml4a.weights import mirrors
from ml4a.weights.schema import File

SHA = "ab" * 32
FILE = File("net 1.pth", "torch", ("https://github.com/o/r/net.pth", "hf:o/r/net.pth@v1"), 10, SHA)


@pytest.fixture
def settings(home: Path) -> Path:
    (home / "config").mkdir(parents=True)
    return home / "config" / "mirrors.toml"


def test_without_settings_there_are_the_cards_sources(home: Path):
    assert mirrors.read().sources(FILE) == FILE.sources


def test_the_cards_sources_come_first_then_prefixes_then_folders(settings: Path):
    settings.write_text("""
        folders = ["https://weights.example/", "file:/mnt/weights"]
        [prefixes]
        "https://github.com/" = ["https://one.example/gh/", "https://two.example/"]
        "hf:" = ["https://hub.example/"]
        "gdrive:" = ["https://never.example/"]
    """)
    assert mirrors.read().sources(FILE) == (
        *FILE.sources,
        "https://one.example/gh/o/r/net.pth",
        "https://two.example/o/r/net.pth",
        "https://hub.example/o/r/net.pth@v1",
        f"https://weights.example/{SHA}/net%201.pth",
        f"file:/mnt/weights/{SHA}/net 1.pth",
    )


def test_a_file_without_a_hash_is_in_no_folder(settings: Path):
    settings.write_text('folders = ["file:/mnt/weights"]')
    file = File("x", "torch", ("gdrive:0123456789",))
    assert mirrors.read().sources(file) == file.sources


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("folder = []", "folder is not a key of mirrors; known are folders, prefixes"),
        ("folders = 'x'", "folders is not a list of addresses"),
        ("folders = ['/mnt']", "folders '/mnt' does not begin with one of file:"),
        ("folders = ['hf:o/r/']", "folders 'hf:o/r/' does not begin with https: or file:"),
        ("prefixes = []", "prefixes is not a table"),
        ("[prefixes]\n'https:' = []", "prefixes.'https:' is not a list of addresses"),
        ("[prefixes]\n'https:' = [5]", "prefixes.'https:' 5 does not begin with"),
        ("[prefixes]\n'https:' = ['ftp://x/']", "prefixes.'https:' 'ftp://x/' does not begin with"),
        ("folders = ", "mirrors.toml: "),
    ],
)
def test_a_mistake_is_named_with_file_and_key(text: str, complaint: str, settings: Path):
    settings.write_text(text)
    with pytest.raises(BadValue) as caught:
        mirrors.read()
    assert str(settings) in str(caught.value)
    assert complaint in str(caught.value)


def test_a_mirror_that_makes_nonsense_is_named(settings: Path):
    settings.write_text("[prefixes]\n'https://github.com/' = ['gdrive:']")
    with pytest.raises(BadValue, match=r"mirrors\.toml: prefixes.*makes of https://github.*not of the form gdrive:ID"):
        mirrors.read().sources(FILE)
