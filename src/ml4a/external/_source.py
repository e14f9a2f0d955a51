"""How users write where a repository is: `github:OWNER/NAME@REVISION`, a git address, or a folder."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from ml4a._core import net
from ml4a._core.errors import BadValue, NotFound, UnsafeURL
from ml4a._core.files import is_folder

_GITHUB = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,38})/([A-Za-z0-9._-]{1,100})")
_SECURE_SHELL = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9][A-Za-z0-9.-]*:(?![/\\]*-)[^:\s]+")
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_+/#-]|\.(?!\.)){0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LONGEST = 2000
_FORMS = "github:OWNER/NAME@COMMIT, an https or ssh address of git with @COMMIT, or a folder"


@dataclass(frozen=True, slots=True)
class Source:
    """A repository of git at a revision, or a folder that is used where it is."""

    text: str
    """The same for all ways to write it; what is recorded."""
    name: str
    """What it is called, unless the user says otherwise."""
    address: str = ""
    """What git is given; empty for a folder."""
    revision: str = ""
    """A commit of forty digits, a tag or a branch; empty is whatever the repository shows first."""
    folder: Path | None = None
    """The folder that is used where it is."""
    protocols: tuple[str, ...] = ()
    """What git may speak in order to get it."""

    @property
    def commit(self) -> str:
        """The commit, if the revision is one in full."""
        return self.revision if is_commit(self.revision) else ""

    @property
    def key(self) -> str:
        """Names its folder in the cache: no two addresses share one, also where letters' case does not count."""
        return f"{self.name}-{hashlib.sha256(self.address.encode()).hexdigest()[:12]}"


def is_commit(text: str) -> bool:
    """Whether it is a commit's name in full: forty hexadecimal digits."""
    return _COMMIT.fullmatch(text) is not None


def parse(text: str) -> Source:
    """What `text` means.

    Raises:
        BadValue: it is nothing that names a repository.
        UnsafeURL: it is an address that is refused.
        NotFound: there is no such folder.
    """
    if not text or len(text) > _LONGEST or not text.isprintable() or text.startswith("-"):
        raise BadValue(f"{net.shown(text)!r} names no repository; it may be {_FORMS}")
    if text.startswith("github:"):
        path, revision = _split(text.removeprefix("github:"))
        return _github(path, revision)
    address = text.removeprefix("git+")
    scheme, is_url, rest = address.partition("://")
    if is_url:
        return _url(scheme, rest, text)
    if address != text or "::" in text:
        raise UnsafeURL(f"{net.shown(text)} is not fetched: only https, ssh and file addresses are")
    if is_folder(os.path.expanduser(text)):  # noqa: PTH111  # pathlib's fails where there is no such user
        folder = Path(text).expanduser().resolve()
        return Source(str(folder), _name(folder.name), folder=folder)
    if _SECURE_SHELL.fullmatch(text):
        host, _, path = text.partition(":")
        path, revision = _split(path)
        return _git(f"{host}:{path}", revision, path, "ssh", "https")
    return _path(text)


def _split(text: str) -> tuple[str, str]:
    path, marked, revision = text.partition("@")
    if marked and (not _REVISION.fullmatch(revision) or revision.endswith((".lock", "/", "."))):
        raise BadValue(f"{revision!r} is no revision; write @ and a commit of 40 digits, a tag or a branch")
    return path, revision


def _github(path: str, revision: str) -> Source:
    path = path.removesuffix("/").removesuffix(".git")
    match = _GITHUB.fullmatch(path)
    if match is None or match[2].startswith((".", "-")):
        raise BadValue(f"github:{path} is not of the form github:OWNER/NAME@COMMIT")
    text = f"github:{path}" + (f"@{revision}" if revision else "")
    return Source(text, _name(match[2]), f"https://github.com/{path}.git", revision, None, ("https", "ssh"))


def _url(scheme: str, rest: str, text: str) -> Source:
    shown = net.shown(text)
    host, _, path = rest.partition("/")
    path, revision = _split(path)
    if scheme not in ("https", "ssh", "file", "http"):
        raise UnsafeURL(f"{shown} is not fetched: only https, ssh and file addresses are")
    if re.search(r"[?#\\\s]", path) or host.startswith("-") or re.search(r"@-|[\\\s]", host):
        raise UnsafeURL(f"{shown} is no address of a repository")
    if scheme == "file":
        if host:
            raise UnsafeURL(f"{shown} leads to another machine; write file:///PATH")
        return _file(Path("/" + urllib.parse.unquote(path)), revision)
    if not host or not path:
        raise BadValue(f"{shown} is not the address of a repository")
    if scheme == "ssh":
        return _git(f"ssh://{host}/{path}", revision, path, "ssh", "https")
    if "@" in host:
        raise UnsafeURL(
            f"{shown} holds a name or password, which would be recorded; let git's credential helper know it"
        )
    if scheme == "http":
        name = urllib.parse.urlsplit(f"http://{host}").hostname
        if name not in _LOOPBACK:
            raise UnsafeURL(f"{shown} is not encrypted, so that anyone on the way could change the code; write https")
        return _git(f"http://{host}/{path}", revision, path, "http")
    if host.lower() in ("github.com", "www.github.com"):
        return _github(path, revision)
    return _git(f"https://{host}/{path}", revision, path, "https", "ssh")


def _path(text: str) -> Source:
    """A folder of this machine at a revision; `text` itself is no folder."""
    path, marked, revision = text.rpartition("@")
    if marked and is_folder(os.path.expanduser(path)) and _split(f"@{revision}"):  # noqa: PTH111
        return _file(Path(path).expanduser().resolve(), revision)
    looks_like = f"; did you mean github:{text}?" if _GITHUB.fullmatch(text.partition("@")[0]) else ""
    raise NotFound(f"there is no folder {text}, and no repository of that name{looks_like or f'; it may be {_FORMS}'}")


def _file(path: Path, revision: str) -> Source:
    address = f"file://{urllib.parse.quote(str(path.resolve()))}"
    return _git(address, revision, str(path), "file", "https", "ssh")


def _git(address: str, revision: str, path: str, *protocols: str) -> Source:
    name = path.rstrip("/").removesuffix("/.git").rpartition("/")[2].removesuffix(".git")
    return Source(address + (f"@{revision}" if revision else ""), _name(name), address, revision, None, protocols)


def _name(text: str) -> str:
    """A name for what is called `text`: letters, digits, points and hyphens."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64] or "repository"
