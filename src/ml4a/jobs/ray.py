"""Workers on a Ray cluster: actors on its machines, which may come and go."""

from __future__ import annotations

import contextlib
import os
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ml4a._core import progress
from ml4a._core.devices import say_once
from ml4a._core.errors import BadValue, Ml4aError

from ._pickling import pickled
from ._ray_cluster import Cluster, imported
from ._ray_worker import Carried, Worker, packed, versions
from ._waiting import Task, Waiting
from .engine import Begin, Outcome
from .local import BUDGET, FALSE_STARTS

_POLL = 0.25
"""Seconds between looks at whether to stop, and at what workers hold."""
_PLACING = 30.0
"""Seconds in which at least one worker must have found a place."""
_SILENCE = 2.0
"""Seconds after which one who does not answer may be lost."""
_COUNTING = 2.0
"""Seconds between looks at how many workers the cluster has room for."""


class Ray:
    """Actors on a Ray cluster, with one thread each: the same bits as of workers on this machine.

    Items and results travel as values; nothing of a machine's disk is relied on, but that ml4a is installed there in
    the same version, and that weights are there or can be downloaded. A machine that is lost loses what its workers
    were at, which others begin again; one that joins is used. Machines with other processors may round differently.

    Args:
        workers: How many at most; None for as many as the cluster has processors (and GPUs) for at any time.
        address: `"auto"` for the cluster that this machine belongs to, or `HOST:PORT` of that cluster's head. None
            starts one on this machine, and ends it with the job.
        gpus: The part of a GPU that each worker has; with 0, workers see none.
        memory: Bytes that one of them may hold, which its machine must have; one that holds more is stopped, and its
            item has failed.

    Raises:
        MissingExtra: Ray is not installed.
        BadValue: a part of a GPU that there cannot be.
    """

    def __init__(
        self, workers: int | None = None, *, address: str | None = None, gpus: float = 0.0, memory: int | None = None
    ) -> None:
        if isinstance(gpus, bool) or not (0 <= gpus <= 1 or (gpus > 1 and float(gpus).is_integer())):
            raise BadValue(f"gpus must be a part of one GPU, such as 0.5, or a whole number of them, not {gpus!r}")
        imported()
        self._workers = workers
        self._address = address
        self._gpus = gpus
        self._memory = memory
        self._cluster: Cluster | None = None

    @property
    def workers(self) -> int:
        """How many items are under way at a time: as many as were asked for, or as the cluster has room for now.

        Raises:
            BadValue: the cluster cannot be reached.
        """
        return self._workers or self._joined().room_for(self._gpus)

    def carry(self, data: bytes) -> Callable[[], bytes]:
        """A file that goes along with items: once to each machine whose workers need it."""
        return Carried(data)

    def run(self, begin: Begin, items: Iterable[Any | None]) -> Iterator[Outcome]:
        """See `Engine`.

        Raises:
            BadValue: the cluster cannot be reached, or has had no room for any worker for half a minute.
        """
        payload = pickled(begin, "what workers begin with")
        waiting = Waiting(items)
        try:
            first = waiting.take()
            if first is None:
                return
            crew = _Crew(self._joined(), payload, waiting, first, self._workers, self._gpus, self._memory)
            try:
                yield from crew.outcomes()
            finally:
                crew.dismiss()
        finally:
            cluster, self._cluster = self._cluster, None
            if cluster is not None:
                cluster.leave()

    def _joined(self) -> Cluster:
        if self._cluster is None or not self._cluster.ray.is_initialized():
            self._cluster = Cluster(self._address, self._workers)
        return self._cluster


