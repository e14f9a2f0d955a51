"""Which part of a picture is kept when it takes another shape."""

from __future__ import annotations


def centre_box(size: tuple[int, int], ratio: float) -> tuple[int, int, int, int]:
    """The largest box of this width / height in the middle of (width, height): left, top, right, bottom."""
    width, height = size
    if width / height > ratio:
        span = height * ratio
        left = int((width - span) / 2)
        return left, 0, max(left + 1, int((width - span) / 2 + span)), height
    span = width / ratio
    top = int((height - span) / 2)
    return 0, top, width, max(top + 1, int((height - span) / 2 + span))
