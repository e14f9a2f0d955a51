"""`--compare`: the original and the result as one picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


class Compared:
    """A worker whose results have what they were made from on their left, at the same size."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.operation = replace(worker.operation, transparent=False)

    def __call__(self, picture: Any, **parameters: Any) -> Any:
        """Do what the worker does to one picture, and put both side by side."""
        from ml4a.media import image, provenance

        result = self._worker(picture, **parameters)
        both = image.concatenate([image.resize(picture, image.size(result)), result])
        if (made_by := provenance.record_of(result)) is not None:
            provenance.mark(both, made_by)
        return both

    @property
    def last_record(self) -> Any:
        """The worker's."""
        return self._worker.last_record
