"""What a journal remembers of a job that was stopped, and whom it lets go on with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ml4a._core.errors import OutputExists
from ml4a.jobs.journal import FOLDER, Journal, stamp_of

SETTINGS = {"work": "sketch", "steady": 0.0}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out" / FOLDER


def begun(folder, **items):
    """A journal that knows these items, none of which has an output yet."""
    journal = Journal(folder, SETTINGS)
    journal.begin({name: (stamp, None) for name, stamp in items.items()})
    return journal


def test_a_result_is_known_even_if_nobody_noted_it(folder):
    output = folder.parent / "a"
    with begun(folder, a="1", b="1") as journal:
        output.write_text("made")
        journal.done("b")
    with Journal(folder, SETTINGS) as journal:
        journal.begin({"a": ("1", stamp_of(output)), "b": ("1", None)})
        assert journal.is_done("a", stamp_of(output))
        assert not journal.is_done("b", None)


def test_what_was_there_before_is_no_result(folder):
    folder.parent.mkdir()
    output = folder.parent / "a"
    output.write_text("of somebody else")
    for _ in range(2):
        with Journal(folder, SETTINGS) as journal:
            journal.begin({"a": ("1", stamp_of(output))})
            assert not journal.is_done("a", stamp_of(output))
            assert not journal.is_ours("a", stamp_of(output))
            journal.failed("b", "noted, so that the journal stays")


def test_of_an_input_that_changed_the_result_is_made_anew(folder):
    output = folder.parent / "a"
    with begun(folder, a="1") as journal:
        output.write_text("made")
        journal.done("a")
    with Journal(folder, SETTINGS) as journal:
        assert journal.begin({"a": ("2", stamp_of(output))}) == {"a"}
        assert not journal.is_done("a", stamp_of(output))
        assert journal.is_ours("a", stamp_of(output))
    with Journal(folder, SETTINGS) as journal:  # stopped before it was made anew
        assert journal.begin({"a": ("2", stamp_of(output))}) == set()
        assert not journal.is_done("a", stamp_of(output))
        output.write_text("made anew")
        assert journal.is_done("a", stamp_of(output))


def test_the_best_so_far_is_ours_and_not_done(folder):
    output = folder.parent / "a"
    with begun(folder, a="1", b="1") as journal:
        output.write_text("half")
        journal.stopped("a", stamp_of(output))
        journal.done("b")
    with Journal(folder, SETTINGS) as journal:
        journal.begin({"a": ("1", stamp_of(output))})
        assert not journal.is_done("a", stamp_of(output))
        assert journal.is_ours("a", stamp_of(output))


def test_a_value_is_drawn_once(folder):
    with begun(folder, a="1") as journal:
        assert journal.kept("seed", lambda: 7) == 7
        journal.done("a")
    with Journal(folder, SETTINGS) as journal:
        assert journal.kept("seed", lambda: 8) == 7


def test_other_settings_do_not_go_on_with_it(folder):
    with begun(folder, a="1") as journal:
        journal.done("a")
    with pytest.raises(OutputExists, match=r"other settings \(steady was 0.0, not 0.5\)"):
        Journal(folder, {**SETTINGS, "steady": 0.5})
    with Journal(folder, {**SETTINGS, "steady": 0.5}, overwrite=True) as journal:
        assert not journal.resumed


def test_a_job_that_came_to_its_end_is_in_nobodys_way(folder):
    with begun(folder, a="1") as journal:
        journal.failed("a", "no picture")
        journal.end()
    with Journal(folder, {**SETTINGS, "steady": 0.5}) as journal:
        assert not journal.resumed


_BROKEN = [b'{"done": "b', b"\xff\xfe\n", b"[]\n", b"[" * 100_000 + b"\n", b'{"begin": {"b": 3, "c": {}}}\n']


@pytest.mark.parametrize("rest", _BROKEN)
def test_what_is_broken_in_it_is_passed_over(rest, folder):
    with begun(folder, a="1") as journal:
        journal.done("a")
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(rest)
    with Journal(folder, SETTINGS) as journal:
        assert journal.resumed
        assert not journal.is_ours("b", [1, 2, 3])
        journal.done("b")
    lines = (folder / "journal.jsonl").read_bytes().splitlines()
    assert json.loads(lines[-1]) == {"done": "b"}


def test_a_job_of_which_nothing_is_done_leaves_nothing(folder):
    begun(folder, a="1").__exit__(None, None, None)
    assert not folder.parent.exists()


def test_a_job_that_is_finished_leaves_nothing_but_its_results(folder):
    with begun(folder, a="1") as journal:
        (folder.parent / "a").write_text("made")
        (journal.parts / "half").write_text("half")
        journal.done("a")
        journal.finish()
    assert os.listdir(folder.parent) == ["a"]


def test_two_processes_do_not_do_the_same_job(folder):
    holding = "import sys, time; from pathlib import Path; from ml4a.jobs.journal import Journal\n"
    holding += "journal = Journal(Path(sys.argv[1]), {}); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holding, folder], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(OutputExists, match="another process"):
            Journal(folder, {})
        other.kill()
    Journal(folder, {}).finish()
