"""From a name such as `hed/bsds` to verified files on this machine."""

from __future__ import annotations

import logging
from pathlib import Path

from ml4a._core import net, progress
from ml4a._core.errors import BadWeights, DownloadFailed, Ml4aError, Offline, UnsafeURL
from ml4a._core.progress import OnProgress

from . import cache, mirrors, sources
from .card_files import notice, resolve
from .schema import Card, File, Weights

licences = logging.getLogger("ml4a.licence")
"""Says the licence before a download; a logger of its own, so that it can be shown or silenced by itself."""


def find(spec: str) -> dict[str, Path] | None:
    """The files of `"model"` or `"model/weights"` by role, if all are in the cache; nothing is downloaded.

    Raises:
        UnknownName: no such model or weights.
    """
    _, variant = resolve(spec)
    return _cached(variant)


def fetch(spec: str, *, on_progress: OnProgress | None = None) -> dict[str, Path]:
    """The files of `"model"` or `"model/weights"` by role, downloaded where they are not in the cache yet, verified.

    The licence is logged (logger `ml4a.licence`) before anything is downloaded.

    Args:
        spec: `"hed"` for the card's default weights, `"hed/bsds"` for these.
        on_progress: Called with `Progress` in bytes while downloading.

    Raises:
        UnknownName: no such model or weights.
        DownloadFailed: no source could give a file; the message has each one's reason.
        Offline: a download is needed, but `ML4A_OFFLINE` is set; the message says where to put which file.
        BadWeights: every source has another file than the card means.
        CannotWrite: the cache's disk is full or read-only.
    """
    about, variant = resolve(spec)
    found = _cached(variant)
    if found is not None:
        return found
    if not net.is_offline():
        licences.warning("%s", notice(about, variant))
    with progress.listening(on_progress):
        try:
            return {role: cache.find(file) or _download(about, variant, role) for role, file in variant.files.items()}
        except Offline:
            raise Offline(_by_hand(about, variant)) from None


def _cached(variant: Weights) -> dict[str, Path] | None:
    found = {role: cache.find(file) for role, file in variant.files.items()}
    return None if None in found.values() else {role: path for role, path in found.items() if path is not None}


def _download(about: Card, variant: Weights, role: str) -> Path:
    """Try one source after the other."""
    file = variant.files[role]
    failures: list[Ml4aError] = []
    reasons = []
    for source in mirrors.read().sources(file):
        try:
            sources.fetch(file, source, about)
        except (DownloadFailed, BadWeights, UnsafeURL) as error:
            failures.append(error)
            where = net.shown(source)
            reasons.append(str(error) if where in str(error) else f"{where}: {error}")
            continue
        path = cache.path_of(file)
        assert path is not None  # it has come, so that its SHA-256 is known
        return path
    offline = next((error for error in failures if isinstance(error, Offline)), None)
    if offline is not None:
        raise offline
    by_hand = _place(file, f"{about.name}/{variant.name}/{role}")
    message = f"cannot get {file.name} ({'; '.join(reasons)}); if you have it, {by_hand}"
    if all(isinstance(error, BadWeights) for error in failures):
        raise BadWeights(message)
    raise DownloadFailed(message)


def _by_hand(about: Card, variant: Weights) -> str:
    spec = f"{about.name}/{variant.name}"
    missing = {role: file for role, file in variant.files.items() if cache.find(file) is None}
    places = "; ".join(_place(file, f"{spec}/{role}") for role, file in missing.items())
    return f"{spec} is not in the cache and ML4A_OFFLINE is set; unset it, or {places}"


def _place(file: File, spec: str) -> str:
    """What to do with a copy of the file that was got by hand."""
    path = cache.path_of(file)
    if path is None:
        return f"hand it over: ml4a weights add {file.name} --as {spec}"
    return f"put {file.name} (SHA-256 {path.parent.name[:12]}…) at {path}"
