"""Visits to a web site as a guest: by its robots.txt, slowly, and again only after a while when it is busy."""

from __future__ import annotations

import ipaddress
import re
import time
import urllib.parse
import urllib.robotparser
from collections.abc import Callable

import ml4a
from ml4a._core import net
from ml4a._core.errors import BadValue, DownloadFailed, UnsafeURL

ROBOT = "ml4a"
"""What a site's robots.txt may call us."""
PAUSE = 1.0
"""Seconds between the end of one request and the begin of the next, unless more are asked for."""
LONGEST_DELAY = 60.0
"""Seconds between requests that a robots.txt may ask for; a site that wants more is not visited."""
TRIES = 4
"""Of one request, while the site is busy or the connection breaks."""
LONGEST_PAUSE = 120.0
"""Seconds to wait at most before a further try, whatever the site's Retry-After says."""

_AGENT = f"{ROBOT}/{ml4a.__version__} (makes data sets for artists; one request at a time, by robots.txt)"
_ROBOTS_BYTES = 512 << 10
_BUSY = (429, 500, 502, 503, 504)
_FORBIDDEN = (401, 403)
_STEP = 0.1
"""Seconds between two looks whether the user wants to stop."""


class Refused(DownloadFailed):
    """The site's robots.txt forbids it, or asks for more patience than there is."""


class _Busy(net.ConnectionLost):
    """The site asks to come again later."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Visitor:
    """Reads from one site: its host, and the hosts below the same name.

    Args:
        base: The site's address.
        beat: Called while it waits, several times a second; what it raises stops the wait.
        pause: In place of `PAUSE`; a site may ask for more.

    Raises:
        BadValue: `base` is no address.
    """

    def __init__(self, base: str, beat: Callable[[], None], pause: float | None = None) -> None:
        try:
            parts = urllib.parse.urlsplit(base)
            self._port = parts.port
        except ValueError:
            raise BadValue(f"{net.shown(base)} is no address of a site") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadValue(f"{net.shown(base)} is no address of a site; it begins with https://")
        self._scheme = parts.scheme
        self._host = parts.hostname.removeprefix("www.")
        self._pause = PAUSE if pause is None else pause
        self._beat = beat
        self._robots: dict[str, urllib.robotparser.RobotFileParser] = {}
        self._ready = 0.0

    def owns(self, url: str) -> bool:
        """Whether an address is the site's: no link on a page leads elsewhere."""
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        ours = host == self._host or (not _is_number(self._host) and host.endswith(f".{self._host}"))
        return ours and port == self._port and parts.scheme in (self._scheme, "https") and "@" not in parts.netloc

    def may_read(self, url: str) -> bool:
        """Whether the robots.txt of the address's host lets us.

        Raises:
            DownloadFailed: it cannot be read now.
        """
        return self._rules(url).can_fetch(ROBOT, url)

    def read(self, url: str, limit: int) -> bytes:
        """What is at an address of the site.

        Args:
            url: The address.
            limit: The most bytes to accept.

        Raises:
            Refused: the site's robots.txt forbids it.
            UnsafeURL: it is not the site's, or leads elsewhere or into this machine's network.
            DownloadFailed: it could not be read.
            Offline: `ML4A_OFFLINE` is set.
        """
        if not self.owns(url):
            raise UnsafeURL(f"{net.shown(url)} is not on {self._host}")
        if not self.may_read(url):
            raise Refused(f"the robots.txt of {_host(url)} does not let programs read {net.shown(url)}")
        delay = self._delay(url)
        if delay > LONGEST_DELAY:
            raise Refused(
                f"the robots.txt of {_host(url)} asks for {delay:.0f} s between two requests; "
                f"more than {LONGEST_DELAY:.0f} s are not waited for"
            )
        return self._read(url, limit, max(self._pause, delay))

    def encrypted(self, url: str) -> str:
        """The address that a link of old is today: by https, if the site is."""
        return re.sub(r"^http:", f"{self._scheme}:", url)

    def _rules(self, url: str) -> urllib.robotparser.RobotFileParser:
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._robots:
            rules = urllib.robotparser.RobotFileParser()
            try:
                text = self._read(f"{origin}/robots.txt", _ROBOTS_BYTES, self._pause)
            except _Missing as missing:
                # What RFC 9309 and the standard library's own reader take these answers for.
                text = b"User-agent: *\nDisallow: /" if missing.status in _FORBIDDEN else b""
            rules.parse(text.decode("utf-8-sig", errors="replace").splitlines())
            self._robots[origin] = rules
        return self._robots[origin]

    def _delay(self, url: str) -> float:
        """Seconds between requests that the site asks for."""
        rules = self._rules(url)
        rate = rules.request_rate(ROBOT)
        every = rate.seconds / rate.requests if rate and rate.requests else 0.0
        return max(float(rules.crawl_delay(ROBOT) or 0), every)

    def _read(self, url: str, limit: int, delay: float) -> bytes:
        for failures in range(1, TRIES + 1):
            self._wait()
            try:
                return self._once(url, limit)
            except net.ConnectionLost as error:
                if failures == TRIES:
                    raise
                asked = error.seconds if isinstance(error, _Busy) else 0.0
                self._ready = time.monotonic() + max(asked, min(delay * 2**failures, LONGEST_PAUSE))
            finally:
                self._ready = max(self._ready, time.monotonic() + delay)
        raise AssertionError("the last try raises")

    def _once(self, url: str, limit: int) -> bytes:
        with net.stream(url, headers={"User-Agent": _AGENT}) as response:
            if not self.owns(response.url):
                raise UnsafeURL(f"{net.shown(url)} leads away from {self._host}, to {net.shown(response.url)}")
            where = f"{net.shown(url)} answered {response.status} {response.reason}"
            if response.status in _BUSY:
                raise _Busy(where, min(response.retry_after or 0.0, LONGEST_PAUSE))
            if response.status != 200:
                raise _Missing(where, response.status)
            body = bytearray()
            for chunk in response.chunks():
                body += chunk
                if len(body) > limit:
                    raise DownloadFailed(f"{net.shown(url)} is larger than the {limit >> 20} MiB that are accepted")
                self._beat()
            return bytes(body)

    def _wait(self) -> None:
        while (left := self._ready - time.monotonic()) > 0:
            self._beat()
            time.sleep(min(left, _STEP))
        self._beat()


class _Missing(DownloadFailed):
    """The site does not have it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or ""


def _is_number(host: str) -> bool:
    """Whether a host is an address and has no names below it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
