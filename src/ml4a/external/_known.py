"""Which repositories there are: getting them, adding them, listing them, removing them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from ml4a._core import progress
from ml4a._core.errors import BadValue, CannotWrite, Ml4aError, NotFound
from ml4a._core.files import reason
from ml4a._core.progress import OnProgress
from ml4a.weights.owner import owned

from . import _checkout, _source, _trust
from ._repository import Repository
from ._source import Source
from ._trust import Entry

log = logging.getLogger("ml4a")


def repository(
    source: str, *, trust: bool = False, submodules: bool = False, on_progress: OnProgress | None = None
) -> Repository:
    """Other people's code, from where they publish it: fetched once, kept to one commit, usable without a network.

        network = external.repository("github:OWNER/NAME@COMMIT", trust=True).load("resnet", pretrained=False)

    Fetching runs nothing of it. What `load` and `import_module` run has all rights that you have: it can read and
    change your files and use the network. So each commit must be allowed once, here by `trust` or on the command line
    by `ml4a external add`; the commit that somebody publishes next has to be allowed again.

    Args:
        source: `github:OWNER/NAME@COMMIT`; an https or ssh address that git knows, with `@COMMIT`; the folder of a
            source tree, which is used where it is; or a name that `ml4a external list` shows. In place of a commit's
            forty digits there may be a tag, a branch or nothing: the commit that this means at first is kept to, until
            `add` is told to update it.
        trust: Allow its code to run. That is recorded, for this commit or this folder.
        submodules: Fetch the repositories that it has in itself, too.
        on_progress: Called with `Progress` in bytes while fetching.

    Raises:
        Untrusted: nobody has allowed it; the message says how. Or a file of it was changed after it was fetched.
        BadValue: `source` is nothing of the above, or has no such branch or tag.
        UnsafeURL: the address is refused.
        NotFound: there is no such folder.
        DownloadFailed: it cannot be fetched; the message has git's own reason.
        Offline: it must be fetched, but `ML4A_OFFLINE` is set.
        TooLarge: it has more bytes or files than are accepted.
        MissingExtra: git is not installed.
        CannotWrite: the cache or the settings cannot be written.
    """
    with progress.listening(on_progress):
        meant, entry = _meant(source, submodules)
        if entry is None or (trust and not _trust.is_trusted(entry)):
            found = _recorded(meant, trust=trust, submodules=submodules if entry is None else entry.submodules)
        else:
            found = _opened(meant, entry)
    found.require_trust()
    return found


def add(
    source: str,
    *,
    name: str = "",
    trust: bool = False,
    update: bool = False,
    submodules: bool = False,
    on_progress: OnProgress | None = None,
) -> Repository:
    """Fetch a repository and make it known under a name, without asking for trust: so it can be looked at.

    Args:
        source: See `repository`.
        name: What it is to be called; by default as its folder, or as it is called already.
        trust: Allow its code to run.
        update: Take the commit that its branch or tag means today; it has to be allowed anew if it is another one.
        submodules: See `repository`.
        on_progress: See `repository`.

    Raises:
        OutputExists: another repository has that name.
        Ml4aError: as `repository` does.
    """
    if name and not _trust.is_name(name):
        raise BadValue(f"{name!r} is no name for a repository; letters, digits, points and hyphens are")
    with progress.listening(on_progress):
        meant, entry = _meant(source, submodules)
        if entry is not None:
            submodules = entry.submodules
            if name in ("", entry.name) and not update and (not trust or _trust.is_trusted(entry)):
                return _opened(meant, entry)  # nothing is to be written, which may be impossible
        return _recorded(meant, name, trust=trust, update=update, submodules=submodules)


def known() -> list[Repository]:
    """The repositories that were added, by name, as they are recorded; nothing is fetched or looked into."""
    found = []
    for entry in _trust.entries():
        try:
            source = _source_of(entry)
            found.append(Repository(source, _place(source, entry), entry))
        except Ml4aError as error:
            log.warning("left out: %s: %s", entry.name, error)
    return found


def remove(name: str) -> None:
    """Forget a repository, that it was trusted, and its checkouts in the cache. A folder of your own stays.

    Args:
        name: As `ml4a external list` shows it; or a source.

    Raises:
        BadValue: it is not known.
        CannotWrite: the cache or the settings cannot be written.
    """
    if _trust.exists(name):
        try:
            entry = _trust.read(name)
            source = _source_of(entry)
        except Ml4aError as error:
            _trust.delete(name)
            log.warning("%s; the record is gone now, and its checkout, if any, is below %s", error, _checkout.root())
            return
    else:
        source, _ = _meant(name, submodules=False)
        entry = _trust.find(source) or _trust.find(source, submodules=True)
    if entry is None:
        raise BadValue(f"{name} was not added, so that there is nothing to remove")
    _trust.delete(entry.name)
    if entry.commit:
        others = (other for other in known() if other.path.parent == _checkout.folder_of(source))
        _checkout.remove(source, {other.path for other in others})


def reopened(source: str, submodules: bool) -> Repository:
    """A repository that was pickled, by what it was; nothing is trusted by it."""
    meant, entry = _meant(source, submodules)
    return _recorded(meant, submodules=submodules) if entry is None else _opened(meant, entry)


def _meant(text: str, submodules: bool) -> tuple[Source, Entry | None]:
    """What `text`, a name or a source, means, and what is recorded of it."""
    if _trust.exists(text):
        entry = _trust.read(text)
        return _source_of(entry), entry
    if _trust.is_name(text) and not Path(text).is_dir():
        _trust.read(text)  # says what it could have been
    source = _source.parse(text)
    return source, _trust.find(source, submodules=submodules)


def _source_of(entry: Entry) -> Source:
    """Where an entry comes from.

    Raises:
        BadValue: somebody has changed the record, so that it makes no sense.
    """
    if not entry.commit:
        return Source(entry.source, entry.name, folder=Path(entry.source))
    source = _source.parse(entry.source)
    if source.text != entry.source or source.folder or source.commit not in ("", entry.commit):
        raise BadValue(f"what is recorded of {entry.name} makes no sense; ml4a external remove {entry.name} forgets it")
    return source


def _recorded(
    source: Source, name: str = "", *, trust: bool = False, update: bool = False, submodules: bool = False
) -> Repository:
    """Fetch what is not here, and keep to it from now on."""
    before = _trust.find(source, submodules=submodules)
    if before is not None and not update:
        commit = before.commit
    else:
        commit = "" if source.folder is not None else _checkout.resolve(source)
    if commit:
        _checkout.checkout(source, commit, submodules=submodules)
    with _alone(source):
        old = _trust.find(source, submodules=submodules)
        if old is not None and not update:  # perhaps another process has recorded it meanwhile
            commit = old.commit
        kept = old is not None and old.commit == commit
        called = name or (old.name if old is not None else source.name)
        entry = Entry(called, source.text, commit, submodules, trust or (kept and old is not None and old.trusted))
        if old is not None and old.name == called:
            _trust.replace(entry)
        else:
            entry = _trust.create(entry, exact=bool(name))
            if old is not None:
                _trust.delete(old.name)
    if commit and not source.commit and not kept:
        log.warning("%s is pinned to commit %s", source.text, commit)
    return _opened(source, entry)


@contextlib.contextmanager
def _alone(source: Source) -> Iterator[None]:
    """Let no other process record the same source at the same time."""
    root = _checkout.root()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot write to the cache {root}: {reason(error)}") from None
    with owned(root / f"{source.key}.owner", f"waiting for {source.text}"):
        yield


def _opened(source: Source, entry: Entry) -> Repository:
    if source.folder is not None:
        if not source.folder.is_dir():
            raise NotFound(f"the folder of {entry.name}, {source.folder}, is gone; ml4a external remove {entry.name}")
    else:
        _checkout.checkout(source, entry.commit, submodules=entry.submodules)
    return Repository(source, _place(source, entry), entry)


def _place(source: Source, entry: Entry) -> Path:
    return source.folder or _checkout.path_of(source, entry.commit, submodules=entry.submodules)
