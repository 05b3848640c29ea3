"""Servers that are none: one that never answers, one that says always the same."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def saying(text: bytes) -> Iterator[int]:
    """The port of a server that answers whatever it receives with this text."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Saying(listener, text)
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.end()


class _Saying(threading.Thread):
    """Serves one client after another."""

    def __init__(self, listener: socket.socket, text: bytes) -> None:
        super().__init__()
        self._listener = listener
        self._text = text
        self._client: socket.socket | None = None
        self._ended = False

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended:
                self._client, _ = self._listener.accept()
                with self._client as client, contextlib.suppress(OSError):
                    while not self._ended and client.recv(65536):
                        client.sendall(self._text)

    def end(self) -> None:
        self._ended = True
        for each in (self._listener, self._client):
            with contextlib.suppress(OSError):
                if each is not None:
                    each.shutdown(socket.SHUT_RDWR)
        self.join()
