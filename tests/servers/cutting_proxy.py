"""A TCP proxy that loses answers: it passes a request on, and cuts when the answer comes back."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
from collections.abc import Callable


class CuttingProxy:
    """Between a client and a server, on a port of its own, until closed.

    Attributes:
        cuts: How many answers were lost.
        share: The share of answers that is lost.
        spared: How many answers of each connection are not: those of logging in.
        on_cut: Called when an answer is lost, before the client can know.

    Args:
        target: Host and port of the server.
        seed: Of the random choice of answers that are lost.
    """

    def __init__(self, target: tuple[str, int], seed: int = 0) -> None:
        self.cuts = 0
        self.share = 0.0
        self.spared = 0
        self.on_cut: Callable[[], object] = lambda: None
        self._target = target
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        """Where clients connect to, on 127.0.0.1."""
        return self._listener.getsockname()[1]

    @contextlib.contextmanager
    def losing(self, share: float):
        """Lose this share of all answers, for the length of a ``with`` block."""
        self.share = share
        try:
            yield self
        finally:
            self.share = 0.0

    def close(self) -> None:
        """Cut everything and end."""
        for connection in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target, 5)
            except OSError:
                return
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.add(side)
            self._start(self._relay, client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            answers = 0
            while (passed := self._pass_on(client, server, answers)) is not None:
                answers += passed
        for side in (client, server):
            self._open.discard(side)
            side.close()

    def _pass_on(self, client: socket.socket, server: socket.socket, answers: int) -> int | None:
        """How many answers came through; None: the connection has ended."""
        ready, _, _ = select.select([client, server], [], [])
        for side in ready:
            data = side.recv(1 << 20)
            if not data:
                return None
            counts = answers >= self.spared and self._random.random() < self.share
            if side is server and counts:
                self.cuts += 1
                self.on_cut()
                return None
            (server if side is client else client).sendall(data)
        return int(server in ready)
