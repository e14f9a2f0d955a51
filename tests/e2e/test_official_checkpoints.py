"""Every model whose weights the package index does not carry, from a download in the official container to a picture.

A local server serves what the official host would: the same file or member of an archive, and in it the same tensors of
other numbers.
"""

from __future__ import annotations

import zipfile

import checkpoints
import numpy as np
import pytest
from lying_server import Answer
from PIL import ImageOps

import ml4a
from ml4a import image, weights
from ml4a.models import registry

pytestmark = pytest.mark.slow
SETS = [(model, name) for model in checkpoints.MODELS for name in checkpoints.of(model).OFFICIAL]


@pytest.fixture(scope="module")
def photo():
    return image.sample("chelsea").crop((120, 80, 216, 152))


@pytest.mark.parametrize(("model", "name"), SETS, ids=[f"{model}-{name}" for model, name in SETS])
def test_a_picture_is_made_from_a_download(model, name, photo, home, tmp_path, server):
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
    about = next(each for each in registry.model_class(model).operations().values() if each.gives == "picture")
    others = {each.name: ImageOps.mirror(photo) for each in about.media[1:] if each.required}
    few = dict.fromkeys((each for each in about.parameters if each.endswith("iterations")), 2)
    result = getattr(loaded, about.name)(photo, **others, **few)
    assert np.ptp(np.asarray(result)) > 0, "an empty picture"
    assert set(loaded.last_record.digests) == set(files)
