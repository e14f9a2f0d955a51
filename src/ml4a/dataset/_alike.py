"""This process computing as a worker does, so that what it makes has the same bits."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from ml4a.jobs.local import BUDGET

from .recipe import Made, Recipe, Task, begin_making


@contextlib.contextmanager
def as_a_worker() -> Iterator[None]:
    """Compute in one thread, and in tiles of a worker's size: both decide how sums are rounded."""
    import cv2

    torch = sys.modules.get("torch")  # nobody who has not loaded it can be in need of this
    threads = cv2.getNumThreads(), None if torch is None else torch.get_num_threads()
    memory = os.environ.get("ML4A_MEMORY")
    cv2.setNumThreads(1)
    if torch is not None:
        torch.set_num_threads(1)
    os.environ["ML4A_MEMORY"] = memory or BUDGET
    try:
        yield
    finally:
        cv2.setNumThreads(threads[0])
        if torch is not None:
            torch.set_num_threads(threads[1])
        if memory is None:
            del os.environ["ML4A_MEMORY"]


def begin_making_here(recipe: Recipe) -> Callable[[Task], Made]:
    """`begin_making` for this process."""
    function = begin_making(recipe)

    def make(task: Task) -> Made:
        with as_a_worker():
            return function(task)

    return make
