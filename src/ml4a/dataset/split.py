"""Which pictures are kept back to test with: always whole inputs, so that no copy of one is on both sides."""

from __future__ import annotations

import hashlib

PERIOD = 60.0
"""Seconds of a film of which one stretch is for testing."""


def by_content(content: str, seed: int, share: float) -> bool:
    """Whether a picture is for testing, by what it is and nothing else: others that come or go do not move it.

    A larger share keeps all that a smaller one has chosen. Of n pictures, about n·share are chosen, not exactly.

    Args:
        content: The same for files of the same content, such as their hash.
        seed: Another seed chooses others.
        share: From 0 to 1.
    """
    drawn = hashlib.sha256(f"{seed}/{content}".encode()).digest()[:8]
    return int.from_bytes(drawn) < share * 2**64


def by_time(second: float, duration: float, share: float) -> bool:
    """Whether a frame is for testing: the last part of each minute of its film is, so that neighbours stay together.

    Args:
        second: When the frame is shown.
        duration: Of the film; of one shorter than `PERIOD`, the last part of all is for testing.
        share: From 0 to 1.
    """
    period = min(PERIOD, duration) if duration > 0 else PERIOD
    return second % period >= (1 - share) * period


def regular(count: int, share: float) -> list[int]:
    """Which of so many, by their place from 0, are for testing: evenly spaced, as in ml4a's 2021 library.

    Whoever comes or goes moves the others.
    """
    return [int((1 / share) * (number + 1) - 1) for number in range(int(count * share))]
