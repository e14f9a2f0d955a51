"""The errors of ml4a. Each is also the built-in error that Python users expect.

    Ml4aError
    ├── BadValue            a parameter's value is wrong                       (ValueError)
    │   └── UnknownName     no model, style or sample has this name
    ├── NotFound            a file that should be there is not                 (FileNotFoundError)
    ├── OutputExists        the output is there already                        (FileExistsError)
    ├── CannotWrite         the output cannot be written: permission, space    (OSError)
    ├── BadMedia            a picture, film or sound that cannot be read       (ValueError)
    │   └── TooLarge        it would need more than the limit
    ├── UnsafeURL           an address that is refused before it is opened     (ValueError)
    ├── DownloadFailed      every source failed; the reasons are listed        (OSError)
    │   └── Offline         a download is needed, but downloads are off
    ├── BadWeights          a weights file is broken, or is another network's  (ValueError)
    │   └── UnsafeWeights   it asks for code to be run
    ├── MissingExtra        a package is needed that ml4a does not always bring  (ImportError)
    ├── BadPlugin           an installed plug-in that does not work            (ImportError)
    ├── Untrusted           other people's code that nobody has allowed to run (PermissionError)
    ├── ExternalFailed      code of others ended, or failed in its own process (RuntimeError)
    └── Cancelled           the user stopped it

A message says what was wrong with what, and what to do next, in one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Ml4aError(Exception):
    """Base of everything that ml4a raises on purpose."""


class BadValue(Ml4aError, ValueError):
    """A parameter's value is out of bounds or of the wrong kind."""


class UnknownName(BadValue):
    """No model, style, sample or weights of this name; the message suggests the nearest."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
        super().__init__(f"there is no {what} named {name!r}; {hint}")


class NotFound(Ml4aError, FileNotFoundError):
    """A file or folder that should be there is not."""


class OutputExists(Ml4aError, FileExistsError):
    """The output exists and may not be overwritten."""


class CannotWrite(Ml4aError, OSError):
    """The output cannot be written."""


class BadMedia(Ml4aError, ValueError):
    """A picture, film or sound that cannot be read."""


class TooLarge(BadMedia):
    """Reading or computing it would take more than the limit."""


class UnsafeURL(Ml4aError, ValueError):
    """An address that is refused before it is opened."""


class DownloadFailed(Ml4aError, OSError):
    """No source could deliver the file; the message gives each source's reason."""


class Offline(DownloadFailed):
    """A download is needed, but `ML4A_OFFLINE` is set."""


class BadWeights(Ml4aError, ValueError):
    """A weights file that is broken or belongs to another network."""


class UnsafeWeights(BadWeights):
    """A weights file that asks for code to be run. Nothing was run."""


class MissingExtra(Ml4aError, ImportError):
    """A package that only an extra of ml4a installs; the message says which."""


class Untrusted(Ml4aError, PermissionError):
    """Other people's code that the user has not allowed to run. Nothing of it was run."""


class ExternalFailed(Ml4aError, RuntimeError):
    """Code of others failed, or took its process down; this process is unharmed.

    Attributes:
        type: The name of the error that it raised; empty if its process ended.
        traceback: The last lines of that error's traceback.
        output: The last of what the process had printed.
    """

    def __init__(self, message: str, *, type: str = "", traceback: str = "", output: str = "") -> None:
        super().__init__(message)
        self.type = type
        self.traceback = traceback
        self.output = output


class BadPlugin(Ml4aError, ImportError):
    """A plug-in that cannot be imported, or whose model is none; the message says whose it is."""


class Cancelled(Ml4aError):
    """The user stopped the work."""