class _Actor:
    """One worker, as it is seen from here."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.task: Task | None = None
        self.has_place = False
        self.has_begun = False
        self.looked = time.monotonic()
        """When it was last looked at."""
        self.is_looked_at = False

    @property
    def is_silent(self) -> bool:
        """Whether it has not answered a look for so long that it may be lost: it is given nothing then."""
        return self.is_looked_at and time.monotonic() - self.looked > _SILENCE


class _Crew:
    """The workers of one run, and what they are at."""

    def __init__(
        self,
        cluster: Cluster,
        payload: bytes,
        waiting: Waiting,
        first: Task,
        most: int | None,
        gpus: float,
        memory: int | None,
    ) -> None:
        self._cluster = cluster
        self._ray = cluster.ray
        self._waiting = waiting
        self._held = deque([first])
        """Tasks that were taken for workers that are not ready yet; whoever is ready first does them."""
        self._most = most
        self._gpus = gpus
        self._memory = memory
        self._actors: list[_Actor] = []
        self._calls: dict[Any, tuple[str, _Actor]] = {}
        """What was asked of whom, by the reference to the answer."""
        self._payload = self._ray.put(payload)
        self._kind = self._ray.remote(**_options(gpus, memory))(Worker)
        self._lonely_since = time.monotonic()
        self._counted = 0.0
        self._room = 1
        self._false_starts = 0

    def outcomes(self) -> Iterator[Outcome]:
        """Do what there is to do."""
        while True:
            self._hand_out()
            if not self._held and all(actor.task is None for actor in self._actors):
                task = self._waiting.take()
                if task is None:
                    return
                self._held.append(task)
                continue
            outcome = self._hear()
            if outcome is not None:
                self._hand_out()  # before anybody looks at the result
                yield outcome

    def dismiss(self) -> None:
        """Stop all workers."""
        for actor in self._actors:
            self._kill(actor)
        self._actors.clear()
        self._calls.clear()

    def _hand_out(self) -> None:
        """Give everybody who is idle a task, and find workers for the rest."""
        for actor in self._actors:
            if actor.has_begun and actor.task is None and not actor.is_silent:
                task = self._held.popleft() if self._held else self._waiting.take()
                if task is None:
                    break
                actor.task = task
                payload, carried = packed(task.item)
                self._ask(actor, "do", payload, *carried)
        wanted = self._wanted()
        while len(self._actors) < wanted:
            if len(self._held) <= sum(not actor.has_begun for actor in self._actors):
                task = self._waiting.take()
                if task is None:
                    break
                self._held.append(task)
            actor = _Actor(self._kind.remote())
            self._actors.append(actor)
            self._ask(actor, "hello")

    def _wanted(self) -> int:
        if self._most is not None:
            return self._most
        now = time.monotonic()
        if now - self._counted >= _COUNTING:
            self._counted, self._room = now, self._cluster.room_for(self._gpus)
        return self._room

    def _ask(self, actor: _Actor, what: str, *arguments: Any) -> None:
        method = getattr(actor.handle, what)
        if what == "look":
            actor.looked, actor.is_looked_at = time.monotonic(), True
            method = method.options(concurrency_group="look")
        self._calls[method.remote(*arguments)] = what, actor

    def _hear(self) -> Outcome | None:
        """Wait a little for the next answer, and react to it; what became of an item, if the answer says so."""
        progress.check()
        self._look_around()
        ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=_POLL)
        if not ready:
            return None
        what, actor = self._calls.pop(ready[0])
        try:
            answer = self._ray.get(ready[0])
        except self._ray.exceptions.RayError as error:
            busy = what == "look" and actor.task is not None  # then what it was asked to do fails as well
            return None if busy else self._lost(actor, error)
        if what == "hello":
            self._greet(actor, answer)
        elif what == "begin":
            self._begun(actor, answer)
        elif what == "look":
            return self._seen(actor, *answer)
        else:
            return self._done(actor, *pickle.loads(answer))  # noqa: S301  # from a worker of our own
        return None

    def _look_around(self) -> None:
        now = time.monotonic()
        for actor in self._actors:
            if actor.has_place and not actor.is_looked_at and now - actor.looked >= _POLL:
                self._ask(actor, "look")
        if any(actor.has_place for actor in self._actors):
            self._lonely_since = now
        elif now - self._lonely_since >= _PLACING or not self._cluster.may_have(self._resources()):
            raise BadValue(
                f"no worker finds a place: each needs {self._needs()}; the cluster has {self._cluster.described()}"
            )

    def _resources(self) -> dict[str, float]:
        return {"CPU": 1, "GPU": self._gpus, "memory": self._memory or 0}

    def _needs(self) -> str:
        needs = ["a processor"]
        if self._gpus:
            needs.append(f"{self._gpus:g} of a GPU" if self._gpus < 1 else f"{self._gpus:g} GPU")
        if self._memory is not None:
            needs.append(_gib(self._memory))
        return " and ".join(needs)

    def _greet(self, actor: _Actor, theirs: dict[str, str]) -> None:
        actor.has_place = True
        ours = versions()
        differing = [name for name in ours if ours[name] != theirs.get(name)]
        if differing:
            told = "; ".join(f"{name} {theirs.get(name)} there, {ours[name]} here" for name in differing)
            say_once(f"versions on the cluster differ ({told}); results may differ")
        self._ask(actor, "begin", self._payload)

    def _begun(self, actor: _Actor, problem: tuple[str, BaseException | None] | None) -> None:
        if problem is not None:
            reason, error = problem
            raise error if isinstance(error, Ml4aError) else BadValue(f"no worker can begin: {reason}")
        actor.has_begun = True
        self._false_starts = 0

    def _seen(self, actor: _Actor, held: int, events: list[progress.Progress]) -> Outcome | None:
        actor.is_looked_at = False
        _tell(events)
        if self._memory is None or held <= self._memory or actor not in self._actors:
            return None
        task = self._forget(actor)
        if task is None:
            if actor.has_begun:
                return None
            raise BadValue(f"no worker can begin: that takes more memory than one may hold, {_gib(self._memory)}")
        reason = f"it took more memory than a worker may hold, {_gib(self._memory)}"
        return Outcome(task.number, task.item, reason=reason)

    def _done(self, actor: _Actor, kind: str, content: Any, events: list[progress.Progress]) -> Outcome:
        task, actor.task = actor.task, None
        assert task is not None
        _tell(events)
        if kind == "done":
            return Outcome(task.number, task.item, content)
        return Outcome(task.number, task.item, reason=content)

    def _lost(self, actor: _Actor, error: Any) -> Outcome | None:
        """What follows from a worker's end."""
        errors = self._ray.exceptions
        if isinstance(error, errors.RayTaskError | errors.RuntimeEnvSetupError) or getattr(
            error, "actor_init_failed", 0
        ):
            raise BadValue(f"no worker can begin: {_last_line(error)}; is the same ml4a installed on all machines?")
        task = self._forget(actor)
        machine_is_lost = "node has died" in str(error)
        if isinstance(error, errors.OutOfMemoryError):
            ending = "its machine had no more memory"
        else:
            ending = "its machine was lost" if machine_is_lost else "its process ended"
        if task is not None:
            return self._waiting.died(task, f"its worker died ({ending})")
        if not actor.has_begun and not machine_is_lost:
            self._false_starts += 1
            if self._false_starts > FALSE_STARTS:
                raise BadValue(_false_start(actor, ending))
        return None

    def _forget(self, actor: _Actor) -> Task | None:
        """Do without a worker; what it was at."""
        self._kill(actor)
        self._actors.remove(actor)
        self._calls = {call: (what, whose) for call, (what, whose) in self._calls.items() if whose is not actor}
        return actor.task

    def _kill(self, actor: _Actor) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):  # it is gone already
            self._ray.kill(actor.handle, no_restart=True)


def _options(gpus: float, memory: int | None) -> dict[str, Any]:
    """How actors are placed and started."""
    variables = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "ML4A_MEMORY": os.environ.get("ML4A_MEMORY", BUDGET)}
    if "ML4A_OFFLINE" in os.environ:
        variables["ML4A_OFFLINE"] = os.environ["ML4A_OFFLINE"]
    if not gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return {
        "num_cpus": 1,
        "num_gpus": gpus,
        "memory": memory,
        "max_restarts": 0,
        "max_task_retries": 0,
        "scheduling_strategy": "SPREAD",
        "concurrency_groups": {"look": 1},
        "runtime_env": {"env_vars": variables},
    }


def _false_start(actor: _Actor, ending: str) -> str:
    if actor.has_place:
        return f"workers die as soon as they begin ({ending})"
    return f"the cluster cannot start workers ({ending}); is RAY_AUTH_MODE the same on all machines?"


def _tell(events: list[progress.Progress]) -> None:
    for event in events:
        progress.report(event.stage, event.done, event.total, event.unit)


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"


def _last_line(error: BaseException) -> str:
    """What an error of Ray, a wall of text, is about."""
    return str(error).strip().splitlines()[-1].strip()[:300]
