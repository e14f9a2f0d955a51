"""The items that no worker has begun yet, and those whose worker died."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .engine import TRIES, Outcome


@dataclass(slots=True)
class Task:
    """One item on its way."""

    number: int
    item: Any
    deaths: int = 0
    """Workers that died over it."""


class Waiting:
    """Gives tasks one by one; takes an item only when somebody asks.

    Args:
        items: As of `Engine.run`: a None says that there is nothing to begin yet.
    """

    def __init__(self, items: Iterable[Any | None]) -> None:
        self._items = iter(items)
        self._again: deque[Task] = deque()
        self._taken = 0

    def take(self) -> Task | None:
        """The next task; None if there is none, or none yet."""
        if self._again:
            return self._again.popleft()
        item = next(self._items, None)
        if item is None:
            return None
        self._taken += 1
        return Task(self._taken - 1, item)

    def give_back(self, task: Task) -> None:
        """Put a task back that nobody worked on."""
        self._again.append(task)

    def died(self, task: Task, why: str) -> Outcome | None:
        """Put a task whose worker died back; what became of it, if it is given up."""
        task.deaths += 1
        if task.deaths >= TRIES:
            return Outcome(task.number, task.item, reason=f"{why} {task.deaths} times")
        self._again.append(task)
        return None
