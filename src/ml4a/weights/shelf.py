"""All weights at once: which there are, which are in the cache, whether they are sound, and out with them."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ml4a._core import progress
from ml4a._core.files import reason
from ml4a._core.progress import OnProgress

from . import cache, stamp
from .card_files import cards, resolve
from .schema import Card, File, Weights

_BLOCK = 1 << 20
_MOST_THREADS = 4
_POLL = 0.05
_ABANDONED = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Item:
    """One set of weights."""

    card: Card
    weights: Weights
    here: int
    """Bytes of it in the cache."""
    complete: bool
    """Whether all of it is there."""

    @property
    def spec(self) -> str:
        """`"model/weights"`, as `weights.fetch` takes it."""
        return f"{self.card.name}/{self.weights.name}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found out about one file in the cache."""

    path: Path
    specs: tuple[str, ...]
    """`"model/weights/role"` of each card that means it; none if no card does any more."""
    size: int
    """In bytes."""
    problem: str
    """What is wrong with it; empty if it is sound."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What would be removed; `run` does it."""

    files: tuple[Path, ...]
    size: int
    """Bytes that this makes free."""
    shared: tuple[str, ...]
    """Files that stay, because other weights in the cache need them: `"vgg19.pth (deepdream/default)"`."""

    def run(self) -> None:
        """Remove the files.

        Raises:
            CannotWrite: the cache cannot be written, or a file is in use.
        """
        for path in self.files:
            cache.discard(path)


def inventory() -> list[Item]:
    """All weights of all cards, and how much of them is in the cache. Nothing is hashed or downloaded."""
    items = []
    for card in cards().values():
        for weights in card.weights.values():
            sizes = [_size(file) for file in weights.files.values()]
            items.append(Item(card, weights, sum(sizes), all(sizes)))
    return items


def verify(spec: str = "", *, on_progress: OnProgress | None = None) -> list[Verdict]:
    """Hash files in the cache, and the copies made of them, from the first byte to the last, several at once.

    A damaged one is not used again: the next `find` or `fetch` removes it. A damaged copy is removed at once.

    Args:
        spec: `"model"` for all of a model's weights, `"model/weights"` for these; by default everything in the cache.
        on_progress: Called with `Progress` in bytes.

    Raises:
        UnknownName: no such model or weights.
    """
    if spec:
        files = [file for _, weights in _chosen(spec) for file in weights.files.values()]
        chosen = [path for file in files if (path := cache.path_of(file)) and path.is_file()]
    else:
        chosen = cache.stored()
    copies = {} if spec else {path: stamp.sha256_of(path) for path in _copies()}
    named = _specs()
    with progress.listening(on_progress):
        digests = _digests([*chosen, *copies])
    verdicts = []
    for path, digest in digests.items():
        problem = _problem(path, digest, copies.get(path, path.parent.name))
        verdicts.append(Verdict(path, named.get(path.parent.name, ()), _bytes([path]), problem))
        if problem and path in copies:
            cache.discard(path)
        elif problem:
            cache.distrust(path)
    return verdicts


def removal(*specs: str, unused: bool = False, everything: bool = False) -> Removal:
    """What there is to remove.

    Args:
        specs: `"model"` for all of a model's weights, `"model/weights"` for these.
        unused: What no card means (any more), and what broken downloads have left more than a day ago.
        everything: The whole cache of weights.

    Raises:
        UnknownName: no such model or weights.
    """
    stored = cache.stored()
    if everything:
        leftovers = [path for path in _leftovers() if path.is_file()]
        return _removal([*stored, *leftovers, *_copies()], [])
    going: set[Path] = set()
    shared: list[str] = []
    if specs:
        leaving = {(about.name, weights.name): weights for spec in specs for about, weights in _chosen(spec)}
        needed = _needed_by_others(leaving)
        for weights in leaving.values():
            for file in weights.files.values():
                path = cache.path_of(file)
                if path in needed:
                    shared.append(f"{file.name} ({needed[path]})")
                elif path is not None and path.is_file():
                    going.add(path)
    if unused:
        named = _specs()
        going |= {path for path in stored if path.parent.name not in named}
        going |= {path for path in _leftovers() if path.is_file() and time.time() - path.stat().st_mtime > _ABANDONED}
    left = {path.parent.name for path in stored if path not in going}
    gone = {path.parent.name for path in going}
    for copy in _copies():
        sources = set(copy.stem.split("-"))
        if sources & gone or (unused and not sources <= left):
            going.add(copy)
    return _removal(going, shared)


