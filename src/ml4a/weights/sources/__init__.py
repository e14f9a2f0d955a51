"""Where files come from. A source's scheme chooses the function that brings the file.

A new kind of source is a new module with a function `fetch(parcel, source, card)`, one line in `FETCH`, and its scheme
in `schema.SCHEMES`. The function transfers `parcel.file` and hands it over with `parcel.open`; it raises

* `DownloadFailed` or `BadWeights` if this source cannot give it: the next one is tried,
* `Offline` before it would open a socket while `ML4A_OFFLINE` is set,
* anything else if no source could help: a full disk, the user's Ctrl-C.

It tells its progress with `progress.report`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ml4a.weights.parcel import Archive, Parcel
from ml4a.weights.schema import Card, File

from . import google_drive, https, hugging_face, local, package

Fetch: TypeAlias = Callable[[Parcel, str, Card], None]

FETCH: dict[str, Fetch] = {
    "file": local.fetch,
    "gdrive": google_drive.fetch,
    "hf": hugging_face.fetch,
    "http": https.fetch,
    "https": https.fetch,
    "package": package.fetch,
}


def fetch(file: File, source: str, card: Card) -> None:
    """Bring `file` into the cache from one of its sources.

    Raises:
        DownloadFailed: it cannot be had there.
        BadWeights: it is another file than the card means.
        CannotWrite: the disk is full or read-only.
        Offline: a download is needed, but `ML4A_OFFLINE` is set.
    """
    scheme = source.partition(":")[0]
    address, _, member = source.partition("#")
    if member and scheme != "package":
        FETCH[scheme](Archive(address, member, file), address, card)
    else:
        FETCH[scheme](Parcel(file), source, card)
