"""`--workers` and `--engine`: every verb of pictures can be sent to workers, and says how it went."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ml4a import image
from ml4a.cli import main
from ml4a.cli.compare import Compared
from ml4a.cli.functions import FUNCTIONS
from ml4a.cli.masking import Masker
from ml4a.cli.run import Deferred
from ml4a.jobs import settings
from ml4a.jobs._pickling import pickled
from ml4a.models import registry

_OPTIONS = {"weights": "default", "device": "cpu", "dtype": "float32", "quiet": True, "output": "elsewhere"}
_PICTURES = [verb for verbs in registry.verbs().values() for verb in verbs if verb.operation.main.kind == "picture"]


@pytest.mark.parametrize("verb", _PICTURES, ids=lambda verb: f"{verb.name}-{verb.model}")
def test_every_verb_can_be_sent(verb):
    for worker in (Deferred(verb, _OPTIONS), Compared(Deferred(verb, _OPTIONS))):
        other = pickle.loads(pickled(worker, "a worker"))
        assert other.operation.name == verb.operation.name
        assert settings.described(other) == settings.described(worker)
        assert "elsewhere" not in str(settings.described(worker))


def test_verbs_without_models_can_be_sent():
    for worker in (Masker(), *FUNCTIONS):
        assert pickle.loads(pickled(worker, "a worker")).operation.verb == worker.operation.verb


def test_a_folder_by_two_workers(tmp_path, capfd):
    rng = np.random.default_rng(0)
    for number in range(3):
        image.save(rng.random((8, 8, 3), dtype=np.float32), tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "x.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    words = ["mask", str(tmp_path / "photos"), "-o", str(out), "--n", "2"]
    assert main([*words, "--workers", "2"]) == 1
    printed = capfd.readouterr()
    assert printed.out.splitlines() == [str(out / f"{number}.png") for number in range(3)]
    assert printed.err.splitlines()[-1] == "ml4a: 1 of 4 failed"
    (tmp_path / "photos" / "x.png").unlink()
    assert main(words) == 0
    assert "3 were done before" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["--workers", "0"], ["--address", "auto"], ["--worker-memory", "3G"]])
def test_workers_that_there_are_not_are_one_line(words, tmp_path, capfd):
    assert main(["mask", "sample:coffee", "-o", str(tmp_path / "out.png"), *words]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
