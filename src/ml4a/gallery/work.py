"""What a work of the demo is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """One work on the page."""

    title: str
    original: str | None
    """The `sample:NAME` that it was made from; None if it was made of nothing."""
    file: str
    shell: str
    python: str
    """Run as it stands, in the gallery's folder."""
    needs: tuple[str, ...] = ()
    """Weights that the package index does not carry: the work is made once they are in the cache."""
    extra: str | None = None
    """The extra of ml4a that it takes: without, it is only told of."""
