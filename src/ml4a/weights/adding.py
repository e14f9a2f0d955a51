"""Files that the user got by hand, put where a download would have put them."""

from __future__ import annotations

import os
from pathlib import Path

from ml4a._core import progress
from ml4a._core.errors import BadValue, BadWeights, DownloadFailed, NotFound
from ml4a._core.progress import OnProgress

from . import cache
from .card_files import cards, resolve
from .packed import extract
from .parcel import Archive, Parcel
from .schema import File
from .sources import local


def add(path: str | os.PathLike[str], spec: str = "", *, on_progress: OnProgress | None = None) -> list[str]:
    """Copy a weights file into the cache.

    Args:
        path: The file, or the archive that its card says it comes in. It stays where it is.
        spec: `"model/weights/role"` (or less, if that is clear) says what it is; it must be given where no card knows
            the file's SHA-256, which is then held to from now on. By default it is looked for by SHA-256 on all cards.
        on_progress: Called with `Progress`.

    Returns:
        `"model/weights/role"` of each place that the file has on a card.

    Raises:
        NotFound: there is no such file.
        UnknownName: no such model or weights.
        BadValue: the spec could mean several files.
        BadWeights: it is another file than `spec` means, or no card knows it.
        CannotWrite: the cache's disk is full or read-only.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise NotFound(f"there is no file {path}")
    if not path.is_file():
        raise BadWeights(f"{path} is not a file; name a weights file")
    with progress.listening(on_progress):
        progress.report(f"reading {path.name}", 0, path.stat().st_size, "B")
        places = _meant(spec) if spec else _known(path)
        for file in places.values():
            if cache.find(file) is None:
                _take(path, file)
    return list(places)


def _meant(spec: str) -> dict[str, File]:
    """The one file that `spec` means, by its full spec."""
    name, variant, role = (*spec.split("/"), "", "")[:3]
    about, weights = resolve(f"{name}/{variant}" if variant else name)
    if not role and len(weights.files) == 1:
        (role,) = weights.files
    if role not in weights.files or spec.count("/") > 2:
        choice = ", ".join(f"{about.name}/{weights.name}/{each}" for each in weights.files)
        raise BadValue(f"{spec} does not say which file is meant; say one of {choice}")
    return {f"{about.name}/{weights.name}/{role}": weights.files[role]}


def _known(path: Path) -> dict[str, File]:
    """Every place that a file has on a card, by its content."""
    sha256 = cache.sha256_of(path)
    places = {
        f"{card.name}/{weights.name}/{role}": file
        for card in cards().values()
        for weights in card.weights.values()
        for role, file in weights.files.items()
        if file.sha256 == sha256
    }
    if not places:
        raise BadWeights(
            f"{path} (SHA-256 {sha256[:12]}…) is on no card; if you know what it is, say so: "
            f"ml4a weights add {path.name} --as MODEL/WEIGHTS/ROLE"
        )
    return places


def _take(path: Path, file: File) -> None:
    """Take in the file, or the archive that a source of it says that it comes in."""
    parcel = Parcel(file)
    for source in file.sources:
        address, _, member = source.partition("#")
        if member and not source.startswith("package:") and _holds(path, member):
            parcel = Archive(address, member, file)
            break
    try:
        local.take(path, parcel)
    except DownloadFailed as error:
        raise BadWeights(str(error)) from None


def _holds(path: Path, member: str) -> bool:
    with cache.scratch() as folder:
        try:
            extract(path, path.name, member, 0, folder / "first byte")
        except BadWeights:
            return False
    return True
