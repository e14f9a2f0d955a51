from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from git_repositories import GitRepository
from tiers import quick

from ml4a import external
from ml4a._core.errors import (
    BadValue,
    ExternalFailed,
    MissingExtra,
    NotFound,
    Offline,
    OutputExists,
    UnknownName,
    Untrusted,
)

HUBCONF = '''
dependencies = ["numpy"]
from pathlib import Path
from models.nets import Net, _hidden
from models import *

Path(__file__).with_name("was_run").touch()


def double(x: int, *, times=2, **more):
    """Doubles what it is given.

    At length."""
    print("doubling")
    return x * times


def _private():
    pass


def leave():
    raise SystemExit(3)


def fail():
    raise ZeroDivisionError("no")


alias = double
number = 3
'''
FILES: dict[str, str | bytes | Path] = {
    "hubconf.py": HUBCONF,
    "models/__init__.py": "from .nets import small\n__all__ = ['small']\n",
    "models/nets.py": (
        "class Net:\n    'A net.'\n    def __init__(self, depth=18):\n        self.depth = depth\n"
        "def _hidden(): pass\ndef small(): return 'small of one'\n"
    ),
    "LICENSE": "MIT License\n\nPermission is hereby granted, free of charge, to any person …\n",
}


@pytest.fixture
def origin(tmp_path: Path, home: Path) -> GitRepository:
    """A repository that somebody has published."""
    return GitRepository(tmp_path / "net", FILES)


def at(origin: GitRepository, revision: str = "") -> str:
    return origin.address + (f"@{revision}" if revision else "")


# Pins


def test_a_commit_stays_what_it_is(origin: GitRepository, home: Path):
    first = origin.git("rev-parse", "HEAD")
    origin.commit({"hubconf.py": "def double(x): return 0"})
    repository = external.repository(at(origin, first), trust=True)
    assert repository.commit == first
    assert repository.load("double", 4) == 8
    assert repository.path.is_relative_to(home / "cache" / "external")
    assert subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository.path, capture_output=True).stdout.decode() == (
        f"{first}\n"
    )


@pytest.mark.parametrize("revision", quick(["v1", "main", ""]))
def test_a_tag_a_branch_or_nothing_is_looked_up_once(
    revision: str, origin: GitRepository, caplog: pytest.LogCaptureFixture
):
    first = origin.git("rev-parse", "HEAD")
    origin.git("tag", "--annotate", "--message=x", "v1")
    assert external.repository(at(origin, revision), trust=True).commit == first
    assert caplog.messages == [f"{at(origin, revision)} is pinned to commit {first}"]
    second = origin.commit({"hubconf.py": "def double(x): return 0"})
    origin.git("tag", "--force", "v1")
    assert external.repository(at(origin, revision)).load("double", 4) == 8
    assert external.repository("net").commit == first
    assert len(caplog.messages) == 1

    updated = external.add(at(origin, revision), update=True)
    assert (updated.commit, updated.trusted) == (second, False)
    with pytest.raises(Untrusted, match=f"commit {second[:12]}"):
        external.repository("net")
    assert [each.commit for each in external.known()] == [second]
    external.remove("net")
    assert not updated.path.parent.exists()


@pytest.mark.slow
def test_a_tag_comes_before_a_branch_of_its_name(origin: GitRepository):
    tagged = origin.git("rev-parse", "HEAD")
    origin.git("tag", "v1")
    origin.git("branch", "v1", origin.commit({"x": "y"}))
    assert external.add(at(origin, "v1")).commit == tagged


