"""Where files come from. A source's scheme chooses the function that puts the file into the cache.

A new kind of source is a new module with a function `fetch(file, source, card)`, one line in `FETCH`, and its scheme in
`schema.SCHEMES`. The function returns when the verified file is in the cache (`cache.publish`); it raises

* `DownloadFailed` or `BadWeights` if this source cannot give it: the next one is tried,
* `Offline` before it would open a socket while `ML4A_OFFLINE` is set,
* anything else if no source could help: a full disk, the user's Ctrl-C.

It tells its progress with `progress.report`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ml4a.weights.schema import Card, File

from . import https, local, package

Fetch: TypeAlias = Callable[[File, str, Card], None]

FETCH: dict[str, Fetch] = {
    "file": local.fetch,
    "http": https.fetch,
    "https": https.fetch,
    "package": package.fetch,
}
