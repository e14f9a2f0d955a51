"""`ml4a …`: one verb per task, derived from the models' signatures."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ml4a._core.errors import Cancelled, Ml4aError
from ml4a._core.progress import Interrupted

USAGE_ERROR = 2
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status. An error is one line on standard error."""
    from cyclopts import CycloptsError

    from .adapter import STANDARD_STREAM, shield_streams
    from .app import build

    if sys.stderr is None:  # closed by whoever started us
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be UTF-8
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        with _licences_for_people():
            result = build(tokens)(shield_streams(tokens))
        print(end="", flush=True)  # here and not at exit, where a reader that is gone would be complained about
    except Interrupted as error:
        return _fail(str(error), INTERRUPTED)
    except (KeyboardInterrupt, Cancelled):
        return _fail("stopped", INTERRUPTED)
    except (Ml4aError, CycloptsError) as error:
        return _fail(str(error).replace(STANDARD_STREAM, "-"), USAGE_ERROR)
    except BrokenPipeError:
        # Whoever read our output has had enough (`| head`); closing it again at exit would complain.
        sys.stdout = None  # type: ignore[assignment]
        return 0
    return result if isinstance(result, int) else 0


@contextlib.contextmanager
def _licences_for_people() -> Iterator[None]:
    """Say the licence before a download on a terminal; a program that reads along would take it for an error."""
    licences = logging.getLogger("ml4a.licence")
    before = licences.level
    if not sys.stderr.isatty():
        licences.setLevel(logging.ERROR)
    try:
        yield
    finally:
        licences.setLevel(before)


def _fail(message: str, status: int) -> int:
    print(f"ml4a: {' '.join(message.split())}", file=sys.stderr)
    return status