def test_what_is_here_needs_no_network_and_no_git(origin: GitRepository, monkeypatch: pytest.MonkeyPatch):
    source = at(origin, "main")
    external.repository(source, trust=True)
    os.rename(origin.folder, origin.folder.with_name("gone"))

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setenv("ML4A_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(subprocess.Popen, "__init__", forbidden)
    assert external.repository(source).load("double", 2) == 4
    assert external.add("net").missing() == []
    for unknown in ("github:owner/name@main", f"github:owner/name@{'a' * 40}", at(origin)):
        with pytest.raises(Offline, match="not in the cache and ML4A_OFFLINE is set"):
            external.repository(unknown, trust=True)
    assert [each.name for each in external.known()] == ["net"]


# Changes


def test_a_file_that_was_changed_is_named(origin: GitRepository):
    source = at(origin, "main")
    path = external.repository(source, trust=True).path
    nets = path / "models" / "nets.py"
    text = nets.read_text()

    os.utime(nets, (1, 1))
    (path / "results.txt").write_text("what its code may have kept")
    external.repository(source)

    nets.write_text(text + "evil()\n")
    with pytest.raises(Untrusted, match=r"models/nets\.py was changed since it was fetched; delete .* to have it"):
        external.repository(source)
    nets.unlink()
    with pytest.raises(Untrusted, match=r"models/nets\.py was removed"):
        external.repository(source)
    nets.write_text(text)
    external.repository(source)
    (path / "numpy.py").write_text("evil()")
    with pytest.raises(Untrusted, match=r"numpy\.py was added"):
        external.repository(source)
    (path / "numpy.py").unlink()
    nets.unlink()
    nets.symlink_to(path / "hubconf.py")
    with pytest.raises(Untrusted, match=r"models/nets\.py was changed"):
        external.repository(source)


@pytest.mark.parametrize("spoil", quick(["HEAD", "ml4a.json"]))
def test_another_commit_in_the_cache_is_not_taken_for_this_one(spoil: str, origin: GitRepository):
    source = at(origin, "main")
    path = external.repository(source, trust=True).path
    (path / ".git" / spoil).write_text("b" * 40 + "\n")
    with pytest.raises(Untrusted, match=r"no longer at commit|has lost the list of its files"):
        external.repository(source)


@pytest.mark.slow
def test_a_checkout_that_was_deleted_is_fetched_again(origin: GitRepository):
    repository = external.repository(at(origin, "main"), trust=True)
    origin.commit({"x": "y"})
    subprocess.run(["rm", "-rf", repository.path], check=True)
    assert external.repository("net").commit == repository.commit
    assert (repository.path / "hubconf.py").read_text() == HUBCONF


# Trust


def test_nothing_runs_before_it_is_trusted(origin: GitRepository):
    source = at(origin, "main")
    with pytest.raises(Untrusted, match=r"would run with your rights.*ml4a external add net --trust, or trust=True"):
        external.repository(source)
    looked_at = external.add(source)
    assert [each.name for each in looked_at.entry_points()] == ["Net", "alias", "double", "fail", "leave", "small"]
    for run in (
        lambda: looked_at.load("double", 1),
        lambda: looked_at.load("double", 1, process=True),
        lambda: looked_at.import_module("models"),
        looked_at.tree,
        looked_at.process,
        lambda: pickle.loads(pickle.dumps(looked_at)).load("double", 1),
    ):
        with pytest.raises(Untrusted):
            run()
    assert not (looked_at.path / "was_run").exists()
    external.repository(source, trust=True)
    assert looked_at.load("double", 1) == 2
    assert (looked_at.path / "was_run").exists()


def test_trust_is_for_one_commit_however_it_is_called(origin: GitRepository):
    first = origin.git("rev-parse", "HEAD")
    external.repository(at(origin, first), trust=True)
    assert external.repository(at(origin, "main")).load("double", 1) == 2
    second = origin.commit({"x": "y"})
    for other in (at(origin, second), at(origin)):
        with pytest.raises(Untrusted):
            external.repository(other)
    with pytest.raises(Untrusted):
        external.repository(at(origin, first), submodules=True)


def test_a_folder_is_used_where_it_is_and_trusted_by_its_place(tmp_path: Path, home: Path):
    for name in ("one", "two"):
        (tmp_path / name / "models").mkdir(parents=True)
        (tmp_path / name / "models" / "nets.py").write_text(f"def small(): return 'small of {name}'")
    one = external.repository(str(tmp_path / "one"), trust=True)
    assert one.path == tmp_path / "one"
    assert one.commit == ""
    with pytest.raises(Untrusted, match=f"the folder {tmp_path}/two is other people's code"):
        external.repository(str(tmp_path / "two"))
    two = external.repository(str(tmp_path / "two"), trust=True)
    assert [each.import_module("models.nets").small() for each in (one, two)] == ["small of one", "small of two"]
    assert external.repository("two").name == "two"
    external.remove("one")
    assert (tmp_path / "one").is_dir()
    with pytest.raises(Untrusted):
        one.import_module("models.nets")


@pytest.mark.parametrize(
    "change",
    quick(
        [
            {"trusted": "yes"},
            {"trusted": 1},
            {"more": 1},
            {"source": "--upload-pack=evil"},
            {"source": "ext::sh -c evil"},
            {"commit": ""},
            {"commit": "../../../../etc"},
            {"commit": "A" * 40},
            {"source": "/etc"},
        ],
        2,
    ),
    ids=str,
)
def test_a_record_that_was_tampered_with_allows_nothing(change: dict[str, object], origin: GitRepository, home: Path):
    repository = external.repository(at(origin, "main"), trust=True)
    record = home / "config" / "external" / "net.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(ValueError, match=r"net\.json, which says what is allowed|makes no sense|is not fetched"):
        external.repository("net")
    with pytest.raises(Untrusted):
        external.repository(at(origin, "main"))
    assert not (repository.path / "was_run").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 5000, b" " * 10_000, b"null"])
