"""Every model whose weights the package index does not carry, from a download in the official container to a result.

A local server serves what the official host would: the same file or member of an archive, and in it the same tensors of
other numbers.
"""

from __future__ import annotations

import zipfile

import checkpoints
import clauses
import numpy as np
import pytest
from lying_server import Answer

import ml4a
from ml4a import weights

pytestmark = pytest.mark.slow
SETS = [(model, name) for model in checkpoints.MODELS for name in checkpoints.of(model).OFFICIAL]


@pytest.mark.parametrize(("model", "name"), SETS, ids=[f"{model}-{name}" for model, name in SETS])
def test_something_is_made_of_a_download(model, name, home, tmp_path, server):
    def served(path, member):
        content = path.read_bytes()
        if not member:
            return server.put(f"/{path.name}", Answer(content))
        archive = tmp_path / f"{member}.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr(f"archive/{member}", content)
        return server.put(f"/{archive.name}", Answer(archive.read_bytes())) + f"#{member}"

    files = checkpoints.write(model, name, tmp_path)
    checkpoints.install(model, name, files, served)
    assert weights.find(f"{model}/{name}") is None
    loaded = ml4a.load(model, name)
    for role, path in weights.find(f"{model}/{name}").items():
        assert path.read_bytes() == files[role].read_bytes()
    assert [verdict.problem for verdict in weights.verify(f"{model}/{name}")] == [""] * len(files)
    about = clauses.operations(type(loaded))[0]
    given = clauses.subject(type(loaded), about)
    if about.main.kind == "picture":  # the deepest layers of some see nothing of smaller ones
        given = clauses.picture_for(type(loaded), (96, 80))
    result = clauses.main(type(loaded), loaded)(given)
    assert np.ptp(clauses.values(result)) > 0, "an empty picture, or silence"
    assert set(loaded.last_record.digests) == set(files)
