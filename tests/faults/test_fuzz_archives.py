"""Archives with random damage: each gives the member or is refused in words, at once, and with bounded output."""

from __future__ import annotations

import random
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import tarred, zipped

from ml4a._core.errors import BadWeights
from ml4a.weights.packed import extract

ROUNDS = 3000
LIMIT = 5000
MEMBERS = {"a" * 90: b"abc" * 100, "deep/net.pth": random.Random(1).randbytes(3000)}


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, taken out, or put in."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at, kind = rng.randrange(len(result)), rng.random()
        if kind < 0.5:
            result[at] = rng.choice([0, 255, 128, rng.randrange(256), result[at] ^ (1 << rng.randrange(8))])
        elif kind < 0.7:
            result[at : at + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(1, 9))
        elif kind < 0.85:
            del result[at : at + rng.randrange(1, 600)]
        else:
            result[at:at] = result[: rng.randrange(1, 1200)]
        result = result or bytearray(b"P")
    return bytes(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: zipped(path, MEMBERS), id="zip"),
        pytest.param(lambda path: zipped(path, MEMBERS, compression=zipfile.ZIP_STORED), id="stored zip"),
        *(
            pytest.param(
                lambda path, mode=mode, form=form: tarred(path, MEMBERS, mode=mode, format=form), id=mode + name
            )
            for mode in ("w:", "w:gz", "w:bz2", "w:xz")
            for name, form in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT))
        ),
    ],
)
def test_random_damage_is_survived(make: Callable[[Path], Path], tmp_path: Path):
    good = make(tmp_path / "good").read_bytes()
    rng = random.Random(7)
    path, target = tmp_path / "x", tmp_path / "taken"
    refused = 0
    for _ in range(ROUNDS):
        path.write_bytes(damaged(good, rng))
        target.unlink(missing_ok=True)
        start = time.perf_counter()
        try:
            extract(path, "the archive", "net.pth", LIMIT, target)
            assert target.stat().st_size <= LIMIT + 1
        except BadWeights as error:
            assert "\n" not in str(error)
            refused += 1
        assert time.perf_counter() - start < 5  # a hang, not a slow machine
    assert 0 < refused < ROUNDS