def test_a_broken_record_is_named_and_can_be_removed(content: bytes, home: Path, caplog: pytest.LogCaptureFixture):
    record = home / "config" / "external" / "net.json"
    record.parent.mkdir(parents=True)
    record.write_bytes(content)
    assert external.known() == []
    assert "left out" in caplog.text
    with pytest.raises(BadValue, match=r"net\.json"):
        external.repository("net")
    external.remove("net")
    assert "the record is gone now" in caplog.text
    assert not record.exists()


# Names


@pytest.mark.slow
def test_names_are_chosen_given_and_taken(origin: GitRepository, tmp_path: Path):
    assert external.add(at(origin, "main")).name == "net"
    assert external.add(at(origin)).name == "net-2"
    assert external.add(at(origin), name="mine").name == "mine"
    assert [each.name for each in external.known()] == ["mine", "net"]
    assert external.add("mine", name="yours").name == "yours"
    with pytest.raises(OutputExists, match="another repository is called net"):
        external.add("yours", name="net")
    for bad in ("a/b", "../x", ".x", "-x", "x" * 65, "github:x", ""):
        with pytest.raises(BadValue):
            external.add(at(origin), name=bad or "\n")
    with pytest.raises(UnknownName, match="did you mean 'yours'"):
        external.repository("your")


def test_remove_deletes_what_nothing_else_needs(origin: GitRepository, home: Path):
    first = external.repository(at(origin, "main"), trust=True)
    external.add(at(origin), name="same")
    external.remove("net")
    assert first.path.is_dir()
    assert not external.add("same").trusted
    external.remove(at(origin))
    assert not first.path.exists()
    assert list((home / "cache" / "external").rglob("*")) == []
    for unknown in ("same", at(origin)):
        with pytest.raises(BadValue, match=r"none has been added|was not added"):
            external.remove(unknown)


# Use


def test_entry_points_are_read_without_being_run(origin: GitRepository):
    looked_at = external.add(at(origin, "main"))
    entries = {each.name: each for each in looked_at.entry_points()}
    assert entries["double"].signature == "(x: int, *, times=2, **more)"
    assert entries["double"].summary == "Doubles what it is given."
    assert entries["alias"].signature == entries["double"].signature
    assert (entries["Net"].signature, entries["Net"].doc) == ("(depth=18)", "A net.")
    assert looked_at.dependencies() == ["numpy"]
    assert looked_at.licence().guess == "MIT"


