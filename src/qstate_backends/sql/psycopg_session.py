"""A connection of psycopg that keeps to deadlines, and the session that it makes."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Generator, Sequence
from typing import Any, Final, TypeVar

import psycopg
from psycopg import pq, waiting

from qstate.awaiting import await_
from qstate_backends.sql.sessions import Row, Session

T = TypeVar("T")

_MANY_BYTES: Final = 64 * 1024 * 1024
_LOOK_EVERY: Final = 0.02
_IN_TRANSACTION: Final = {pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR}


class DeadlineConnection(psycopg.Connection[Row]):
    """A connection that waits for its server until a deadline and no longer.

    Attributes:
        deadline: By ``time.monotonic``.
        suspends: Whether it waits on the running event loop, in code that ``awaiting.run`` runs.
    """

    deadline: float = math.inf
    suspends: bool = False
    _cancelled: BaseException | None = None

    def wait(self, gen: Generator[Any, Any, T], *_: Any, **__: Any) -> T:
        """As psycopg's, ending in ``TimeoutError`` at the deadline."""
        if self.suspends:
            return self._awaited(_until(self.deadline, gen))
        return super().wait(_until(self.deadline, gen), _LOOK_EVERY)

    def _awaited(self, gen: Generator[Any, Any, T]) -> T:
        """Wait on the event loop; who is cancelled there hangs up, and waits for nothing more."""
        if self._cancelled is not None:
            raise self._cancelled
        try:
            return await_(waiting.wait_async(gen, self.pgconn.socket, _LOOK_EVERY))
        except BaseException as error:
            if not isinstance(error, Exception):
                self._cancelled = error
                self.pgconn.finish()
            raise


def _until(deadline: float, steps: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if time.monotonic() > deadline:
                raise TimeoutError("no answer in time")
            wanted = steps.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


def _readable() -> Generator[Any, Any, None]:
    while not (yield waiting.Wait.R):
        pass


def _connect(conninfo: str, deadline: float) -> pq.abc.PGconn:
    """Connect by a deadline; libpq's own time limits are whole seconds, and 2 at least."""
    connection = pq.PGconn.connect_start(conninfo.encode())
    while (status := connection.connect_poll()) != pq.PollingStatus.OK:
        if status == pq.PollingStatus.FAILED:
            message = connection.get_error_message()
            connection.finish()
            raise psycopg.OperationalError(message)
        poller = select.poll()
        reading = status == pq.PollingStatus.READING
        poller.register(connection.socket, select.POLLIN if reading else select.POLLOUT)
        if not poller.poll(max(deadline - time.monotonic(), 0) * 1000):
            connection.finish()
            raise TimeoutError("no answer in time to the wish to connect")
    connection.nonblocking = 1
    return connection


def connect(conninfo: str, deadline: float) -> DeadlineConnection:
    """A new connection, in autocommit.

    Args:
        conninfo: As libpq takes it.
        deadline: By ``time.monotonic``, for this and what follows until another is set.
    """
    connection = DeadlineConnection(_connect(conninfo, deadline))
    connection.deadline = deadline
    connection.autocommit = True
    return connection


class PostgreSQLSession(Session):
    """A connection to the server."""

    def __init__(self, connection: DeadlineConnection) -> None:
        self._connection = connection
        self._cursor = connection.cursor(binary=True)
        self._poller = select.poll()
        self._poller.register(connection.pgconn.socket, select.POLLIN)
        self._is_prepared = False
        self._queue: list[tuple[str, Sequence[Any]]] = []

    def suspend(self) -> None:
        """From now on wait on the running event loop."""
        self._connection.suspends = True

    def value(self, sql: str, key: bytes) -> bytes | None:
        """What stands under a key; straight by libpq, since every ``get`` comes this way."""
        server = self._connection.pgconn
        if not self._is_prepared:
            server.send_prepare(b"qstate_value", sql.replace("%b", "$1").encode())
            prepared = self._answer(server)
            self._is_prepared = prepared is not None and prepared.status == pq.ExecStatus.COMMAND_OK
        server.send_query_prepared(b"qstate_value", (key,), (1,), 1)
        answer = self._answer(server)
        if answer is None or answer.status != pq.ExecStatus.TUPLES_OK:
            rows = self.rows(sql, (key,))  # psycopg tells the error, or finds a way
            return rows[0][0] if rows else None
        return answer.get_value(0, 0) if answer.ntuples else None

    def _answer(self, server: pq.abc.PGconn) -> pq.abc.PGresult | None:
        answer = None
        server.flush()
        while True:
            while server.is_busy():
                self._wait()
                server.consume_input()
            following = server.get_result()
            if following is None:
                return answer
            answer = following

    def _wait(self) -> None:
        if self._connection.suspends:
            self._connection.deadline = self.deadline
            self._connection.wait(_readable())
        elif not self._poller.poll(max(self.deadline - time.monotonic(), 0) * 1000):
            raise TimeoutError("no answer in time")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """What a query gives."""
        return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        return self._execute(sql, parameters).rowcount

    def later(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement with the next one."""
        self._queue.append((sql, parameters))

    def _execute(self, sql: str, parameters: Sequence[Any]) -> psycopg.Cursor[Row]:
        self._connection.deadline = self.deadline
        if not self._queue:
            return self._cursor.execute(sql, parameters, prepare=bool(parameters))
        queue, self._queue = self._queue, []
        with self._connection.pipeline():
            for statement in queue:
                self._connection.execute(*statement, prepare=bool(statement[1]))
            self._cursor.execute(sql, parameters, prepare=bool(parameters))
        return self._cursor

    def run_many(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement that takes the columns of the rows, in portions, with the next one."""
        for portion in portions(rows):
            self.later(sql, columns(portion))

    def begin(self) -> None:
        """Begin a transaction with the next statement."""
        self.later("BEGIN")

    def is_idle(self) -> bool:
        """Whether nothing came in unasked: an end of the connection, most likely."""
        return not self._poller.poll(0)

    def recover(self, error: BaseException) -> bool:  # noqa: ARG002 - the connection knows
        """Roll back where the server still answers."""
        self._queue.clear()
        state = self._connection.pgconn.transaction_status
        if state in _IN_TRANSACTION:
            try:
                self.roll_back()
            except (psycopg.Error, OSError):
                return False
        return self._connection.pgconn.transaction_status == pq.TransactionStatus.IDLE

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def portions(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Rows in portions that a message can hold; one portion where they are small."""
    parts, size = [[rows[0]]], len(rows[0][2])
    for row in rows[1:]:
        size += len(row[2])
        if size > _MANY_BYTES:
            parts.append([])
            size = len(row[2])
        parts[-1].append(row)
    return list(parts)


def columns(rows: Sequence[Row]) -> list[list[Any]]:
    """Rows as the arrays that a statement for several of them takes."""
    return [list(column) for column in zip(*rows, strict=True)]
