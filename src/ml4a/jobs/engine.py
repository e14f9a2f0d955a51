"""What does the items of a job: this process, processes beside it, or a cluster. All give the same outcomes.

An engine is given a function that begins, which is called once in each worker (there a model is loaded) and returns the
function that does one item. Workers compute with one thread each, so that results do not depend on how many there are.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ml4a._core import devices, progress
from ml4a._core.errors import BadValue, Cancelled, Ml4aError

Begin: TypeAlias = Callable[[], Callable[[Any], Any]]
"""Called once in each worker; returns the function that does one item. Both are pickled where workers are processes."""

EngineName: TypeAlias = Literal["local", "ray"]

TRIES = 3
"""How many workers may die over one item before it is given up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item."""

    number: int
    """Which item, counted as they were taken."""
    item: Any
    value: Any = None
    """What the function returned."""
    reason: str | None = None
    """Why it failed, in one line; None if it was done."""
    error: Exception | None = None
    """The exception, where it happened in this process."""


class Engine(Protocol):
    """Where items are done."""

    @property
    def workers(self) -> int:
        """How many items are under way at a time."""
        ...

    @property
    def carry(self) -> Callable[[bytes], Callable[[], bytes]] | None:
        """How a file is sent along to workers that do not see this disk; None where they do."""
        ...

    def run(self, begin: Begin, items: Iterable[Any | None]) -> Iterator[Outcome]:
        """Do the items; give outcomes as they come, in any order.

        Items are taken only when a worker has nothing to do, so `items` may be endless, or react to outcomes: a None
        among them says that there is nothing to begin until another outcome has come. An item's exception, and the
        death of its worker, are outcomes with a reason; the others go on. Closing the iterator stops the workers.
        Progress that is reported in a worker is heard here.

        Raises:
            Cancelled: the work was asked to stop.
            Ml4aError: workers cannot begin: the model cannot be loaded, the cluster cannot be reached.
        """
        ...


class Here:
    """This process, with all its threads: one item after the other."""

    workers = 1
    carry = None

    def run(self, begin: Begin, items: Iterable[Any | None]) -> Iterator[Outcome]:
        """See `Engine`."""
        function: Callable[[Any], Any] | None = None
        for number, item in enumerate(item for item in items if item is not None):
            progress.check()
            function = function or begin()
            try:
                value = function(item)
            except Cancelled:
                raise
            except Exception as error:
                yield Outcome(number, item, reason=reason_of(error), error=error)
            else:
                yield Outcome(number, item, value)


def engine(
    name: EngineName = "local",
    workers: int | None = None,
    *,
    address: str | None = None,
    gpus: float = 0.0,
    memory: str | None = None,
) -> Engine:
    """The engine of that name.

    Args:
        name: `"local"` or `"ray"`.
        workers: How many; None is this process itself, or as many as the cluster has room for.
        address: Of a Ray cluster: `"auto"` finds the one that this machine belongs to; None starts one here.
        gpus: Of Ray: the part of a GPU that each worker has.
        memory: What a worker may use, such as `"3G"`; one that takes more is stopped, and its item has failed.

    Raises:
        BadValue: an engine, number or combination that there is not.
        MissingExtra: Ray is not installed.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise BadValue(f"workers must be a whole number from 1 up, not {workers!r}")
    limit = None if memory is None else devices.parse_bytes(memory)
    if name == "ray":
        from .ray import Ray

        return Ray(workers, address=address, gpus=gpus, memory=limit)
    if name != "local":
        raise BadValue(f"engine must be local or ray, not {name!r}")
    if address is not None or gpus:
        raise BadValue("address and gpus are for the engine ray")
    if workers is None:
        if limit is not None:
            raise BadValue("a limit of memory is for workers; say how many (--workers 2)")
        return Here()
    from .local import Local

    return Local(workers, memory=limit)


def reason_of(error: BaseException) -> str:
    """What an item failed of, in one line; of an error that nobody expected, also where it happened."""
    text = " ".join(str(error).split())
    if isinstance(error, Ml4aError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"
