"""Plug-ins that are broken or mean harm, all installed at once: each is named, none imported unasked, others work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import plugin_files
import pytest
import warm_command
from PIL import Image

from ml4a.cli import main

pytestmark = pytest.mark.xdist_group("hostile plug-ins")

LEFT_OUT = {
    "clashes": "left out 'hed' of toy-hed 1.0: ml4a has a card named hed itself",
    "twins": "left out 'twin' of toy-twin-b 1.0: toy-twin-a 1.0 has a model of that name, too",
    "escapes": r"left out '\x1b[31mevil' of toy-evil 1.0: a model's name is lower-case letters, digits and _",
    "climbs": "left out '../../../etc/passwd' of toy-climb 1.0: a model's name is lower-case letters, digits and _",
    "calls": "left out 'call' of toy-call 1.0: its entry point is not of the form package.module:Class, ",
    "unreadable": "left out 'everything' of toy-garbled 1.0: its entry points cannot be read",
    "no card": "left out: toy-cardless 1.0 brings cardless without a card; cardless.toml is due in ",
    "bad card": "left out: the card of toy-spoilt 1.0 is wrong: ",
    "odd verb": "left out: the card of toy-odd 1.0 is wrong: ",
    "commands": "left out 'weighing's verb weights' of toy-weighing 1.0: ml4a has a command of that name",
}


def install_all(site: Path, share: Path) -> None:
    def card(*verbs: str, more: str = "") -> str:
        return plugin_files.card(share, verbs=verbs, more=more)

    def add(name: str, code: str, *verbs: str, **more) -> None:
        plugin_files.install(site, name, code, card=card(*verbs), **more)

    mark = plugin_files.model("unused", "unused").partition("from ml4a")[0]
    add("shout", plugin_files.model("shout", "shout") + "\nprint('LOOK AT ME')\n", "shout")
    add("explode", f"{mark}\nraise RuntimeError('boom')", "explode")
    add("doze", f"{mark}\nimport time\ntime.sleep(60)", "doze")
    add("quit", f"{mark}\nimport sys\nsys.exit(0)", "quit-it")
    add("hed", mark, "sketch")
    for other in "ba":
        plugin_files.install(
            site,
            "twin",
            mark + plugin_files.model("twin", f"twin-{other}"),
            card=card(f"twin-{other}"),
            distribution=f"toy-twin-{other}",
            package=f"toy_twin_{other}",
        )
    add("evil", mark, points="[ml4a.models]\n\x1b[31mevil = toy_evil:Toy\n")
    add("climb", mark, points="[ml4a.models]\n../../../etc/passwd = toy_climb:Toy\n")
    add("call", mark, points="[ml4a.models]\ncall = os.system('touch x')\n")
    add("garbled", mark, points="[ml4a.models]\ngarbled\n")
    add("bytes", mark, points=b"[ml4a.models]\n\xff\xfe = toy_bytes:Toy\n")
    plugin_files.install(site, "cardless", mark)
    plugin_files.install(site, "spoilt", mark, card="title = [")
    plugin_files.install(site, "odd", mark, card=card("a\\u001b[31m"))
    add("weighing", mark, "weights", "weigh")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All of them, the variables of processes that have them, and a folder to work in."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "marks").mkdir()
    (folder / "work").mkdir()
    (folder / "share.txt").write_text("0.5")
    install_all(folder / "site", folder / "share.txt")
    Image.new("RGB", (8, 6), (200, 100, 50)).save(folder / "work" / "photo.png")
    return folder


@pytest.fixture
def ml4a(site):
    """The command, where all of them are installed; what was imported is forgotten."""
    for path in (site / "marks").iterdir():
        path.unlink()

    def run(*arguments: str) -> tuple[int, bytes, list[str]]:
        environment = {
            **os.environ,
            "ML4A_HOME": str(site / "home"),
            "PYTHONPATH": str(site / "site"),
            plugin_files.MARKS: str(site / "marks"),
        }
        done = warm_command.run(*arguments, cwd=site / "work", env=environment, before=plugin_files.on_path, timeout=60)
        return done.returncode, done.stdout, done.stderr.decode().splitlines()

    return run


def imported(site):
    return {path.name for path in (site / "marks").iterdir()}


def is_named_once(lines: list[str]) -> None:
    """Each that is left out is named in one line, and nothing else is said."""
    for what, beginning in LEFT_OUT.items():
        assert sum(line.startswith(beginning) for line in lines) == 1, (what, lines)
    assert len(lines) == len(LEFT_OUT)
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], [b"upscale", b"weights", b"shout", b"explode", b"twin-a", b"weigh "]),
        (["models"], [b"real_esrgan", b"(from toy-shout 1.0)", b"(from toy-explode 1.0)"]),
        pytest.param(["weights", "list"], [b"hed/bsds", b"shout/half"], marks=pytest.mark.slow),
        pytest.param(["sketch", "--help"], [b"--thin", b"does it: hed, photosketch."], marks=pytest.mark.slow),
    ],
    ids=lambda value: value[0] if isinstance(value[0], str) else "",
)
def test_nothing_is_imported_to_tell_of_them_and_each_is_named_once(arguments, words, ml4a, site):
    status, output, errors = ml4a(*arguments)
    assert status == 0
    for word in words:
        assert word in output
    assert b"twin-b" not in output
    is_named_once(errors)
    assert imported(site) == set()


def test_one_that_works_works_among_them_and_prints_elsewhere(ml4a, site):
    status, output, errors = ml4a("shout", "photo.png", "-o", "-")
    assert status == 0
    assert output.startswith(b"\x89PNG")
    assert b"LOOK" not in output
    assert "LOOK AT ME" in errors
    is_named_once([line for line in errors if line != "LOOK AT ME"])
    assert imported(site) == {"toy_shout"}


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("explode", "ml4a: explode of toy-explode 1.0 cannot be used: importing toy_explode fails: RuntimeError: boom"),
        pytest.param(
            "quit-it",
            "ml4a: quit of toy-quit 1.0 cannot be used: importing toy_quit fails: SystemExit: 0",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["explode", "quit"],
)
def test_a_broken_one_is_one_more_line_if_it_is_asked_for(verb, line, ml4a, site):
    status, output, errors = ml4a(verb, "photo.png", "-o", "out.png")
    assert (status, output, errors[-1]) == (2, b"", line)
    is_named_once(errors[:-1])
    assert not (site / "work" / "out.png").exists()


@pytest.mark.slow
def test_a_slow_one_delays_nothing_else(site, tmp_path):
    """By an interpreter that starts, which finds them as Python does."""
    environment = {
        **os.environ,
        "ML4A_HOME": str(site / "home"),
        "PYTHONPATH": str(site / "site"),
        plugin_files.MARKS: str(tmp_path),
    }
    code = """
import ml4a
from ml4a.cli import main
main(["upscale", "--help"])
main(["--install-completion", "--shell", "bash", "--output", "completion"])
print(ml4a.load.__name__, type(ml4a.models.registry.model_class("hed")).__name__)
import sys
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: ml4a upscale" in done.stdout
    assert set(os.listdir(tmp_path)) <= {"completion"}


def test_without_plug_ins_nothing_is_said(capfd):
    assert main(["models"]) == 0
    assert capfd.readouterr().err == ""
