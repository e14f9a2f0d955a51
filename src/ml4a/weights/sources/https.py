"""`https://…`: a file on the web, continued where it broke off. `http://…` is for this machine only."""

from __future__ import annotations

import ipaddress
import random
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping

from ml4a._core import net, progress
from ml4a._core.errors import BadWeights, DownloadFailed, Offline
from ml4a.weights import cache
from ml4a.weights.owner import owned
from ml4a.weights.parcel import Parcel
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
JITTER = 0.25
"""The part of a pause by which chance may lengthen it."""

_PROGRESS = 1 << 20
_MOST_PAGES = 2
_LONGEST_PAGE = 1 << 16
_PARTS = (206, 416)
_BUSY = (429, 500, 502, 503, 504)


class _Busy(net.ConnectionLost):
    """The server asks to come again."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def fetch(parcel: Parcel, source: str, card: Card) -> None:  # all sources have the same parameters
    """Download `source` into the cache.

    Raises:
        DownloadFailed: it cannot be had.
        BadWeights: it is another file than the card means.
        CannotWrite: the disk is full or read-only.
        Offline: `ML4A_OFFLINE` is set.
    """
    download(parcel, source)


def download(
    parcel: Parcel,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    page: Callable[[str, str], str] | None = None,
    advice: Mapping[int, str] | None = None,
) -> None:
    """Download the file at `url` and have it taken in.

    Args:
        parcel: What it should be.
        url: Where it is.
        headers: To be sent to the host of `url` only.
        page: Given the address and the text of a web page that came in place of the file, the address to ask instead.
        advice: What to say about answers, by their status.

    Raises:
        DownloadFailed: it cannot be had.
        BadWeights: it is another file than the card means.
        CannotWrite: the disk is full or read-only.
        Offline: `ML4A_OFFLINE` is set.
    """
    if url.startswith("http:") and not _is_here(url):
        raise DownloadFailed(f"{net.shown(url)} is not encrypted; weights come by https only")
    if net.is_offline():
        raise Offline("ML4A_OFFLINE is set")
    file = parcel.file
    cache.require_space(file.size or 0)
    with owned(cache.root() / f"{file.key}.owner", f"waiting for {file.name}") as beat:
        if parcel.arrived():  # another process has brought it meanwhile
            return
        for last in (False, True):
            with Partial(file) as partial:
                _Transfer(file, partial, beat, headers or {}, page, advice or {}).run(url)
            try:
                parcel.open(partial.path)
                return
            except BadWeights:
                # If it was put together from several answers, they may have been parts of two versions of the file.
                if last or not partial.continued:
                    raise
            except FileNotFoundError:
                # A process that took this one for dead has taken over what was here.
                if not parcel.arrived():
                    raise DownloadFailed(f"another process is downloading {file.name}; try again") from None
                return


class _Transfer:
    """Fills a partial, over as many connections as it takes."""

    def __init__(
        self,
        file: File,
        partial: Partial,
        beat: Callable[[], None],
        headers: Mapping[str, str],
        page: Callable[[str, str], str] | None,
        advice: Mapping[int, str],
    ) -> None:
        self._file = file
        self._partial = partial
        self._beat = beat
        self._headers = headers
        self._page = page
        self._advice = advice
        self._total = file.size
        """Bytes of the whole file; None while neither the card nor the server has told."""

    def run(self, url: str) -> None:
        """Ask until everything is there.

        Raises:
            DownloadFailed: that cannot be had.
            BadWeights: the server has a file of another size.
        """
        failures = pages = 0
        while self._partial.size != self._file.size:
            before = self._partial.size
            try:
                with net.stream(url, headers=self._ask(), public_only=False, timeout=STALL) as response:
                    if self._page is not None and pages < _MOST_PAGES and _is_page(response):
                        pages += 1
                        url = self._page(response.url, _text(response))
                        continue
                    if not self._is_complete(response):
                        self._accept(response)
                        self._receive(response)
                return
            except net.ConnectionLost as error:
                failures = 1 if self._partial.size - before >= _PROGRESS else failures + 1
                if failures == TRIES:
                    raise
                self._wait(error.seconds if isinstance(error, _Busy) else PAUSE * 2 ** (failures - 1))

    def _ask(self) -> dict[str, str]:
        """Ask for what is missing, if the file is still the one that was begun.

        Without a SHA-256, only the server can tell whether it is.
        """
        headers = dict(self._headers)
        if self._partial.size and (self._partial.version or self._file.sha256):
            headers["Range"] = f"bytes={self._partial.size}-"
            if self._partial.version:
                headers["If-Range"] = self._partial.version
        return headers

    def _is_complete(self, response: net.Response) -> bool:
        """Whether nothing was missing any more of a file whose size only the server knows."""
        size = self._partial.size
        end = response.headers.get("Content-Range", "").strip() == f"bytes */{size}"
        return response.status == 416 and end and bool(size) and self._file.size is None

    def _accept(self, response: net.Response) -> None:
        """Make the partial end where the answer's body begins.

        Raises:
            ConnectionLost: the server has another part than asked for, or is busy.
            DownloadFailed: it does not have the file.
            BadWeights: it has a file of another size.
        """
        where = net.shown(response.url)
        if response.status == 200:
            _refuse_page(_is_page(response), where)
            self._total = self._size_of(response, where)
            self._partial.clear()
        elif self._partial.size and response.status in _PARTS:
            self._total = self._rest_of(response)
            if self._total is None:
                self._total = self._file.size
                self._partial.clear()
                raise net.ConnectionLost(f"{where} answered with another part of the file than asked for")
            self._partial.continued = True
        elif response.status in _BUSY:
            pause = min(max(response.retry_after or 0.0, PAUSE), LONGEST_PAUSE)
            raise _Busy(f"{where} answered {response.status} {response.reason}", pause)
        else:
            advice = self._advice.get(response.status, "")
            raise DownloadFailed(f"{where} answered {response.status} {response.reason}{advice and f': {advice}'}")
        self._partial.version = _validator(response)

    def _size_of(self, response: net.Response, where: str) -> int | None:
        """Bytes of the whole file that is about to come.

        Raises:
            BadWeights: they are not what they should be.
            DownloadFailed: nobody would know when it is complete.
        """
        length = response.length if response.encoding == "identity" else None
        if self._file.size is not None:
            if length not in (None, self._file.size):
                raise BadWeights(f"{where} has {length} bytes, but should have {self._file.size}")
            return self._file.size
        if length is None:
            if response.encoding == "identity" and "Transfer-Encoding" not in response.headers:
                raise DownloadFailed(f"{where} does not say how long the file is, and nobody else knows")
            return None
        if length > self._file.limit:
            raise BadWeights(f"{where} has {length} bytes, more than the {self._file.limit} that are accepted")
        cache.require_space(length)
        return length

    def _rest_of(self, response: net.Response) -> int | None:
        """Bytes of the whole file, if the answer is its rest from where the partial ends; else None."""
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if match is None:
            return None
        size = int(match[2]) + 1
        fits = int(match[1]) == self._partial.size and match[3] in ("*", str(size))
        return size if fits and size == (self._file.size or size) and size <= self._file.limit else None

    def _receive(self, response: net.Response) -> None:
        partial, total = self._partial, self._total
        where = net.shown(response.url)
        most = self._file.limit if total is None else total
        for chunk in response.chunks():
            if partial.size == 0:
                _refuse_page(chunk.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")), where)
            if partial.size + len(chunk) > most:
                partial.clear()
                should = "are accepted" if total is None else "it should have"
                raise BadWeights(f"{where} is longer than the {most} bytes that {should}")
            partial.write(chunk)
            progress.report(f"downloading {self._file.name}", partial.size, total, "B")
            self._beat()
        if total is not None and partial.size < total and response.length is None:
            raise net.ConnectionLost(f"{where} ended after {partial.size} of {total} bytes")
        if partial.size == 0:
            raise BadWeights(f"{where} is empty")

    def _wait(self, seconds: float) -> None:
        """Sleep a little longer than asked to, by chance, so that not all who were sent away come back at once."""
        end = time.monotonic() + seconds * random.uniform(1, 1 + JITTER)  # noqa: S311  # no secret
        while (left := end - time.monotonic()) > 0:
            progress.report(f"waiting to continue {self._file.name}", self._partial.size, self._total, "B")
            self._beat()
            time.sleep(min(left, 0.1))


def _is_page(response: net.Response) -> bool:
    return response.status == 200 and response.headers.get_content_type() == "text/html"


def _text(response: net.Response) -> str:
    """A web page, as far as it may matter."""
    page = bytearray()
    for chunk in response.chunks():
        page += chunk
        if len(page) > _LONGEST_PAGE:
            break
    return page.decode("utf-8", errors="replace")


def _refuse_page(is_page: bool, where: str) -> None:
    if is_page:
        raise DownloadFailed(
            f"{where} is a web page instead of the file: "
            "does this network want you to log in first, or is the site's download limit used up?"
        )


def _validator(response: net.Response) -> str:
    """What tells this version of the file from others; a weak ETag does not, nor one of an encoded file."""
    if response.encoding not in ("identity", ""):
        return ""  # its ranges would be of other bytes than those that were decoded and kept
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _is_here(url: str) -> bool:
    """Whether `url` leads to this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
