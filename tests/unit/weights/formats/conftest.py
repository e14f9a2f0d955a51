"""Reading under watch: whatever a weights file makes happen besides reading is seen, and fails the test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import reading_watch

from ml4a.weights import formats


@pytest.fixture
def watching() -> Callable[[], contextlib.AbstractContextManager[list[str]]]:
    """`with watching() as seen:` lists every import, compilation, command and connection in the block."""
    return reading_watch.watching


@pytest.fixture
def read() -> Callable[..., formats.Archive]:
    """`formats.read`, failing the test if it does anything but read."""
    return reading_watch.watched_read
