from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import cyclopts
import pytest
import toy_card

from ml4a._core.errors import BadValue, NotFound, UnknownName
from ml4a.cli import weights as commands

NET = random.Random(10).randbytes(1_500_000)
SHA256 = hashlib.sha256(NET).hexdigest()


@pytest.fixture
def path(tmp_path: Path, home: Path) -> Path:
    """Where the file of the card `toy` will lie; it comes from this machine."""
    (tmp_path / "net.pth").write_bytes(NET)
    return toy_card.write(NET, f"file:{tmp_path}/net.pth")


def run(*tokens: str) -> object:
    """What `ml4a weights …` returns."""
    app = cyclopts.App(name="ml4a", print_error=False, exit_on_error=False, result_action="return_value")
    app.command(commands.build())
    return app(["weights", *tokens])


def test_list_shows_size_place_licence_and_totals(path: Path, capsys: pytest.CaptureFixture[str]):
    run("list", "toy")
    assert capsys.readouterr().out.splitlines() == [
        "weights    size    here  licence  commercial use",
        "toy/small  1.5 MB  no    MIT      yes",
        "",
        "1 set of weights, 1.5 MB; 0 in the cache, 0.0 MB",
    ]
    run("fetch", "toy")
    capsys.readouterr()
    run("list", "--here")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "toy/small  1.5 MB  yes   MIT      yes",
        "",
        "1 set of weights, 1.5 MB; 1 in the cache, 1.5 MB",
    ]


def test_list_knows_all_cards_and_says_where_sizes_are_unknown(home: Path, capsys: pytest.CaptureFixture[str]):
    run("list")
    text = capsys.readouterr().out
    assert "hed/bsds " in text
    assert "basnet/duts" in text
    assert "< 400.0 MB" in text
    assert " of unknown size; 0 in the cache" in text


@pytest.mark.usefixtures("path")
def test_list_as_json(capsys: pytest.CaptureFixture[str]):
    run("list", "toy", "--json")
    (item,) = json.loads(capsys.readouterr().out)
    assert item == {
        "weights": "toy/small",
        "task": "toy",
        "size": len(NET),
        "here": False,
        "bytes_here": 0,
        "licence": "MIT",
        "licence_source": "this test",
        "commercial": "yes",
        "sha256": {"network": SHA256},
    }


def test_fetch_and_path_print_paths(path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(NotFound, match=r"toy is not in the cache .*; get it by: ml4a weights fetch toy"):
        run("path", "toy")
    run("fetch", "toy", "toy/small")
    assert capsys.readouterr().out == f"{path}\n{path}\n"
    run("path", "toy")
    assert capsys.readouterr().out == f"{path}\n"
    run("path", "toy", "--json")
    assert json.loads(capsys.readouterr().out) == {"network": str(path)}


def test_add_says_what_a_file_is(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run("add", f"{tmp_path}/net.pth")
    assert capsys.readouterr().out == f"{tmp_path}/net.pth is toy/small/network\n"
    assert path.read_bytes() == NET
    toy_card.write(NET, "https://example.org/x", known=False)
    run("add", f"{tmp_path}/net.pth", "--as", "toy")
    assert "is toy/small/network" in capsys.readouterr().out


def test_verify_names_what_is_damaged(path: Path, capsys: pytest.CaptureFixture[str]):
    run("fetch", "toy")
    assert run("verify") == 0
    assert capsys.readouterr().out.endswith("1 file, 1.5 MB: all sound\n")
    path.write_bytes(NET[:-1])
    assert run("verify", "toy") == 1
    output = capsys.readouterr()
    assert output.out == "1 file, 1.5 MB: 1 damaged\n"
    assert "ml4a: toy/small/network: toy.bin has SHA-256" in output.err


def test_remove_asks(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    run("fetch", "toy")
    with pytest.raises(BadValue, match=r"Remove 1 file, 1\.5 MB\? Say --yes"):
        run("remove", "toy")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, there in (("", True), ("no", True), ("y", False)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        run("remove", "toy")
        assert path.exists() == there
    assert capsys.readouterr().out.endswith("removed 1 file, 1.5 MB\n")
    run("remove", "toy", "--yes")
    assert capsys.readouterr().out == "nothing to remove\n"


@pytest.mark.parametrize("option", ["--all", "--unused"])
def test_remove_all_and_unused(option: str, path: Path, home: Path):
    run("fetch", "toy")
    (home / "config" / "cards" / "toy.toml").unlink()
    run("remove", option, "--yes")
    assert not path.exists()


@pytest.mark.usefixtures("path")
def test_mistakes_are_said_in_one_line():
    for tokens in (["fetch"], ["remove"]):
        with pytest.raises(BadValue, match="name weights to"):
            run(*tokens)
    for tokens in (["fetch", "toyy"], ["list", "toyy"], ["path", "toyy"], ["remove", "toyy"], ["verify", "toyy"]):
        with pytest.raises(UnknownName, match="did you mean 'toy'"):
            run(*tokens)


@pytest.mark.parametrize("command", ["list", "fetch", "add", "verify", "remove", "path"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]):
    run(command, "--help")
    text = capsys.readouterr().out
    assert f"ml4a weights {command} " in text.partition("Examples")[2]
    assert "[default: False]" not in text


def test_nothing_of_it_needs_torch():
    code = """
import sys
from ml4a.cli import weights
weights.build()(["list"], result_action="return_value")
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
