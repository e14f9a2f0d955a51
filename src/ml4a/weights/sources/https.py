"""`https://…`: a file on the web, continued where it broke off. `http://…` is for this machine only."""

from __future__ import annotations

import email.utils
import ipaddress
import re
import time
import urllib.parse
from collections.abc import Callable

from ml4a._core import net, progress
from ml4a._core.errors import BadWeights, DownloadFailed, Offline
from ml4a.weights import cache
from ml4a.weights.owner import owned
from ml4a.weights.partial import Partial
from ml4a.weights.schema import Card, File

STALL = net.TIMEOUT
"""Seconds of standstill before a connection is given up."""
TRIES = 4
"""Failures in a row; one that came after `_PROGRESS` bytes counts as the first."""
PAUSE = 0.5
"""Seconds before the second try; doubled for each further one."""
LONGEST_PAUSE = 20.0
"""Seconds to wait at most, whatever the server's Retry-After says."""

_PROGRESS = 1 << 20
_PARTS = (206, 416)
_BUSY = (429, 500, 502, 503, 504)


class _Busy(net.ConnectionLost):
    """The server asks to come again."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def fetch(file: File, source: str, card: Card) -> None:  # all sources have the same parameters
    """Download `source` into the cache.

    Raises:
        DownloadFailed: it cannot be had.
        BadWeights: it is another file than the card means.
        CannotWrite: the disk is full or read-only.
        Offline: `ML4A_OFFLINE` is set.
    """
    if source.startswith("http:") and not _is_here(source):
        raise DownloadFailed(f"{net.shown(source)} is not encrypted; weights come by https only")
    if net.is_offline():
        raise Offline("ML4A_OFFLINE is set")
    cache.require_space(file.size)
    with owned(cache.root() / f"{file.sha256}.owner", f"waiting for {file.name}") as beat:
        if cache.find(file) is not None:  # another process has brought it meanwhile
            return
        for last in (False, True):
            with Partial(file) as partial:
                _download(source, file, partial, beat)
            try:
                cache.publish(partial.path, file)
                return
            except BadWeights:
                # If it was put together from several answers, they may have been parts of two versions of the file.
                if last or not partial.continued:
                    raise
            except FileNotFoundError:
                # A process that took this one for dead has taken over what was here.
                if cache.find(file) is None:
                    raise DownloadFailed(f"another process is downloading {file.name}; try again") from None
                return


def _download(url: str, file: File, partial: Partial, beat: Callable[[], None]) -> None:
    """Fill `partial`, over as many connections as it takes."""
    failures = 0
    validator = ""
    while partial.size < file.size:
        before = partial.size
        try:
            with net.stream(url, headers=_ask(partial, validator), public_only=False, timeout=STALL) as response:
                _accept(response, file, partial)
                validator = _validator(response)
                _receive(response, file, partial, beat)
            return
        except net.ConnectionLost as error:
            failures = 1 if partial.size - before >= _PROGRESS else failures + 1
            if failures == TRIES:
                raise
            _wait(error.seconds if isinstance(error, _Busy) else PAUSE * 2 ** (failures - 1), file, partial, beat)


def _ask(partial: Partial, validator: str) -> dict[str, str]:
    """Ask for what is missing, if the file is still the one that was begun."""
    if partial.size == 0:
        return {}
    headers = {"Range": f"bytes={partial.size}-"}
    return headers | {"If-Range": validator} if validator else headers


def _accept(response: net.Response, file: File, partial: Partial) -> None:
    """Make `partial` end where the answer's body begins.

    Raises:
        ConnectionLost: the server has another part than asked for, or is busy.
        DownloadFailed: it does not have the file.
        BadWeights: it has a file of another size.
    """
    where = net.shown(response.url)
    if response.status == 200:
        _refuse_page(response.headers.get_content_type() == "text/html", where)
        if response.encoding == "identity" and response.length not in (None, file.size):
            raise BadWeights(f"{where} has {response.length} bytes, but should have {file.size}")
        partial.clear()
    elif partial.size and response.status in _PARTS:
        if not _is_the_rest(response, file, partial):
            partial.clear()
            raise net.ConnectionLost(f"{where} answered with another part of the file than asked for")
        partial.continued = True
    elif response.status in _BUSY:
        raise _Busy(f"{where} answered {response.status} {response.reason}", _retry_after(response))
    else:
        raise DownloadFailed(f"{where} answered {response.status} {response.reason}")


def _receive(response: net.Response, file: File, partial: Partial, beat: Callable[[], None]) -> None:
    where = net.shown(response.url)
    for chunk in response.chunks():
        if partial.size == 0:
            _refuse_page(chunk.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")), where)
        if partial.size + len(chunk) > file.size:
            partial.clear()
            raise BadWeights(f"{where} is longer than the {file.size} bytes that it should have")
        partial.write(chunk)
        progress.report(f"downloading {file.name}", partial.size, file.size, "B")
        beat()
    if partial.size < file.size and response.length is None:
        raise net.ConnectionLost(f"{where} ended after {partial.size} of {file.size} bytes")


def _refuse_page(is_page: bool, where: str) -> None:
    if is_page:
        raise DownloadFailed(
            f"{where} is a web page instead of the file: "
            "does this network want you to log in first, or is the site's download limit used up?"
        )


def _is_the_rest(response: net.Response, file: File, partial: Partial) -> bool:
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if match is None:
        return False
    return (int(match[1]), int(match[2])) == (partial.size, file.size - 1) and match[3] in ("*", str(file.size))


def _validator(response: net.Response) -> str:
    """What tells this version of the file from others; a weak ETag does not."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _retry_after(response: net.Response) -> float:
    """Seconds that the server wants to be left alone, within bounds."""
    text = response.headers.get("Retry-After", "")
    try:
        seconds = float(text) if text.isdecimal() else email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return PAUSE
    return min(max(seconds, PAUSE), LONGEST_PAUSE)


def _wait(seconds: float, file: File, partial: Partial, beat: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress.report(f"waiting to continue {file.name}", partial.size, file.size, "B")
        beat()
        time.sleep(min(left, 0.1))


def _is_here(url: str) -> bool:
    """Whether `url` leads to this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
