"""Checkouts of git repositories in the cache, at `<cache>/external/<name>-<hash of the address>/<commit>`.

A checkout is fetched beside its place, compared with what the commit says, and renamed: it is whole or not there. From
then on neither git nor a network is needed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ml4a._core import limits, net, paths
from ml4a._core.errors import BadValue, CannotWrite, DownloadFailed, Ml4aError, Offline, TooLarge
from ml4a._core.files import reason
from ml4a.weights.owner import owned

from . import _manifest
from ._git import Git, GitFailed, plain
from ._source import Source, is_commit

_ABANDONED = 24 * 3600.0  # seconds
_ATTRIBUTES = "* -text -ident !eol !filter !working-tree-encoding\n"
"""Files are to be the very bytes of the commit, whatever the repository would have made of them."""
_SUBMODULE = "160000"
"""What git calls the mode of a commit of another repository."""


def root() -> Path:
    """The folder of all checkouts; it may not exist yet."""
    return paths.cache_dir() / "external"


def path_of(source: Source, commit: str, *, submodules: bool = False) -> Path:
    """Where a checkout lies, or would lie."""
    return folder_of(source) / (commit + "-with-submodules" * submodules)


def folder_of(source: Source) -> Path:
    """The folder of the checkouts of one address."""
    return root() / source.key


def resolve(source: Source) -> str:
    """The commit that a repository shows for a branch, a tag or, without a revision, first.

    Raises:
        BadValue: it has no such branch or tag.
        DownloadFailed: the repository cannot be reached, or is not there.
        Offline: `ML4A_OFFLINE` is set.
        MissingExtra: git is not installed.
    """
    if source.commit:
        return source.commit
    _refuse_offline(source)
    with _scratch(root()) as scratch:
        git = Git(scratch, source.protocols, f"asking {source.text}")
        names = _ways_to_say(source.revision)
        with _failing(source):
            answer = git("ls-remote", "--", source.address, *names)
    found = {name: digest for digest, _, name in (line.partition("\t") for line in answer.splitlines())}
    commit = next((found[name] for name in names if name in found), "")
    if is_commit(commit):
        return commit
    if not source.revision:
        raise DownloadFailed(f"{source.text} is an empty repository")
    hint = " (a commit is written with all its 40 digits)" if _is_start_of_commit(source.revision) else ""
    raise BadValue(f"{source.text}: there is no branch or tag {source.revision!r}{hint}")


def checkout(source: Source, commit: str, *, submodules: bool = False) -> Path:
    """The folder of a repository at a commit, unchanged since it was fetched, which is done where it is missing.

    Raises:
        Untrusted: it has been changed; the message names the file.
        DownloadFailed: it cannot be fetched, or is not what the commit says.
        TooLarge: it has more bytes or files than are accepted.
        Offline: it must be fetched, but `ML4A_OFFLINE` is set.
        CannotWrite: the disk is full or read-only.
        MissingExtra: git is not installed.
    """
    place = path_of(source, commit, submodules=submodules)
    if not place.is_dir():
        _refuse_offline(source)
        with _writing():
            place.parent.mkdir(parents=True, exist_ok=True)
        with owned(place.with_name(f"{place.name}.owner"), f"waiting for {source.text}") as beat:
            if not place.is_dir():  # another process has brought it meanwhile
                _clear(place)
                _fetch(source, commit, place, submodules, beat)
    _manifest.verify(place, commit)
    return place


def remove(source: Source, keep: set[Path]) -> None:
    """Delete the checkouts of an address, those of former commits included, apart from some.

    Raises:
        CannotWrite: the cache cannot be written.
    """
    for place in folder_of(source).glob("[0-9a-f]*"):
        if place.is_dir() and place not in keep:
            away = place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp")
            with _writing():
                place.rename(away)  # so that nobody takes it for whole while it is being deleted
            _delete(away)
    with contextlib.suppress(OSError):
        folder_of(source).rmdir()


def _fetch(source: Source, commit: str, place: Path, submodules: bool, beat: Callable[[], None]) -> None:
    with _scratch(place.parent, f".{place.name}.") as scratch, _writing():
        git = Git(scratch, source.protocols, f"fetching {source.text}", beat)
        git("init", "--quiet", "--template=", "--object-format=sha1", "tree")
        info = git.tree / ".git" / "info"
        info.mkdir(exist_ok=True)
        (info / "attributes").write_text(_ATTRIBUTES, encoding="ascii")
        with _failing(source):
            _bring(git, source.address, commit)
            listed = _listed(source, git("ls-tree", "-r", "-l", "-z", commit))
            git("checkout", "--quiet", "--force", "--detach", commit)
            if submodules:
                git("remote", "add", "origin", source.address)  # which their addresses may be relative to
                git("submodule", "update", "--init", "--recursive", "--depth=1", "--progress")
                _check_submodules(git("submodule", "status", "--recursive"))
        manifest = _manifest.take(git.tree, commit, submodules=submodules)
        _compare(source, manifest, listed, submodules)
        _refuse_stray_links(source, git.tree)
        _manifest.write(git.tree, manifest)
        try:
            git.tree.rename(place)
        except OSError:
            if not place.is_dir():  # another process, which was faster, has the same
                raise


def _bring(git: Git, address: str, commit: str) -> None:
    """Fetch one commit alone or, from a server that does not give single commits, everything."""
    try:
        git("fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--depth=1", "--", address, commit)
    except GitFailed as error:
        if error.hopeless:
            raise
        branches_and_tags = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        git("fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--", address, *branches_and_tags)
        try:
            git("cat-file", "-e", f"{commit}^{{commit}}")
        except GitFailed:
            raise DownloadFailed(f"no branch or tag holds a commit {commit}") from None


def _listed(source: Source, listing: str) -> dict[str, tuple[str, str]]:
    """What a commit consists of, before any of it is written: mode and hash by path."""
    files, total = {}, 0
    for line in listing.split("\0")[:-1]:
        about, _, name = line.partition("\t")
        mode, _, digest, size = about.split()
        total += int(size) if size.isdigit() else 0
        files[name] = (mode, digest)
    if total > limits.REPOSITORY_BYTES or len(files) > limits.REPOSITORY_FILES:
        raise TooLarge(
            f"{source.text} has {len(files)} files of {total / 1e9:.1f} GB; up to {limits.REPOSITORY_FILES} files and "
            f"{limits.REPOSITORY_BYTES / 1e9:.1f} GB are fetched"
        )
    return files


def _compare(
    source: Source, manifest: _manifest.Manifest, listed: dict[str, tuple[str, str]], submodules: bool
) -> None:
    """Make sure that every file is there, with the content that the commit says, and no other."""
    expected = {name: digest for name, (mode, digest) in listed.items() if mode != _SUBMODULE}
    beyond = tuple(f"{name}/" for name, (mode, _) in listed.items() if mode == _SUBMODULE and submodules)
    for name, digest in expected.items():
        there = manifest.files.get(name)
        if there is None or there[2] != digest:
            raise DownloadFailed(
                f"{source.text}: {plain(name)} cannot be written here as it is in the repository; two names that "
                "differ in case alone, or a name that this system does not know, do that"
            )
    for name in manifest.files.keys() - expected.keys():
        if not name.startswith(beyond or ("\0",)):
            raise DownloadFailed(f"{source.text}: {plain(name)} is not in the commit, yet has come")


def _check_submodules(status: str) -> None:
    for line in status.splitlines():
        if not line.startswith(" "):
            raise DownloadFailed(f"a submodule is not at the commit that the repository names: {plain(line)}")


def _refuse_stray_links(source: Source, tree: Path) -> None:
    """Refuse links that lead out of the checkout, or to git's own files in it."""
    inside = tree.resolve()
    for name, _ in _manifest.scan(tree):
        path = tree / name
        if path.is_symlink():
            target = Path(os.path.realpath(path))
            if not target.is_relative_to(inside) or ".git" in target.relative_to(inside).parts:
                raise DownloadFailed(f"{source.text}: {plain(name)} is a link that leads out of the repository")


