"""`--compare`: the original and the result as one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ml4a.jobs import memory, settings
from ml4a.jobs.work import for_film


def beside(original: Any, result: Any) -> Any:
    """Both as one picture, at the size of the result, with its record."""
    from ml4a.media import image, provenance

    both = image.concatenate([image.resize(original, image.size(result)), result])
    if (made_by := provenance.record_of(result)) is not None:
        provenance.mark(both, made_by)
    return both


class Compared:
    """A worker whose results have what they were made from on their left, at the same size."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.operation = replace(worker.operation, transparent=False)

    def __call__(self, picture: Any, **parameters: Any) -> Any:
        """Do what the worker does to one picture, and put both side by side."""
        return beside(picture, self._worker(picture, **parameters))

    def for_film(self) -> Compared:
        """The same for the frames of one film, in order."""
        worker = for_film(self._worker)
        return self if worker is self._worker else Compared(worker)

    def film_state(self) -> dict[str, Any] | None:
        """The worker's; see `Model.film_state`."""
        return memory.film_state(self._worker)

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """The worker's."""
        memory.set_film_state(self._worker, state)

    def job_settings(self) -> Any:
        """What a journal tells of it."""
        return ["compared", settings.described(self._worker)]

    @property
    def keeps_partial_films(self) -> bool:
        """The worker's."""
        return getattr(self._worker, "keeps_partial_films", False)

    @property
    def last_record(self) -> Any:
        """The worker's."""
        return self._worker.last_record
