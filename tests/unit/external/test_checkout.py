from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from git_repositories import GitRepository
from hypothesis import given, settings
from hypothesis import strategies as st
from lying_server import Answer, LyingServer
from tiers import quick

from ml4a import external
from ml4a._core import limits
from ml4a._core.errors import (
    BadValue,
    Cancelled,
    DownloadFailed,
    MissingExtra,
    NotFound,
    TooLarge,
    UnsafeURL,
)
from ml4a._core.progress import Cancel, Progress, listening
from ml4a.external import _checkout, _git, _source

PIECES = [
    *("github:", "git+", "https://", "ssh://", "http://", "file://", "127.0.0.1", "ext::", "a.b", "-o", ".."),
    *":/@-.~ a1%\\\n\0#?'\";$`",
]
"""What addresses are made of, and what they must not be made of."""
FILES: dict[str, str | bytes | Path] = {"net.py": "x = 1\n", "data/table.txt": "1\n2\n"}


@pytest.fixture
def origin(tmp_path: Path, home: Path) -> GitRepository:
    return GitRepository(tmp_path / "net", FILES)


def left(home: Path) -> list[str]:
    """What lies in the cache besides whole checkouts."""
    return [path.name for path in (home / "cache" / "external").glob("**/.*.tmp")]


def published(origin: GitRepository, server: LyingServer, **answers: Answer) -> str:
    """The address of a repository that a plain web server has, which gives files and no single commits."""
    bare = origin.folder.with_name("bare.git")
    origin.git("clone", "--quiet", "--bare", str(origin.folder), str(bare))
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)
    address = ""
    for path in bare.rglob("*"):
        if path.is_file():
            name = path.relative_to(bare).as_posix()
            answer = answers.get(name.replace("/", "_"), Answer(path.read_bytes()))
            address = put(server, name, answer)
    server.put("/bare.git/objects/info/alternates", Answer(status=404))
    server.put("/bare.git/objects/info/http-alternates", Answer(status=404))
    return address


def put(server: LyingServer, name: str, answer: Answer) -> str:
    """Serve one file of a repository; the repository's address."""
    if name == "info/refs":
        server.put(f"/bare.git/{name}?service=git-upload-pack", answer)
    return server.put(f"/bare.git/{name}", answer).removesuffix(f"/{name}")


