"""A local web server that lies on purpose: cut bodies, wrong ranges, endless drips, redirects to anywhere.

with LyingServer() as server:
    url = server.put("/weights.bin", Answer(data, cut=1000), Answer(data))   # the first request is cut off
    ...
    assert server.requests[1].headers["Range"] == "bytes=1000-"
"""

from __future__ import annotations

import http.server
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Answer:
    """What one request gets; without lies, what a good file server would answer."""

    body: bytes = b""
    status: int = 200
    """206 takes its place where a range was asked for and is granted."""
    headers: dict[str, str] = field(default_factory=dict)
    """Added to (or put in place of) the honest ones; an empty value leaves the header out."""
    ranges: bool = True
    """Grant ranges; a stale `If-Range` gets the whole body."""
    cut: int | None = None
    """Close the connection after so many bytes of the body."""
    drip: float = 0
    """Seconds to wait after every single byte."""
    endless: bool = False
    """Send the body again and again, without a Content-Length."""
    chunked: bool = False
    """Send chunks and no Content-Length."""
    pause: threading.Event | None = None
    """Wait for this event in the middle of the body."""


@dataclass(frozen=True)
class Request:
    """What the server was asked."""

    path: str
    headers: dict[str, str]


class LyingServer:
    """Serves `Answer`s on a free port of the loopback, over https if it is given a certificate file."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up; so they should
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake belongs to the connection's own thread: a client that refuses it must not stop the server.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_address[1]

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of `path`."""
        return f"{self._scheme}://{host}:{self.port}{path}"

    def put(self, path: str, *answers: Answer) -> str:
        """Answer requests for `path` with these, one after the other; the last one serves all further ones."""
        self._answers[path] = list(answers)
        return self.url(path)

    def answer(self, request: Request) -> Answer:
        """Note the request and choose its answer."""
        with self._lock:
            self.requests.append(request)
            waiting = self._answers.get(request.path, [Answer(b"no such file", status=404)])
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: LyingServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        answer = self.owner.answer(Request(self.path, dict(self.headers)))
        status, body, headers = _honest(answer, self.headers.get("Range"), self.headers.get("If-Range"))
        headers |= answer.headers
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self._send(answer, body)

    def _send(self, answer: Answer, body: bytes) -> None:
        if answer.cut is not None:
            body = body[: answer.cut]
        half = len(body) // 2
        if answer.pause is not None:
            self._write(answer, body[:half])
            self.wfile.flush()
            answer.pause.wait(60)
            body = body[half:]
        self._write(answer, body)
        while answer.endless:
            self._write(answer, body)
        if answer.chunked and answer.cut is None:
            self.wfile.write(b"0\r\n\r\n")

    def _write(self, answer: Answer, body: bytes) -> None:
        step = 1 if answer.drip else _BLOCK
        for start in range(0, len(body), step):
            block = body[start : start + step]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if answer.chunked else block)
            if answer.drip:
                self.wfile.flush()
                time.sleep(answer.drip)

    def log_message(self, format: str, *args: object) -> None:  # the base class's name
        """Keep the tests' output clean."""


def _honest(answer: Answer, asked: str | None, if_range: str | None) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers as a good server would send them."""
    body, status = answer.body, answer.status
    headers: dict[str, str] = {"Connection": "close"}
    match = re.fullmatch(r"bytes=(\d+)-", asked or "")
    validators = [answer.headers.get("ETag"), answer.headers.get("Last-Modified")]
    if match and answer.ranges and status == 200 and (if_range is None or if_range in validators):
        start = int(match[1])
        if start >= len(body):
            status, headers["Content-Range"], body = 416, f"bytes */{len(body)}", b""
        else:
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
    if answer.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif not answer.endless:
        headers["Content-Length"] = str(len(body))
    return status, body, headers
