"""Foreign code in a process of its own: what passes, and what it can do to the process that started it: nothing."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from foreign_code import gone, written
from PIL import Image

import ml4a
from ml4a._core import limits
from ml4a._core.errors import BadValue, ExternalFailed, NotFound
from ml4a.external._process import Process, process
from ml4a.media import image

pytestmark = pytest.mark.xdist_group("external-process")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("foreign") / "tree")


@pytest.fixture(scope="module")
def tree(folder: Path) -> Iterator[Process]:
    """One process for all that leave it as it was, or have it start anew."""
    with process(folder, timeout=30) as running:
        yield running


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).random((40, 30, 3), np.float32)


def test_a_picture_goes_through_and_back(tree, photo):
    style = tree.function("stylise:apply")
    result = style(photo, strength=0.5)

    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, photo * np.float32(0.5))


def test_it_runs_in_another_process_apart_from_ml4a(tree):
    assert tree.function("facts:pid")() not in (os.getpid(), os.getppid())
    assert tree.function("facts:modules")() == []


def test_arguments_and_results_of_all_kinds(tree, photo):
    arguments, named = tree.function("stylise:same")(1, (None, "ü"), [photo, b"b"], k={"a": photo[:0], 3: 1.5})

    assert arguments[:2] == (1, (None, "ü"))
    np.testing.assert_array_equal(arguments[2][0], photo)
    assert arguments[2][1] == b"b"
    assert named["k"]["a"].shape == (0, 30, 3)
    assert named["k"][3] == 1.5


def test_numbers_of_numpy_come_as_numbers_and_what_is_like_an_array_as_one(tree, photo):
    assert tree.function("stylise:mean")(photo) == pytest.approx(photo.mean())
    np.testing.assert_array_equal(tree.function("stylise:like")(), np.ones((2, 2)))


def test_pictures_of_growing_sizes_do_not_disturb_each_other(tree):
    style = tree.function("stylise:apply")
    given = [np.full((side, side, 3), side / 1000, np.float32) for side in (8, 600, 16, 900)]
    results = [style(each) for each in given]

    for each, result in zip(given, results, strict=True):
        np.testing.assert_array_equal(each, result)


def test_memory_is_used_again(tree):
    """A film's frames open no files and map no memory that the first ones had not."""
    style, frame = tree.function("stylise:apply"), np.zeros((600, 600, 3), np.float32)
    style(frame)
    before = os.listdir("/proc/self/fd")
    for _ in range(5):
        style(frame)

    assert os.listdir("/proc/self/fd") == before


def test_a_pil_image_comes_back_as_one(tree, photo):
    given = image.as_kind(photo, "pil")
    result = tree.function("stylise:apply")(given, strength=0.5)

    assert isinstance(result, Image.Image)
    np.testing.assert_allclose(np.asarray(result), np.asarray(given) / 2, atol=0.6)


def test_it_is_applied_to_a_picture_and_a_film(tree, tmp_path, photo):
    style = tree.function("stylise:apply")
    image.save(photo, tmp_path / "photo.png")
    frames = [Image.new("RGB", (32, 32), (200, 100, 50)) for _ in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:], duration=40)

    ml4a.apply(style, tmp_path / "photo.png", tmp_path / "half.png", strength=0.5)
    ml4a.apply(style, tmp_path / "film.gif", tmp_path / "half.gif", strength=0.5)

    half, whole = (np.asarray(image.load(tmp_path / name), float) for name in ("half.png", "photo.png"))
    np.testing.assert_allclose(half, whole / 2, atol=0.6)
    np.testing.assert_allclose(np.asarray(image.load(tmp_path / "half.gif"))[0, 0], [100, 50, 25], atol=4)


def test_things_stay_there_and_their_methods_are_called(tree, photo):
    net = tree.create("things:Net", 3, bias=1)
    other = tree.create("things:Net", 4)

    np.testing.assert_array_equal(net.call("forward", photo), photo * 3 + 1)
    np.testing.assert_array_equal(net(photo), photo * 3 + 1)
    assert net.call("joined", other) == 7
    assert net.call("count") == 2
    del other
    gc.collect()
    assert net.call("count") == 1
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(net)


def test_the_tree_is_where_its_files_and_modules_are(tree):
    assert tree.function("facts:words")() == "from the tree"
    assert "of its own" in tree.function("facts:shadowed")()


@pytest.mark.slow
def test_it_is_given_no_secrets(folder, monkeypatch):
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "ML4A_HOME", "SSH_AUTH_SOCK", "PYTHONPATH", "LD_PRELOAD"):
        monkeypatch.setenv(name, "/secret")
    with process(folder, timeout=30) as tree:
        seen = tree.function("facts:environment")()

    assert "/secret" not in seen.values()
    assert seen["PATH"] == os.environ["PATH"]


