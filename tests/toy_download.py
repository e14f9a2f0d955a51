"""Downloads of a file of three million random bytes, for tests that let them go wrong."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import toy_card
from lying_server import LyingServer

from ml4a import weights
from ml4a.weights import cache

DATA = random.Random(1).randbytes(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
HALF = len(DATA) // 2


def fetch(*sources: str) -> Path:
    """Have the file fetched from `sources`; it must come out right."""
    expected = toy_card.write(DATA, *sources)
    assert weights.fetch("toy")["network"] == expected
    assert expected.read_bytes() == DATA
    return expected


def ranges(server: LyingServer) -> list[str | None]:
    """What part each request asked for."""
    return [request.headers.get("Range") for request in server.requests]


def files_in_cache() -> list[str]:
    """Everything in the cache but stamps."""
    return sorted(path.name for path in cache.root().rglob("*") if path.is_file() and path.suffix != ".stamp")


def partials() -> dict[Path, int]:
    """Downloads under way or broken off, and their sizes."""
    return {path: path.stat().st_size for path in cache.root().glob("*.part")}
