"""What a source brings: a file for the cache, or an archive with files for the cache in it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from ml4a._core.errors import BadWeights

from . import cache
from .card_files import cards
from .packed import extract
from .schema import File

_LARGEST_ARCHIVE = 8 << 30


class Parcel:
    """One file, on its way into the cache."""

    def __init__(self, file: File) -> None:
        self.file = file
        """What a source has to transfer; of an archive, size and SHA-256 are not known."""

    def arrived(self) -> bool:
        """Whether nothing has to be transferred (any more), because another process was faster."""
        return cache.find(self.file) is not None

    def open(self, path: Path) -> None:
        """Take in what was transferred to `path`, on the cache's own disk; `path` is gone afterwards.

        Raises:
            BadWeights: it is another file than the card means.
            CannotWrite: the cache cannot be written.
        """
        cache.publish(path, self.file)


class Archive(Parcel):
    """A zip or tar archive, of which only the members that cards name are taken out."""

    def __init__(self, address: str, member: str, wanted: File) -> None:
        name = re.sub(r"[^\w.-]+", "_", address.rpartition("/")[2].partition("?")[0]).strip("._")[-80:]
        super().__init__(File(name or "archive", "archive", (address,), at_most=_LARGEST_ARCHIVE))
        self._address = address
        self._member = member
        self._wanted = wanted

    def arrived(self) -> bool:
        """Whether the wanted member is in the cache."""
        return cache.find(self._wanted) is not None

    def open(self, path: Path) -> None:
        """Take out the wanted member, and what other cards want of this archive: bringing it once is enough for all.

        Raises:
            BadWeights: the archive is broken, or has no such member, or another one than the card means.
            CannotWrite: the cache cannot be written.
        """
        with cache.scratch() as folder:
            try:
                self._extract(path, self._member, self._wanted, folder)
            except BadWeights:
                path.unlink()
                raise
            for member, file in self._others():
                if cache.find(file) is None:
                    # Of no concern to who asked for this one; who asks for that one will be told.
                    with contextlib.suppress(BadWeights):
                        self._extract(path, member, file, folder)
        path.unlink()

    def _extract(self, path: Path, member: str, file: File, folder: Path) -> None:
        temporary = folder / "member"
        temporary.unlink(missing_ok=True)
        extract(path, self.file.name, member, file.limit, temporary)
        cache.publish(temporary, file)

    def _others(self) -> list[tuple[str, File]]:
        return [
            (source.partition("#")[2], file)
            for card in cards().values()
            for variant in card.weights.values()
            for file in variant.files.values()
            for source in file.sources
            if source.startswith(f"{self._address}#")
        ]