def test_entry_points_are_called(origin: GitRepository, capsys: pytest.CaptureFixture[str]):
    repository = external.repository(at(origin, "main"), trust=True)
    assert repository.load("double", 3, times=3) == 9
    assert repository.load("Net", depth=5).depth == 5
    assert repository.load("small") == "small of one"
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "net: doubling\n")
    with pytest.raises(UnknownName, match="no entry point of net named 'doubel'; did you mean 'double'"):
        repository.load("doubel")
    with pytest.raises(UnknownName):
        repository.load("_private")
    with pytest.raises(UnknownName):
        repository.load("number")
    with pytest.raises(ExternalFailed, match=r"leave of net ended the program \(exit status 3\)"):
        repository.load("leave")
    with pytest.raises(ZeroDivisionError) as caught:
        repository.load("fail")
    assert "raised by fail of file://" in caught.value.__notes__[0]
    copy = pickle.loads(pickle.dumps(repository))
    assert copy.load("double", 3) == 6


@pytest.mark.slow
def test_an_entry_point_in_a_process_of_its_own(origin: GitRepository):
    repository = external.repository(at(origin, "main"), trust=True)
    with pytest.raises(UnknownName):
        repository.load("nothing", process=True)
    with repository.process(timeout=30) as process:
        assert process.function("hubconf:double")(3, times=4) == 12
    assert "Net" in repr(repository.load("Net", 7, process=True))


def test_what_other_threads_print_is_left_alone(origin: GitRepository, capsys: pytest.CaptureFixture[str]):
    origin.commit({"hubconf.py": "def ask(go, gone):\n    print('inside', end='')\n    go.set(); gone.wait(10)\n"})
    repository = external.repository(at(origin, "main"), trust=True)
    go, gone = threading.Event(), threading.Event()
    thread = threading.Thread(target=repository.load, args=("ask", go, gone))
    thread.start()
    assert go.wait(10)
    print("outside")
    gone.set()
    thread.join()
    print("afterwards")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("outside\nafterwards\n", "net: inside\n")


def test_all_that_is_missing_is_named_before_anything_runs(origin: GitRepository):
    origin.commit(
        {
            "hubconf.py": HUBCONF.replace('["numpy"]', '["torch", "cv2_missing", "scikit-image-missing", "models"]'),
            "models/nets.py": (
                "import os, sys\nfrom . import parts\nclass Net: pass\ndef _hidden(): import in_a_function\n"
                "def small(): pass\ntry:\n    import tried\nexcept ImportError:\n    pass\n"
            ),
            "models/parts.py": "import yaml_missing.sub\nimport numpy.linalg\n",
            "train.py": "import only_for_training\n",
        }
    )
    repository = external.repository(at(origin, "main"), trust=True)
    wanted = ["cv2_missing", "scikit-image-missing", "yaml_missing"]
    assert repository.missing() == wanted
    with pytest.raises(MissingExtra, match=f"net needs {', '.join(wanted)}, which are not .*; pip install cv2_missing"):
        repository.load("double", 1)
    assert not (repository.path / "was_run").exists()
    with pytest.raises(MissingExtra, match="net needs yaml_missing, which is not installed"):
        repository.import_module("models.nets")
    with pytest.raises(MissingExtra, match="net needs only_for_training"):
        repository.import_module("train")
    origin.commit({"hubconf.py": HUBCONF})
    undeclared = external.repository(at(origin), trust=True)
    with pytest.raises(MissingExtra, match="net-2 needs yaml_missing, which is not installed; pip install yaml_miss"):
        undeclared.load("double", 1)


def test_an_import_that_the_code_itself_does_without_stops_nothing(tmp_path: Path, home: Path):
    (tmp_path / "x" / "lib").mkdir(parents=True)
    (tmp_path / "x" / "hubconf.py").write_text(
        "import contextlib, sys, os\nsys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))\nimport deep\n"
        "with contextlib.suppress(ImportError):\n    import not_there\n"
        "if sys.platform == 'nowhere':\n    import not_there_either\n"
        "try:\n    import nor_this\nexcept ImportError:\n    nor_this = None\n"
        "def f():\n    return deep.x\n"
    )
    (tmp_path / "x" / "lib" / "deep.py").write_text("x = 5\n")
    repository = external.repository(str(tmp_path / "x"), trust=True)
    assert repository.missing() == []
    assert repository.load("f") == 5


