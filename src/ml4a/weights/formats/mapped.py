"""A weights file mapped into memory, and errors that name it."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from ..._core.errors import BadWeights, NotFound
from ..._core.files import reason

_HEAD_BYTES = 512
_NOT_WEIGHTS = {
    rb"(?i)\s*<(!doctype|html|head|\?xml)": "it is a web page, not weights; open its address in a browser to see why",
    rb"version https://git-lfs": "it is a git-lfs pointer, not weights; run `git lfs pull` or download the file itself",
}
"""What downloads bring instead of weights, by its first bytes."""


@contextlib.contextmanager
def naming(what: object) -> Iterator[None]:
    """Put `what` in front of every `BadWeights` that is raised inside."""
    try:
        yield
    except BadWeights as error:
        raise type(error)(f"{what}: {error}") from None


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[memoryview]:
    """Map the file at `path`; every `BadWeights` raised inside gets its name in front.

    The map lives as long as any slice of it does, also after the block.

    Raises:
        NotFound: there is no such file.
        BadWeights: it may not be read; or it is empty, a folder, a device or a pipe, a web page or a git-lfs pointer.
    """
    with naming(path):
        data = _map(Path(path))
        for pattern, what in _NOT_WEIGHTS.items():
            if re.match(pattern, data[:_HEAD_BYTES]):
                raise BadWeights(what)
        yield data


def _map(path: Path) -> memoryview:
    try:
        # Asked before opening: opening a pipe would wait for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadWeights("it is a folder, a device or a pipe; name a weights file")
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise BadWeights("the file is empty; download it again")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        raise NotFound(f"there is no weights file {path}") from None
    except OSError as error:
        raise BadWeights(f"the file cannot be read: {reason(error)}") from None
