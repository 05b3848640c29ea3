"""The serving side: a backend of this process, for other processes to call."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Final

from qstate.backend import StateError
from qstate_backends import answers, wire
from qstate_backends.service import Request, Service
from qstate_backends.watches import Watch

_log: Final = logging.getLogger(__name__)
_STALLED: Final = 30.0
"""Seconds after which a peer that takes none of the changes it asked for is left."""

_SHORTEST_BEAT: Final = 0.05


class BackendServer:
    """Listens for processes that know the key, and answers them; a thread for each connection.

    Args:
        service: What answers.
        host: The address of this machine to listen on; the port is any free one.

    Attributes:
        address: Host and port.
        key: The secret that lets a client in.
    """

    def __init__(self, service: Service, host: str) -> None:
        self.key = secrets.token_bytes(32)
        self._service = service
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.address: wire.Address = self._listener.getsockname()[:2]
        self._peers: set[socket.socket] = set()
        self._thread: threading.Thread | None = None
        _servers.add(self)

    def start(self) -> None:
        """Begin to answer; what has connected since the server was made has waited for it."""
        if self._thread is None:
            self._thread = _thread(self._accept, f"qstate-server-{self.address[1]}")

    def close(self) -> None:
        """Stop listening, and end all connections and their threads."""
        for sock in (self._listener, *self._peers):
            with contextlib.suppress(OSError):  # not connected, or not any more
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def abandon(self) -> None:
        """In a forked child: leave the sockets to the parent, which alone serves on them."""
        for sock in (self._listener, *self._peers):
            sock.close()
        self._peers.clear()

    def _accept(self) -> None:
        while self._listener.fileno() != -1:
            try:
                peer, _ = self._listener.accept()
            except OSError as error:  # closed; or the peer has gone, or too many files are open
                _log.debug("no connection accepted: %s", error)
                time.sleep(0.01)
                continue
            self._peers.add(peer)
            _thread(self._serve, f"qstate-peer-{peer.fileno()}", peer)

    def _serve(self, peer: socket.socket) -> None:
        try:
            connection = wire.admit(peer, self.key)
            while True:
                head, body = connection.receive()
                request = Request.read(head)
                if request.method == "watch":
                    self._tell(connection, request)
                    break
                connection.send(self._service.answer(request, body))
        except (OSError, wire.FrameError) as error:  # ends this connection, and no other
            _log.debug("connection ended: %s", error)
        finally:
            self._peers.discard(peer)
            peer.close()

    def _tell(self, connection: wire.Connection, request: Request) -> None:
        """Stream the changes under a prefix until the peer hangs up, something at each beat."""
        match request.arguments:
            case [str(prefix), float(beat)]:
                pass
            case _:
                raise wire.FrameError("no watch that it can give")
        try:
            watch = self._service.current().watch(prefix)
        except StateError as error:
            connection.send(answers.refusal(error))
            return
        with watch, _ended_by(connection, watch):
            keys: list[str] | None = []
            while keys is not None:
                connection.send(answers.answer(keys), time.monotonic() + _STALLED)
                keys = watch.take(max(beat, _SHORTEST_BEAT))


@contextlib.contextmanager
def _ended_by(connection: wire.Connection, watch: Watch) -> Iterator[None]:
    """Leave a watch once its peer hangs up, and the connection where the watch has ended."""

    def leave() -> None:
        connection.wait()
        watch.__exit__()

    waiting = _thread(leave, "qstate-watch")
    try:
        yield
    finally:
        connection.interrupt()
        waiting.join()


_servers: weakref.WeakSet[BackendServer] = weakref.WeakSet()


def _thread(target: Callable[..., None], name: str, *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, args=args, daemon=True)
    thread.start()
    return thread


def _abandon_all() -> None:
    for server in list(_servers):
        server.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
