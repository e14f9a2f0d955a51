"""An https proxy that wants a password, and notes where it was asked to connect to."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self


class ConnectProxy:
    """Listens on a free port of the loopback; every tunnel leads to `target`, whatever name was asked for."""

    def __init__(self, target: tuple[str, int], user: str, password: str) -> None:
        self.asked: list[str] = []
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                lines = []
                while (line := self.rfile.readline().strip()) != b"":
                    lines.append(line.decode("ascii"))
                if f"Proxy-Authorization: Basic {credentials}" not in lines:
                    self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                    return
                proxy.asked.append(lines[0].split()[1])
                with socket.create_connection(target) as far:
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    with contextlib.suppress(OSError):
                        _pump(self.connection, far)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _pump(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until one side closes."""
    other = {near: far, far: near}
    while True:
        for ready in select.select([near, far], [], [])[0]:
            data = ready.recv(1 << 16)
            if not data:
                return
            other[ready].sendall(data)