def _ways_to_say(revision: str) -> list[str]:
    """The names that a revision may have on the other side, the best first, as git itself has it."""
    if not revision:
        return ["HEAD"]
    if revision.startswith("refs/"):
        return [f"{revision}^{{}}", revision]
    return [f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}", f"refs/heads/{revision}"]


def _is_start_of_commit(revision: str) -> bool:
    return len(revision) >= 4 and not revision.strip("0123456789abcdef")


def _refuse_offline(source: Source) -> None:
    if net.is_offline():
        raise Offline(
            f"{source.text} is not in the cache and ML4A_OFFLINE is set; unset it, or give the folder of a copy"
        )


@contextlib.contextmanager
def _failing(source: Source) -> Iterator[None]:
    """Say of which repository git's complaint is."""
    try:
        yield
    except DownloadFailed as error:
        raise DownloadFailed(f"{source.text} cannot be fetched: {error}") from None


@contextlib.contextmanager
def _scratch(folder: Path, prefix: str = ".") -> Iterator[Path]:
    """A new folder below `folder`, gone afterwards."""
    path = folder / f"{prefix}{secrets.token_hex(6)}.tmp"
    with _writing():
        path.mkdir(parents=True)
        _sweep(folder)
    try:
        yield path
    finally:
        _delete(path)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left, long enough ago that it is nobody's."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                _delete(path)


def _clear(place: Path) -> None:
    """Remove what others have left of this very checkout; whoever owns it is the only one who may be fetching it."""
    for path in place.parent.glob(f".{place.name}.*.tmp"):
        _delete(path)


def _delete(folder: Path) -> None:
    def make_writable(function: Callable[[str], object], path: str, _: object) -> None:
        with contextlib.suppress(OSError):  # git writes its objects read-only, which some systems do not delete
            Path(path).chmod(0o700)
            function(path)

    shutil.rmtree(folder, onerror=make_writable)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Say in one line why the cache cannot be written."""
    try:
        yield
    except Ml4aError:  # some of them are OSErrors, and say already what is wrong
        raise
    except OSError as error:
        raise CannotWrite(
            f"cannot write to the cache {root()}: {reason(error)}; ML4A_HOME=FOLDER puts it elsewhere"
        ) from None
