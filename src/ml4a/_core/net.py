"""Reading from the web: over http and https, with every address checked, every size capped, every stall noticed.

Pictures from a URL are opened with `public_only`: neither the URL nor a redirect may lead into this machine's network,
and proxies, which would resolve names themselves, are not asked. Addresses that the user has put into a card are
trusted further: what comes from there is held to its SHA-256.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import http.client
import os
import re
import socket
import ssl
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import addresses, limits
from .errors import DownloadFailed, Offline, UnsafeURL

TIMEOUT = 30.0
"""Seconds without a byte, or with fewer bytes than `SLOWEST` would bring, after which a connection is given up."""
SLOWEST = 100
"""Bytes a second."""
REDIRECTS = 5

_BLOCK = 1 << 16
_MOVED = (301, 302, 303, 307, 308)
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._?"


class ConnectionLost(DownloadFailed):
    """The connection broke or stalled; trying again may help."""


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL, taken apart and found acceptable."""

    url: str
    scheme: str
    host: str
    port: int
    path: str


class Response:
    """An answer whose body has not been read yet."""

    def __init__(self, raw: http.client.HTTPResponse, url: str, timeout: float) -> None:
        self.status = raw.status
        self.reason = raw.reason
        self.headers = raw.headers
        self.url = url
        self.encoding = raw.headers.get("Content-Encoding", "identity").strip().lower()
        self.length = raw.length
        """Bytes of the encoded body, if the server says."""
        self._raw = raw
        self._timeout = timeout

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server wants to be left alone, if it says and if that can be read; none are negative."""
        text = self.headers.get("Retry-After", "")
        if text.isdecimal():
            return float(text)
        try:
            return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
        except (ValueError, TypeError):
            return None

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece, without its Content-Encoding. It may be endless: whoever reads must count.

        Raises:
            ConnectionLost: it was cut off, or stalled.
            DownloadFailed: it is encoded in a way that was not asked for.
        """
        if self.encoding in ("identity", ""):
            return self._pieces()
        if self.encoding in ("gzip", "x-gzip", "deflate"):
            return self._inflated()
        raise DownloadFailed(f"{shown(self.url)} came encoded with {self.encoding!r}, which was not asked for")

    def _pieces(self) -> Iterator[bytes]:
        received, recent, waited = 0, 0, 0.0
        while True:
            before = time.monotonic()
            with _explained(self.url):
                piece = self._raw.read1(_BLOCK)
            if not piece:
                break
            waited += time.monotonic() - before
            received += len(piece)
            recent += len(piece)
            if waited >= self._timeout:
                if recent < SLOWEST * self._timeout:
                    raise ConnectionLost(f"{shown(self.url)} stalled: {recent} bytes in {waited:.0f} s")
                recent, waited = 0, 0.0
            yield piece
        if self.length is not None and received < self.length:
            raise ConnectionLost(f"{shown(self.url)} was cut off after {received} of {self.length} bytes")

    def _inflated(self) -> Iterator[bytes]:
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip's header or zlib's, whichever is there
        for piece in self._pieces():
            rest = piece
            while rest and not decoder.eof:
                try:
                    yield decoder.decompress(rest, _BLOCK)
                except zlib.error:
                    raise DownloadFailed(f"{shown(self.url)} says that it is {self.encoding}, but is not") from None
                rest = decoder.unconsumed_tail
        if not decoder.eof:
            raise ConnectionLost(f"{shown(self.url)} was cut off")


def read(url: str, *, limit: int = limits.URL_BYTES, public_only: bool = True, timeout: float = TIMEOUT) -> bytes:
    """What `url` holds.

    Args:
        url: An http or https address.
        limit: The most bytes to accept, after decoding, whatever the server says that it will send.
        public_only: Refuse addresses inside this machine's network, and go around proxies.
        timeout: Seconds of standstill after which to give up; there is no limit on the whole.

    Raises:
        UnsafeURL: the address, or one that it redirects to, may not be opened.
        DownloadFailed: it could not be read, or is larger than `limit`.
        Offline: `ML4A_OFFLINE` is set.
    """
    with stream(url, public_only=public_only, timeout=timeout) as response:
        if response.status != 200:
            raise DownloadFailed(f"{shown(url)} answered {response.status} {response.reason}")
        body = bytearray()
        for chunk in response.chunks():
            body += chunk
            if len(body) > limit:
                raise DownloadFailed(f"{shown(url)} is larger than the {limit / 1e6:.0f} MB that are accepted")
        return bytes(body)


