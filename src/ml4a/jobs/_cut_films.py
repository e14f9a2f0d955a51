"""One film made by several workers: segments of which each stands for itself, joined in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import film
from .items import Item
from .work import Segment, Task, Work


@dataclass(slots=True)
class CutFilm:
    """A film on its way."""

    clip: Any
    target: Path
    folder: Path
    count: int
    file: Path | None
    missing: set[int] = field(default_factory=set)
    failed: bool = False
    """Whether a segment failed, so that the rest is not wanted."""

    @classmethod
    def of(cls, work: Work, item: Item, folder: Path) -> CutFilm | None:
        """The film that `item` becomes; None if it has to be made frame after frame."""
        from ml4a.media import sources, video

        file = None if isinstance(item.source, video.Clip) else sources.locate(item.source)
        clip = item.source if file is None else video.open(file)
        count = film.segments(work.model, clip, item.target, steady=work.steady)
        if count is None:
            return None
        missing = set(range(count)) - film.kept(folder, clip)
        return cls(clip, item.target, folder, count, file if isinstance(file, Path) else None, missing)

    def tasks(self, whole: Task) -> Iterator[Task]:
        """A task for each segment that is missing, like the one for the film as a whole."""
        for number in sorted(self.missing):
            yield replace(whole, segment=Segment(number, self.count))

    def take(self, part: Any) -> bool:
        """Keep a segment that was made; whether it was the last."""
        film.keep(self.folder, part)
        self.missing.discard(part.number)
        return self.is_complete

    @property
    def is_complete(self) -> bool:
        """Whether all segments are there."""
        return not self.missing and not self.failed

    def join(self, *, overwrite: bool) -> None:
        """Make the film of its segments."""
        film.join(self.clip, self.target, self.count, folder=self.folder, overwrite=overwrite, file=self.file)
