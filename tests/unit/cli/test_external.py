from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cyclopts
import pytest
from git_repositories import GitRepository
from lying_server import Answer, LyingServer

from ml4a import external
from ml4a._core.errors import BadValue, Offline, OutputExists, UnknownName, UnsafeURL, Untrusted
from ml4a.cli import external as commands

FILES: dict[str, str | bytes | Path] = {
    "hubconf.py": (
        'from pathlib import Path\ndependencies = ["numpy", "cv2_missing"]\n'
        'Path(__file__).with_name("was_run").touch()\n'
        "def double(x, times=2):\n    'Doubles \\x1b[31mit.'\n    return x * times\n"
    ),
    "LICENSE": "\n  Apache License\n  Version 2.0, January 2004\n",
    "large.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    ".gitmodules": '[submodule "part"]\npath = part\nurl = ../part\n',
}


@pytest.fixture
def origin(tmp_path: Path, home: Path) -> GitRepository:
    return GitRepository(tmp_path / "net", FILES)


def run(*tokens: str) -> object:
    """What `ml4a external …` returns."""
    app = cyclopts.App(name="ml4a", print_error=False, exit_on_error=False, result_action="return_value")
    app.command(commands.build())
    return app(["external", *tokens])


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal at which these answers are given."""
    given: list[str] = []

    def answer(question: str) -> str:
        print(question)
        if not given:
            raise EOFError
        return given.pop(0)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    return given


def test_a_batch_must_say_trust_before_anything_is_fetched(
    origin: GitRepository, home: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(
        Untrusted, match=r"would run with your rights, .*; say --trust to allow it, as there is no term"
    ):
        run("add", origin.address)
    assert not home.exists()
    run("add", origin.address, "--trust", "--quiet")
    commit = origin.git("rev-parse", "HEAD")
    assert capsys.readouterr().out == f"net: {origin.address} at {commit[:12]}, trusted\n"
    assert external.repository("net").commit == commit


def test_on_a_terminal_it_is_shown_and_asked_once(
    origin: GitRepository, answers: list[str], capsys: pytest.CaptureFixture[str]
):
    run("add", origin.address)
    shown = capsys.readouterr().out
    commit = origin.git("rev-parse", "HEAD")
    for line in (
        f"net: {origin.address}",
        f"commit   {commit}",
        "licence  Apache-2.0 (LICENSE begins: Apache License)",
        "offers   double",
        "missing  cv2_missing; pip install cv2_missing",
        "note     it has submodules, which were not fetched; --submodules fetches them",
        "note     1 of its files are pointers of Git LFS, whose content was not fetched",
        "Trust this commit? [y/N] ",
        f"net: {origin.address} at {commit[:12]}, not trusted, nothing of it will run",
    ):
        assert line in shown.splitlines()
    answers += ["y"]
    run("add", "net")
    assert capsys.readouterr().out.endswith(", trusted\n")
    run("add", "net")
    assert "Trust this" not in capsys.readouterr().out
    assert not (external.repository("net").path / "was_run").exists()


def test_an_update_is_asked_about_again(
    origin: GitRepository, answers: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    answers += ["yes"]
    run("add", f"{origin.address}@main", "--as", "mine")
    second = origin.commit({"hubconf.py": "def triple(): pass"})
    run("add", "mine")
    assert f"at {second[:12]}" not in capsys.readouterr().out
    run("add", "mine", "--update")
    assert f"mine: {origin.address}@main at {second[:12]}, not trusted" in capsys.readouterr().out
    with pytest.raises(Untrusted):
        external.repository("mine")


def test_list_shows_name_commit_trust_size_licence_and_source(
    origin: GitRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run("list")
    assert capsys.readouterr().out == "no repositories; ml4a external add SOURCE adds one\n"
    (tmp_path / "folder").mkdir()
    run("add", str(tmp_path / "folder"), "--trust")
    run("info", origin.address)
    commit = origin.git("rev-parse", "HEAD")
    capsys.readouterr()
    run("list")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["name", "commit", "trusted", "size", "licence", "source"],
        ["folder", "-", "yes", "-", "unknown", str(tmp_path / "folder")],
        ["net", commit[:12], "no", "0.0", "MB", "Apache-2.0", origin.address],
    ]
    (tmp_path / "folder").rmdir()
    (external.known()[1].path / ".git" / "ml4a.json").unlink()
    run("list")
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()] == ["size", "gone", "broken"]
    run("list", "--json")
    folder, net = json.loads(capsys.readouterr().out)
    assert (folder["commit"], folder["here"], folder["size"]) == (None, False, None)
    assert (net["name"], net["commit"], net["trusted"]) == ("net", commit, False)


def test_info_tells_what_is_offered_and_needed_and_runs_nothing(
    origin: GitRepository, capsys: pytest.CaptureFixture[str]
):
    run("info", origin.address)
    shown = capsys.readouterr().out
    assert "needs    cv2_missing, numpy\n" in shown
    assert shown.endswith("entry points:\n  double(x, times=2)\n      Doubles ?[31mit.\n")
    run("info", "net", "--json")
    fields = json.loads(capsys.readouterr().out)
    assert fields["entry_points"] == [{"name": "double", "signature": "(x, times=2)", "doc": "Doubles \x1b[31mit."}]
    assert (fields["missing"], fields["dependencies"]) == (["cv2_missing"], ["numpy", "cv2_missing"])
    assert len(fields["notes"]) == 2
    assert not Path(fields["path"], "was_run").exists()


def test_info_of_what_offers_nothing_or_cannot_be_read(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "x").mkdir()
    run("info", str(tmp_path / "x"))
    assert capsys.readouterr().out.endswith("\nno entry points; use import_module\n")
    (tmp_path / "x" / "hubconf.py").write_text("print 'two'\n")
    run("info", str(tmp_path / "x"))
    assert "hubconf.py is no Python 3 (line 1" in capsys.readouterr().out
    run("info", "x", "--json")
    assert "is no Python 3" in json.loads(capsys.readouterr().out)["notes"][0]


def test_remove_forgets(origin: GitRepository, capsys: pytest.CaptureFixture[str]):
    run("add", origin.address, "--trust")
    path = external.repository("net").path
    capsys.readouterr()
    run("remove", "net")
    assert capsys.readouterr().out == "removed net\n"
    assert not path.exists()
    with pytest.raises(Untrusted):
        external.repository(origin.address)


def test_mistakes_are_said(origin: GitRepository, home: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(BadValue, match="name a repository to remove"):
        run("remove")
    with pytest.raises(BadValue, match="none has been added yet"):
        run("remove", "net")
    external.add(origin.address)
    for tokens in (["remove", "nett"], ["info", "nett"], ["add", "nett", "--trust"]):
        with pytest.raises(UnknownName, match="did you mean 'net'"):
            run(*tokens)
    with pytest.raises(OutputExists, match="another repository is called net"):
        run("add", f"{origin.address}@main", "--trust", "--as", "net")
    with pytest.raises(UnsafeURL, match="is not fetched: only https, ssh and file"):
        run("info", "ext::sh -c evil")
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    with pytest.raises(Offline, match="ML4A_OFFLINE is set"):
        run("info", "github:owner/name@v1")


@pytest.mark.parametrize("command", ["list", "add", "remove", "info"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]):
    run(command, "--help")
    text = capsys.readouterr().out
    assert f"ml4a external {command} " in text.partition("Examples")[2]
    assert "[default: False]" not in text


def test_nothing_of_it_needs_torch(home: Path):
    code = """
import sys
from ml4a.cli import external
external.build()(["list"], result_action="return_value")
assert "torch" not in sys.modules
assert "PIL" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_an_error_is_one_line_and_status_2(home: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "ml4a", "external", "add", "github:owner/name@v1"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ml4a: github:owner/name@v1 is other people's code")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_ctrl_c_ends_git_and_leaves_nothing(home: Path, tmp_path: Path, server: LyingServer):
    stuck = threading.Event()
    address = server.put("/net.git", Answer())
    server.put("/net.git/info/refs?service=git-upload-pack", Answer(b"x" * 100, pause=stuck))
    process = subprocess.Popen(
        [sys.executable, "-m", "ml4a", "external", "info", address], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not server.requests:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "ml4a: stopped\n"
    stuck.set()
    assert process.returncode == 130
    assert list((home / "cache" / "external").iterdir()) == []
