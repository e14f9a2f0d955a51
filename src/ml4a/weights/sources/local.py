"""`file:/PATH`: a file on this machine, or on a disk that it sees."""

from __future__ import annotations

from pathlib import Path

from ml4a._core.errors import DownloadFailed
from ml4a._core.files import reason
from ml4a.weights import cache
from ml4a.weights.parcel import Parcel
from ml4a.weights.schema import Card


def fetch(parcel: Parcel, source: str, card: Card) -> None:  # all sources have the same parameters
    """Copy the file into the cache.

    Raises:
        DownloadFailed: it cannot be read.
        BadWeights: it is another file.
        CannotWrite: the cache cannot be written.
    """
    path = Path(source.removeprefix("file:")).expanduser()
    if not path.is_absolute():
        raise DownloadFailed(f"{path} is not a full path")
    take(path, parcel)


def take(path: Path, parcel: Parcel) -> None:
    """Copy `path`, which should be what the parcel is to hold, and have the copy taken in.

    Raises:
        DownloadFailed: it cannot be read.
        BadWeights: it is another file.
        CannotWrite: the cache cannot be written.
    """
    if not path.is_file():  # a folder, or a pipe that would never end
        raise DownloadFailed(f"{path} is not a file")
    try:
        opened = path.open("rb")
    except OSError as error:
        raise DownloadFailed(f"{path} cannot be read: {reason(error)}") from None
    with opened, cache.scratch() as folder:
        cache.copy(opened, folder / "copy", parcel.file.limit)
        parcel.open(folder / "copy")