def _removal(files: Iterable[Path], shared: Iterable[str]) -> Removal:
    unique = tuple(sorted(set(files)))
    return Removal(unique, _bytes(unique), tuple(dict.fromkeys(shared)))


def _chosen(spec: str) -> list[tuple[Card, Weights]]:
    about, weights = resolve(spec)
    return [(about, weights)] if "/" in spec else [(about, each) for each in about.weights.values()]


def _needed_by_others(leaving: Iterable[tuple[str, str]]) -> dict[Path, str]:
    """Files of complete weights that are not to go, and whose they are."""
    going = set(leaving)
    return {
        path: item.spec
        for item in inventory()
        if item.complete and (item.card.name, item.weights.name) not in going
        for file in item.weights.files.values()
        if (path := cache.path_of(file)) is not None
    }


def _size(file: File) -> int:
    path = cache.path_of(file)
    return _bytes([path]) if path is not None else 0


def _bytes(files: Iterable[Path]) -> int:
    total = 0
    for path in files:
        try:
            total += path.stat().st_size
        except OSError:  # gone meanwhile, or never there
            continue
    return total


def _specs() -> dict[str, tuple[str, ...]]:
    """`"model/weights/role"` of each file that a card means, by SHA-256."""
    named: dict[str, tuple[str, ...]] = {}
    for card in cards().values():
        for weights in card.weights.values():
            for role, file in weights.files.items():
                if file.sha256:
                    named[file.sha256] = (*named.get(file.sha256, ()), f"{card.name}/{weights.name}/{role}")
    return named


def _leftovers() -> list[Path]:
    """What downloads that were broken off, or are under way, keep beside the files."""
    return [path for ending in ("part", "version", "owner") for path in cache.root().glob(f"*.{ending}")]


def _copies() -> list[Path]:
    """The copies in another format, named by the SHA-256 of each file that they were made of."""
    from . import converted  # it needs NumPy, which the command line can do without

    return converted.copies()


def _problem(path: Path, digest: str | OSError, expected: str) -> str:
    if isinstance(digest, OSError):
        return f"{path.name} cannot be read: {reason(digest)}"
    return "" if digest == expected else cache.wrong_hash(path.name, digest, expected)


def _digests(files: list[Path]) -> dict[Path, str | OSError]:
    """SHA-256 of each file. Hashing lets other threads run, and disks like several readers."""
    total = _bytes(files)
    done = 0
    lock = threading.Lock()
    stop = threading.Event()

    def digest(path: Path) -> str | OSError:
        nonlocal done
        hasher = hashlib.sha256()
        buffer = memoryview(bytearray(_BLOCK))
        try:
            with path.open("rb", buffering=0) as file:
                while not stop.is_set() and (count := file.readinto(buffer)):
                    hasher.update(buffer[:count])
                    with lock:
                        done += count
        except OSError as error:
            return error
        return hasher.hexdigest()

    with concurrent.futures.ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        tasks = {path: pool.submit(digest, path) for path in files}
        try:
            waiting = set(tasks.values())
            while waiting:
                waiting = concurrent.futures.wait(waiting, _POLL).not_done
                progress.report("verifying", done, total, "B")
        except BaseException:  # stopped by the user: what is under way ends soon
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return {path: task.result() for path, task in tasks.items()}