def test_modules_are_named_as_the_index_names_them():
    from ml4a.external import _needs

    names = ["PIL", "cv2", "skimage", "sklearn", "yaml", "lpips", "; rm -rf /"]
    assert _needs.advice(names) == ("pip install pillow opencv-python-headless scikit-image scikit-learn pyyaml lpips")
    assert "repository itself says" in _needs.advice(["$(evil)"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("print 'two'\n", r"hubconf\.py is no Python 3 \(line 1"),
        ("x = " + "(" * 3000 + ")" * 3000, r"hubconf\.py"),
        ("\0", r"hubconf\.py"),
        (b"\xff\xfe", r"hubconf\.py"),
        ("-" * 200_000 + "1", r"hubconf\.py"),
    ],
    ids=["old", "deep", "null", "binary", "long"],
)
def test_a_hubconf_that_is_no_python_is_said_to_be(content: str | bytes, complaint: str, tmp_path: Path, home: Path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "hubconf.py").write_bytes(content if isinstance(content, bytes) else content.encode())
    repository = external.repository(str(tmp_path / "x"), trust=True)
    for call in (repository.entry_points, repository.dependencies, lambda: repository.load("x")):
        with pytest.raises(BadValue, match=complaint):
            call()


def test_a_hubconf_that_imports_itself_in_circles_is_read(tmp_path: Path, home: Path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "hubconf.py").write_text("from a import *\nfrom b import f\ndef g(): 'G'\n")
    (tmp_path / "x" / "a.py").write_text("from b import *\n")
    (tmp_path / "x" / "b.py").write_text("from a import *\nfrom hubconf import f\nfrom .....out import h\nf = f\n")
    assert [each.name for each in external.add(str(tmp_path / "x")).entry_points()] == ["g"]


def test_a_script_or_an_empty_folder_offers_nothing(tmp_path: Path, home: Path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "main.py").write_text("import argparse\nargparse.ArgumentParser().parse_args(['--x'])\n")
    repository = external.repository(str(tmp_path / "x"), trust=True)
    assert repository.entry_points() == []
    with pytest.raises(NotFound, match=r"x has no hubconf\.py"):
        repository.load("x")
    with pytest.raises(ImportError, match=r"main.* is a script that ends the program"):
        repository.import_module("main")
    assert repository.licence().guess == "unknown"


@pytest.mark.parametrize(
    ("name", "text", "guess"),
    [
        ("LICENSE", "MIT License\n\nCopyright", "MIT"),
        ("licence.txt", "Copyright\n\nPermission is hereby granted, free of charge, to", "MIT"),
        ("COPYING", "\n   GNU GENERAL PUBLIC LICENSE\n     Version 3, 29 June 2007", "GPL-3.0"),
        ("LICENSE.md", "Apache License\nVersion 2.0", "Apache-2.0"),
        ("LICENSE", "Attribution-NonCommercial 4.0\nCreative Commons\nAttribution-NonCommercial", "CC-BY-NC"),
        ("LICENSE.txt", "NVIDIA Source Code License\n may be used only non-commercially", "NVIDIA, not commercial"),
        ("LICENSE", "Redistribution and use in source and binary forms, with", "BSD"),
        ("LICENSE", "All rights reserved.", "unknown"),
        ("licensed.py", "MIT License", "unknown"),
    ],
)
def test_licences_are_guessed_by_what_they_say(name: str, text: str, guess: str, tmp_path: Path):
    from ml4a.external import _licence

    (tmp_path / name).write_text(text)
    assert _licence.guess(tmp_path).guess == guess


@pytest.mark.slow
def test_nothing_of_it_needs_torch():
    code = """
import sys
from ml4a import external
external.repository, external.known, external.Repository
assert "torch" not in sys.modules
"""
    subprocess.run([os.sys.executable, "-c", code], check=True)