def test_what_it_prints_is_kept_and_shown_to_nobody(tree, capfd):
    tree.function("facts:say")("\x1b[31mhello")
    for _ in range(100):
        if "hello" in tree.output:
            break
        time.sleep(0.01)

    assert r"\x1b[31mhello" in tree.output
    assert capfd.readouterr() == ("", "")


def test_calls_from_threads_wait_for_each_other(tree, photo):
    style, results = tree.function("stylise:apply"), {}

    def work(strength: float) -> None:
        for _ in range(5):
            results[strength] = style(photo, strength=strength)

    threads = [threading.Thread(target=work, args=(number / 4,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for strength, result in results.items():
        np.testing.assert_array_equal(result, photo * np.float32(strength))


@pytest.mark.slow
def test_a_pickled_function_starts_a_process_of_its_own(tree, folder):
    pid = tree.function("facts:pid")
    code = "import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1]))())"
    command = [sys.executable, "-W", "error", "-c", code, pickle.dumps(pid).hex()]

    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ended.stderr == ""
    assert int(ended.stdout) != pid()
    assert gone(int(ended.stdout))


@pytest.mark.slow
def test_a_fork_starts_a_process_of_its_own(tree, folder):
    mine = tree.function("facts:pid")()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(tree.function("facts:pid")()).encode())
            tree.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        theirs = int(pipe.read())

    assert theirs != mine
    assert tree.function("facts:pid")() == mine


def test_nothing_is_started_before_it_is_needed_and_nothing_is_left(folder):
    made = process(folder, timeout=30)
    assert made._runner is None
    pid = made.function("facts:pid")()
    assert Path(f"/proc/{pid}").exists()
    del made
    gc.collect()

    assert gone(pid)


def test_it_may_tidy_up_at_its_end(folder, tmp_path):
    with process(folder, timeout=30) as tree:
        tree.function("facts:tidies_up")(str(tmp_path / "note"))

    assert (tmp_path / "note").read_text() == "tidied up"


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"memory": "lots"},
        {"memory": 0},
        {"memory": 1.5},
        {"requirements": ["-r x"]},
    ],
)
def test_wrong_settings_are_refused_at_once(folder, wrong):
    with pytest.raises(BadValue):
        process(folder, **wrong)


def test_wrong_names_are_refused_before_anything_is_started(folder, tmp_path):
    with pytest.raises(NotFound, match="no folder"):
        process(tmp_path / "not there")
    made = process(folder)
    for target in ("stylise", "stylise:", "a-b:c", "os:system('x')", ":f", 3):
        with pytest.raises(BadValue, match="module:function"):
            made.function(target)
    assert made._runner is None


def test_an_error_is_told_with_its_type_and_place_and_the_process_goes_on(tree):
    pid = tree.function("facts:pid")()
    with pytest.raises(ExternalFailed, match=r"trouble:fails of .* failed: ValueError: too \\x1b\[2J bright") as caught:
        tree.function("trouble:fails")("too \x1b[2J bright")

    assert caught.value.type == "ValueError"
    assert 'trouble.py", line' in caught.value.traceback
    assert "_child" not in caught.value.traceback
    assert caught.value.__notes__ == [caught.value.traceback]
    assert "\x1b" not in caught.value.traceback
    assert "\n" not in str(caught.value)
    assert tree.function("facts:pid")() == pid


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("trouble:exits", "SystemExit: 4"),
        ("trouble:unprintable", "Odd"),
        ("trouble:missing", "certainly_not_installed.*requirements"),
        ("trouble:not_there", "AttributeError"),
        ("not_there:f", "ModuleNotFoundError"),
    ],
)
def test_errors_that_are_not_ordinary(tree, target, told):
    with pytest.raises(ExternalFailed, match=told):
        tree.function(target)()


def test_what_cannot_be_passed_is_said(tree):
    same = tree.function("stylise:same")
    with pytest.raises(BadValue, match=r"object.* cannot be passed"):
        same(object())
    with pytest.raises(BadValue, match="at most"):
        same("a" * (5 << 20))
    with pytest.raises(BadValue, match="cannot be called with this"):
        same(10**5000)
    with pytest.raises(ExternalFailed, match=r"object.* cannot be passed"):
        tree.function("stylise:nothing_like_it")(1)


def test_arrays_beyond_the_limit_are_refused_on_both_ways(tree, monkeypatch):
    monkeypatch.setattr(limits, "EXTERNAL_BYTES", 1 << 21)
    with pytest.raises(BadValue, match="bytes of arrays cannot be passed"):
        tree.function("stylise:same")(np.zeros(3 << 20, np.uint8))
    with pytest.raises(ExternalFailed, match="more than the 2097152 that are accepted"):
        tree.function("stylise:zeros")(1 << 30, 1)