@contextlib.contextmanager
def stream(
    url: str, *, headers: Mapping[str, str] | None = None, public_only: bool = True, timeout: float = TIMEOUT
) -> Iterator[Response]:
    """Ask for `url`, follow its redirects, and give the answer, whatever its status, before its body is read.

    A redirect to another host does not get the `Authorization` that was meant for the first one.

    Raises:
        UnsafeURL: the address, or one that it redirects to, may not be opened.
        DownloadFailed: there was no answer.
        Offline: `ML4A_OFFLINE` is set.
    """
    if is_offline():
        raise Offline(f"ML4A_OFFLINE is set, so {shown(url)} is not opened")
    asked = {"User-Agent": "ml4a", **(headers or {})}
    for _ in range(REDIRECTS + 1):
        target = _target(url)
        connection = _connect(target, public_only, timeout)
        with contextlib.closing(connection):
            with _explained(url):
                connection.request("GET", target.path, headers=asked)
                raw = connection.getresponse()
            location = raw.headers.get("Location")
            with contextlib.closing(raw):
                if raw.status not in _MOVED or location is None:
                    yield Response(raw, url, timeout)
                    return
        url = _redirected(target, location)
        if _origin(url) != (target.scheme, target.host, target.port):
            asked.pop("Authorization", None)
    raise DownloadFailed(f"{shown(url)} was redirected more than {REDIRECTS} times")


def is_offline() -> bool:
    """Whether `ML4A_OFFLINE` forbids all downloads."""
    return os.environ.get("ML4A_OFFLINE", "0") not in ("", "0")


def shown(url: str) -> str:
    """`url` as it may be printed: without passwords, query (which may hold a key) and control characters."""
    plain = re.sub(r"//[^/]*@", "//", re.split(r"[?#]", url)[0])
    return "".join(character if character.isprintable() else "?" for character in plain)[:200]


def _target(url: str) -> _Target:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        raise UnsafeURL(f"{shown(url)} is not an address on the web") from None
    if parts.scheme not in ("http", "https"):
        raise UnsafeURL(f"{shown(url)} is not opened: only http and https are")
    if not host or port == 0 or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise UnsafeURL(f"{shown(url)} is not an address on the web")
    if "@" in parts.netloc:
        raise UnsafeURL(f"{shown(url)} carries a user name, which can hide where it leads; take it out")
    path = urllib.parse.quote(urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")), _PATH_CHARACTERS)
    return _Target(url, parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


def _origin(url: str) -> tuple[str, str, int]:
    """Who answers at `url`: a secret meant for one of these is nobody else's."""
    target = _target(url)
    return target.scheme, target.host, target.port


def _redirected(source: _Target, location: str) -> str:
    try:
        url = urllib.parse.urljoin(source.url, location)
        scheme = urllib.parse.urlsplit(url).scheme
    except ValueError:
        raise UnsafeURL(f"{shown(source.url)} redirects to what is not an address on the web") from None
    if source.scheme == "https" and scheme == "http":
        raise UnsafeURL(
            f"{shown(source.url)} redirects to unencrypted {shown(url)}; does this network want you to log in first?"
        )
    return url


def _connect(target: _Target, public_only: bool, timeout: float) -> http.client.HTTPConnection:
    """A connection to one of the addresses that were checked; certificate and Host header are the name's."""
    proxy = None if public_only or target.scheme != "https" else _proxy(target.host)
    if proxy is not None:
        return _tunnel(target, proxy, timeout)
    found = addresses.resolve(target.host, target.port, public_only=public_only)
    with _explained(target.url):
        plain = _first_that_answers(found, target.port, timeout)
        if target.scheme == "http":
            connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
            connection.sock = plain
            return connection
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(target.host, target.port, timeout=timeout, context=context)
        try:
            connection.sock = context.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise
        return connection


def _first_that_answers(found: list[str], port: int, timeout: float) -> socket.socket:
    for address in found[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout)
    return socket.create_connection((found[-1], port), timeout)


def _proxy(host: str) -> urllib.parse.SplitResult | None:
    """The proxy that the environment (or the system) names for https, unless it excepts `host`."""
    proxy = urllib.request.getproxies().get("https")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if re.fullmatch(r"http://([^/@]*@)?([\w.-]+|\[[\da-fA-F:]+\])(:\d{1,5})?/?", proxy) is None:
        raise DownloadFailed(f"the proxy {shown(proxy)} is not of the form http://host:port, the only one known here")
    return urllib.parse.urlsplit(proxy)


def _tunnel(target: _Target, proxy: urllib.parse.SplitResult, timeout: float) -> http.client.HTTPConnection:
    headers = {}
    if proxy.username is not None:
        user = urllib.parse.unquote(proxy.username), urllib.parse.unquote(proxy.password or "")
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=timeout, context=context)
    connection.set_tunnel(target.host, target.port, headers)
    return connection


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what the network raises into one line about `url`."""
    try:
        yield
    except TimeoutError:
        raise ConnectionLost(f"{shown(url)} stalled") from None
    except ssl.SSLCertVerificationError as error:
        raise DownloadFailed(
            f"{shown(url)} has no valid certificate ({error.verify_message}); is this computer's clock right?"
        ) from None
    except ssl.SSLError as error:
        raise DownloadFailed(f"{shown(url)} cannot be spoken to securely: {error.reason or error}") from None
    except (ConnectionResetError, BrokenPipeError, http.client.IncompleteRead, http.client.RemoteDisconnected):
        raise ConnectionLost(f"{shown(url)} broke the connection") from None
    except http.client.HTTPException as error:
        raise DownloadFailed(f"{shown(url)} gave an answer that is not HTTP ({type(error).__name__})") from None
    except OSError as error:
        raise DownloadFailed(f"{shown(url)} cannot be reached: {error.strerror or error}") from None
