"""`ml4a …`: one verb per task, derived from the models' signatures."""

from __future__ import annotations

import logging
import sys

from ml4a._core.errors import Cancelled, Ml4aError

USAGE_ERROR = 2
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status. An error is one line on standard error."""
    from cyclopts import CycloptsError

    from .adapter import STANDARD_STREAM, shield_streams
    from .app import build

    if not sys.stderr.isatty():
        # A program reads along, to whom the licences that precede a download would look like an error.
        logging.getLogger("ml4a.licence").setLevel(logging.ERROR)
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        result = build(tokens)(shield_streams(tokens))
    except (KeyboardInterrupt, Cancelled):
        return _fail("stopped", INTERRUPTED)
    except (Ml4aError, CycloptsError) as error:
        return _fail(str(error).replace(STANDARD_STREAM, "-"), USAGE_ERROR)
    except BrokenPipeError:
        # Whoever read our output has had enough (`| head`); closing it again at exit would complain.
        sys.stdout = None  # type: ignore[assignment]
        return 0
    return result if isinstance(result, int) else 0


def _fail(message: str, status: int) -> int:
    print(f"ml4a: {' '.join(message.split())}", file=sys.stderr)
    return status
