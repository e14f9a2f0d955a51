"""What a job did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Summary:
    """What a job did."""

    done: list[Path] = field(default_factory=list)
    """The outputs, in order."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Each input that failed, with its reason."""
    resumed: int = 0
    """How many of the outputs were there already, of a run of the same job that had been stopped."""
    seconds: float = 0.0