def is_running(address: str) -> bool:
    """Whether a git that was given this address runs, where the system tells."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(address.encode() in path.read_bytes())
    return any(found)


def wait_until_ended(address: str) -> None:
    """Wait until no git that was given this address runs; what never ends fails."""
    deadline = time.monotonic() + 20
    while is_running(address):
        assert time.monotonic() < deadline
        time.sleep(0.02)


# How a source is written


@pytest.mark.parametrize(
    ("text", "canonical", "address", "revision"),
    [
        ("github:o/n", "github:o/n", "https://github.com/o/n.git", ""),
        ("github:o/n.git@v1.0", "github:o/n@v1.0", "https://github.com/o/n.git", "v1.0"),
        ("https://github.com/o/n/@a/b", "github:o/n@a/b", "https://github.com/o/n.git", "a/b"),
        ("git+https://github.com/o/n.git@x", "github:o/n@x", "https://github.com/o/n.git", "x"),
        ("https://a.example:8443/o/n.git@x", "https://a.example:8443/o/n.git@x", "https://a.example:8443/o/n.git", "x"),
        ("git@a.example:o/n.git@x", "git@a.example:o/n.git@x", "git@a.example:o/n.git", "x"),
        ("ssh://git@a.example/o/n@x", "ssh://git@a.example/o/n@x", "ssh://git@a.example/o/n", "x"),
        ("http://127.0.0.1:80/n", "http://127.0.0.1:80/n", "http://127.0.0.1:80/n", ""),
        ("file:///n/.git", "file:///n/.git", "file:///n/.git", ""),
        ("file:///a%20b/n@x", "file:///a%20b/n@x", "file:///a%20b/n", "x"),
    ],
)
def test_sources_are_understood(text: str, canonical: str, address: str, revision: str):
    source = _source.parse(text)
    assert (source.text, source.address, source.revision, source.name) == (canonical, address, revision, "n")
    assert _source.parse(source.text) == source


def test_a_folder_may_be_given_with_a_revision(origin: GitRepository, monkeypatch: pytest.MonkeyPatch):
    commit = origin.git("rev-parse", "HEAD")
    monkeypatch.chdir(origin.folder.parent)
    monkeypatch.setenv("HOME", str(origin.folder.parent))
    assert _source.parse("~/net").folder == origin.folder
    assert _source.parse("~/net@main").address == origin.address
    assert _source.parse("net").folder == origin.folder
    assert _source.parse("net@main").address == origin.address
    assert external.add(f"net@{commit}").commit == commit
    (origin.folder.parent / "net@main").mkdir()
    assert _source.parse("net@main").folder == origin.folder.parent / "net@main"


@pytest.mark.parametrize(
    "text",
    [
        "-oProxyCommand=touch evil",
        "--upload-pack=touch evil",
        "ext::sh -c touch% evil",
        "git+ext::sh -c touch% evil",
        "fd::17",
        "ext::sh@x",
        "ssh://-oProxyCommand=touch%20evil/x",
        "ssh://a@-oProxyCommand=evil/x",
        "-a@host:x",
        "a@-oProxyCommand=evil:x",
        "git@host:-x",
        "git@host:--upload-pack=evil",
        "git://example.org/x",
        "http://example.org/x",
        "ftp://example.org/x",
        "javascript://x",
        "https://user:secret@example.org/x",
        "https://token@example.org/x",
        "https://example.org/x?token=secret",
        "https://example.org/x#y",
        "https://exam ple.org/x",
        "https://example.org/x\n--upload-pack=evil",
        "https:///x",
        "https://example.org",
        "file://host/share/x",
        "github:o",
        "github:o/n/m",
        "github:../n",
        "github:o/..",
        "github:-o/n",
        "github:o/-n",
        "github:o/n@",
        "github:o/n@-x",
        "github:o/n@--upload-pack=evil",
        "github:o/n@a..b",
        "github:o/n@a:b",
        "github:o/n@^{tree}",
        "github:o/n@x.lock",
        "github:o/n@a b",
        "",
        "x" * 3000,
    ],
)
def test_what_git_could_misunderstand_never_reaches_it(
    text: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)
    with pytest.raises((BadValue, UnsafeURL, NotFound)) as caught:
        external.repository(text, trust=True)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.one_of(st.text(max_size=60), st.builds("".join, st.lists(st.sampled_from(PIECES), max_size=12))))
@settings(max_examples=200, deadline=None)
def test_whatever_is_written_git_gets_an_address_or_nothing(text: str):
    try:
        source = _source.parse(text)
    except (BadValue, UnsafeURL, NotFound) as error:
        assert str(error).isprintable()
        return
    if source.folder is not None:
        assert source.folder.is_dir()
        return
    assert re.fullmatch(
        r"(https|ssh|file)://[^-\s]\S*|http://(127\.0\.0\.1|localhost).*|[\w.-]+@[\w.]\S*", source.address
    )
    assert not source.address.startswith("-")
    assert re.fullmatch(r"([A-Za-z0-9][^\s:^~]*)?", source.revision)
    assert _source.parse(source.text) == source


def test_what_was_probably_meant_is_suggested(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=r"no folder owner/name@v1, .*did you mean github:owner/name@v1"):
        external.repository("owner/name@v1")


# What cannot be had


def test_what_is_not_there_is_said_in_one_line(origin: GitRepository, home: Path):
    commit = origin.git("rev-parse", "HEAD")
    GitRepository(origin.folder.with_name("empty"))
    for source, kind, reason in (
        ("@v2", BadValue, "there is no branch or tag 'v2'"),
        (f"@{commit[:8]}", BadValue, r"a commit is written with all its 40 digits"),
        (f"@{'a' * 40}", DownloadFailed, f"cannot be fetched: no branch or tag holds a commit {'a' * 40}"),
        ("/../empty", DownloadFailed, "empty repository"),
        ("/../nothing", DownloadFailed, "cannot be fetched: .*does not appear to be a git repository"),
    ):
        with pytest.raises(kind, match=reason) as caught:
            external.add(f"{origin.address}{source}")
        assert "\n" not in str(caught.value)
    assert external.known() == []
    assert left(home) == []


def test_without_git_it_says_what_to_install(
    origin: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match="git is needed to fetch repositories, and is not installed"):
        external.add(origin.address)
    assert left(home) == []


@pytest.mark.parametrize(("name", "limit"), quick([("REPOSITORY_FILES", 2), ("REPOSITORY_BYTES", 100_000)], rows=True))
def test_what_is_too_large_is_not_written(
    name: str, limit: int, origin: GitRepository, home: Path, monkeypatch: pytest.MonkeyPatch
):
    origin.commit({"zeros.bin": bytes(10_000_000)})  # of which little is sent
    monkeypatch.setattr(limits, name, limit)
    with pytest.raises(TooLarge, match=r"3 files of 0\.0 GB; up to|the repository has more than 0\.0 GB"):
        external.add(origin.address)
    assert left(home) == []


# Hostile repositories


@pytest.mark.parametrize(
    "target", quick(["/etc/passwd", "../../../../../config", "data/../..", ".git/config", "data/../.git"], 2)
)
def test_a_link_that_leads_out_is_refused(target: str, origin: GitRepository, home: Path):
    origin.commit({"data/inside": Path("table.txt"), "outside": Path(target)})
    with pytest.raises(DownloadFailed, match="outside is a link that leads out of the repository"):
        external.add(origin.address)
    assert external.known() == []
    assert left(home) == []


def test_links_that_stay_inside_are_kept(origin: GitRepository):
    origin.commit({"data/inside": Path("table.txt"), "again": Path("data"), "nowhere": Path("data/nothing")})
    path = external.add(origin.address).path
    assert (path / "again" / "inside").read_text() == "1\n2\n"


def test_hooks_and_filters_are_not_run_and_the_bytes_are_the_commits(
    origin: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n"
    attributes = "*.txt text eol=crlf ident\n*.dat working-tree-encoding=UTF-16\n*.bin filter=lfs\n"
    origin.commit(
        {
            ".gitattributes": attributes,
            "lines.txt": "one\n$Id$\n",
            "wide.dat": "x\n".encode("utf-16"),
            "network.bin": pointer,
        }
    )
    evil = tmp_path / "evil"
    evil.mkdir()
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc", "fsmonitor"):
        for folder in (origin.folder / ".git" / "hooks", evil):
            folder.mkdir(exist_ok=True)
            (folder / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/was_run\n")
            (folder / hook).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[core]\nhooksPath = {evil}\nfsmonitor = {evil}/fsmonitor\nautocrlf = true\n"
        f'[filter "lfs"]\nsmudge = touch {tmp_path}/was_run\nprocess = touch {tmp_path}/was_run\nrequired = true\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(evil))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(evil))
    added = external.add(origin.address)
    assert not (tmp_path / "was_run").exists()
    for name, content in (("lines.txt", b"one\n$Id$\n"), ("wide.dat", b"x\n"), ("network.bin", pointer)):
        assert (added.path / name).read_bytes() == origin.content(name) == content
    manifest = added.manifest()
    assert manifest is not None
    assert manifest.pointers == 1


def test_names_that_differ_in_case_alone_are_both_there_or_refused(origin: GitRepository, tmp_path: Path):
    if (tmp_path / "NET").exists():  # as on most Macs
        origin.git("update-index", "--add", "--cacheinfo", f"100644,{origin.git('hash-object', 'net.py')},NET.py")
        origin.git("commit", "--quiet", "--message=x")
        with pytest.raises(DownloadFailed, match="differ in case alone"):
            external.add(origin.address)
    else:
        origin.commit({"NET.py": "x = 2\n"})
        path = external.add(origin.address).path
        assert [(path / name).read_text() for name in ("net.py", "NET.py")] == ["x = 1\n", "x = 2\n"]


@pytest.mark.slow
def test_submodules_are_fetched_if_asked_for_over_the_same_ways_only(
    origin: GitRepository, tmp_path: Path, server: LyingServer
):
    inner = GitRepository(tmp_path / "inner", {"inner.py": "y = 1\n"})
    origin.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.address, "part")
    origin.commit({})
    plain = external.add(origin.address)
    manifest = plain.manifest()
    assert manifest is not None
    assert manifest.submodules
    assert not (plain.path / "part" / "inner.py").exists()
    whole = external.add(origin.address, submodules=True)
    assert whole.path != plain.path
    assert (whole.path / "part" / "inner.py").read_text() == "y = 1\n"
    external.repository(origin.address, submodules=True, trust=True)
    (whole.path / "part" / "inner.py").write_text("evil()")
    with pytest.raises(PermissionError, match=r"part/inner\.py was changed"):
        external.repository(origin.address, submodules=True)

    from_the_web = published(origin, server)
    assert external.add(from_the_web).commit == plain.commit
    with pytest.raises(DownloadFailed, match="transport 'file' not allowed"):
        external.add(from_the_web, submodules=True)


# On the way


def test_a_server_that_gives_no_single_commits_gives_all(origin: GitRepository, server: LyingServer):
    first = origin.git("rev-parse", "HEAD")
    origin.commit({"net.py": "x = 2\n"})
    address = published(origin, server)
    assert (external.add(f"{address}@{first}").path / "net.py").read_text() == "x = 1\n"


@pytest.mark.slow
def test_a_cut_download_leaves_nothing_and_can_be_repeated(origin: GitRepository, server: LyingServer, home: Path):
    commit = origin.git("rev-parse", "HEAD")
    loose = f"objects_{commit[:2]}_{commit[2:]}"
    address = published(origin, server, **{loose: Answer(b"x\x9c cut", cut=3)})
    with pytest.raises(DownloadFailed, match="cannot be fetched"):
        external.add(f"{address}@{commit}")
    assert left(home) == []
    name = f"objects/{commit[:2]}/{commit[2:]}"
    put(server, name, Answer((origin.folder / ".git" / name).read_bytes()))
    assert (external.add(f"{address}@{commit}").path / "net.py").is_file()


def test_a_server_that_stalls_is_given_up(
    origin: GitRepository, server: LyingServer, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_git, "STALL", 0.2)
    stuck = threading.Event()
    address = published(origin, server, info_refs=Answer(b"x" * 100, pause=stuck))
    with pytest.raises(DownloadFailed, match=r"bare\.git cannot be fetched: it stalled"):
        external.add(address)
    stuck.set()
    assert left(home) == []


def test_it_can_be_cancelled_and_git_ends_with_it(origin: GitRepository, server: LyingServer, home: Path):
    stuck, cancel, stages = threading.Event(), Cancel(), set()
    address = published(origin, server, info_refs=Answer(b"x" * 100, pause=stuck))

    def listen(event: Progress) -> None:
        stages.add(event.stage)
        cancel.cancel()

    with pytest.raises(Cancelled), listening(listen, cancel):
        external.add(address)
    stuck.set()
    assert stages == {f"asking {address}"}
    assert left(home) == []
    wait_until_ended(address)


CODE = """
import sys
from ml4a import external
print(external.repository(sys.argv[1], trust=True).path)
"""


@pytest.mark.slow
def test_what_a_killed_process_leaves_is_cleared_away(origin: GitRepository, server: LyingServer, home: Path):
    stuck = threading.Event()
    commit = origin.git("rev-parse", "HEAD")
    address = published(origin, server, info_refs=Answer(b"x" * 100, pause=stuck))
    command = [sys.executable, "-c", CODE, f"{address}@{commit}"]
    process = subprocess.Popen(command, start_new_session=True)
    while not (left(home) and server.requests):  # the git that makes the folder is done, the one that fetches is stuck
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left(home) != []
    stuck.set()
    wait_until_ended(address)  # git itself goes on for a moment
    put(server, "info/refs", Answer(f"{commit}\trefs/heads/main\n".encode()))
    assert (external.add(f"{address}@{commit}").path / "net.py").is_file()
    assert left(home) == []


def test_leftovers_are_neither_used_nor_kept(origin: GitRepository, home: Path):
    commit = origin.git("rev-parse", "HEAD")
    place = _checkout.path_of(_source.parse(origin.address), commit)
    half = place.with_name(f".{commit}.abc.tmp") / "tree"
    half.mkdir(parents=True)
    (half / "net.py").write_text("half")
    old = _checkout.root() / ".old.tmp"
    old.mkdir()
    os.utime(old, (1, 1))
    assert (external.add(origin.address).path / "net.py").read_text() == "x = 1\n"
    assert left(home) == []


@pytest.mark.slow
def test_many_processes_at_once_get_one_checkout(origin: GitRepository, home: Path):
    source = f"{origin.address}@main"
    processes = [
        subprocess.Popen([sys.executable, "-c", CODE, source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    paths = {process.communicate(timeout=60)[0] for process in processes}
    assert len(paths) == 1
    assert all(process.returncode == 0 for process in processes)
    assert [each.name for each in external.known()] == ["net"]
    assert left(home) == []


@pytest.mark.slow
def test_a_full_disk_is_named_and_nothing_half_is_left(origin: GitRepository, home: Path):
    origin.commit({"noise.bin": os.urandom(3_000_000)})
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from ml4a import external
from ml4a._core.errors import Ml4aError
try:
    external.add({origin.address!r})
except Ml4aError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be fetched" in done.stdout
    assert done.stdout.count("\n") == 1
    assert left(home) == []
    assert external.add(origin.address).path.is_dir()
