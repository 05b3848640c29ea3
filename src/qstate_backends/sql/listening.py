"""Listening: the changes that PostgreSQL tells of."""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from psycopg import sql

from qstate.backend import translate_errors
from qstate_backends.sql.psycopg_session import DeadlineConnection


@contextmanager
def listen(
    connect: Callable[[], DeadlineConnection], channel: str, prefix: str, gate: translate_errors
) -> Iterator[Iterator[str]]:
    """The keys under a prefix that change from here on.

    Args:
        connect: Makes the connection that is listened on.
        channel: Where the table's triggers tell.
        prefix: Of the keys that are wanted.
        gate: Through which the driver's errors leave.
    """
    with gate:
        connection = connect()
    with closing(connection):
        with gate:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        with closing(Listener(connection, prefix, gate)) as listener:
            yield listener


class Listener(Iterator[str]):
    """Keys as they are told.

    Args:
        connection: Listens already.
        prefix: Of the keys that are wanted.
        gate: Through which the driver's errors leave.
    """

    def __init__(self, connection: DeadlineConnection, prefix: str, gate: translate_errors) -> None:
        self._server = connection.pgconn
        self._prefix = prefix
        self._gate = gate
        self._told: deque[str] = deque()
        self._awake, self._alarm = socket.socketpair()
        self._waiting = threading.Lock()
        self._closed = False

    def __next__(self) -> str:
        with self._waiting, self._gate:
            while not self._told:
                self._wait()
                if self._closed:
                    raise StopIteration
                self._take_in()
            return self._told.popleft()

    def _wait(self) -> None:
        if not self._closed:
            poller = select.poll()
            poller.register(self._server.socket, select.POLLIN)
            poller.register(self._awake, select.POLLIN)
            poller.poll()

    def _take_in(self) -> None:
        self._server.consume_input()
        while told := self._server.notifies():
            key = bytes.fromhex(told.extra.decode()).decode()
            if key.startswith(self._prefix):
                self._told.append(key)

    def close(self) -> None:
        """End the iteration, from any thread; returns when it has ended."""
        self._closed = True
        self._alarm.close()
        with self._waiting:
            self._awake.close()
