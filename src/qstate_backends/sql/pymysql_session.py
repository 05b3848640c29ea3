"""A connection of PyMySQL that keeps to deadlines, and the session that it makes."""

from __future__ import annotations

import functools
import select
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pymysql
import pymysql.connections
from pymysql.constants import ER

from qstate.backend import ValueTooLargeError
from qstate_backends.sql.sessions import Row, Session

if TYPE_CHECKING:
    _Connection = pymysql.connections.Connection[Any]
else:
    _Connection = pymysql.connections.Connection

CLOCK: Final = "UNIX_TIMESTAMP(SYSDATE(6))"
"""The server's clock, at the moment of evaluation."""

_ROWS: Final = f"(%s, %s, %s, {CLOCK} + %s)"
_LOST: Final = {ER.SERVER_SHUTDOWN, 1927}  # 1927: the connection was killed
_CLIENT: Final = range(2000, 3000)
_MANY_BYTES: Final = 1024 * 1024
_MANY_ROWS: Final = 1000


class DeadlineConnection(_Connection):
    """A connection that waits for its server until a deadline and no longer."""

    def expect_by(self, deadline: float) -> None:
        """Set the deadline, by ``time.monotonic``, for what is sent and read from here on."""
        left = max(deadline - time.monotonic(), 0.001)
        self._read_timeout = self._write_timeout = left

    def _create_ssl_ctx(self, asked: dict[str, Any]) -> ssl.SSLContext:
        """As PyMySQL's, which loads the authorities that the machine trusts for each connection.

        That takes longer than all else, and nothing is verified where nothing was asked for.
        """
        if not asked:
            return _unverified()
        return super()._create_ssl_ctx(asked)  # type: ignore[misc, no-any-return]


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class MySQLSession(Session):
    """A connection to the server."""

    def __init__(self, connection: DeadlineConnection, handle: int) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._poller = select.poll()
        self._poller.register(handle, select.POLLIN)
        self._in_transaction = False
        self._queue: list[str] = []
        self._longest = 0
        self._changed: deque[int] = deque(maxlen=2)  # by the last two statements

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """What a query gives."""
        self.run(sql, parameters)
        return list(self._cursor.fetchall())

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        statement = self._complete(sql, parameters)
        self._queue.append(statement)
        self._send()
        return self._changed[-1]

    def later(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement with the next one."""
        statement = self._complete(sql, parameters)
        self._queue.append(statement)
        if sum(map(len, self._queue)) > _MANY_BYTES:
            self._send()

    def _complete(self, sql: str, parameters: Sequence[Any]) -> str:
        statement = self._cursor.mogrify(sql, parameters) if parameters else sql
        if len(statement) > _MANY_BYTES and len(statement) >= self._longest_statement():
            raise ValueTooLargeError(
                f"a statement of {len(statement):,} bytes would carry the value, and the server "
                f"takes {self._longest:,}; raise its max_allowed_packet"
            )
        return statement

    def _longest_statement(self) -> int:
        if not self._longest:
            self._longest = self.rows("SELECT @@max_allowed_packet")[0][0]
        return self._longest

    def _send(self) -> None:
        queue, self._queue = self._queue, []
        self._connection.expect_by(self.deadline)
        if len(queue) > 1 and sum(map(len, queue)) <= _MANY_BYTES:
            queue = ["; ".join(queue)]
        for statement in queue:
            self._cursor.execute(statement)
            self._changed.append(self._cursor.rowcount)
            while self._cursor.nextset():
                self._changed.append(self._cursor.rowcount)

    def run_many(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement for rows, many at a time, with the next one."""
        for portion in _portions(rows):
            together = sql.replace(_ROWS, ", ".join([_ROWS] * len(portion)))
            self.later(together, [field for row in portion for field in row])

    def begin(self) -> None:
        """Begin a transaction with the next statement."""
        self._in_transaction = True
        self.later("START TRANSACTION")

    def begin_reading(self) -> None:
        """Begin a transaction in which all reads see one moment."""
        self._in_transaction = True
        self.later("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.later("START TRANSACTION WITH CONSISTENT SNAPSHOT")

    def commit(self) -> None:
        """Make it so."""
        self.commit_and_count()

    def commit_and_count(self) -> int:
        """Make it so; return how many rows the statement before it changed."""
        self.sent = True
        self.later("COMMIT")
        self._send()
        self._in_transaction = False
        return self._changed[-2]

    def roll_back(self) -> None:
        """Undo what the transaction has done."""
        super().roll_back()
        self._in_transaction = False

    def is_idle(self) -> bool:
        """Whether nothing came in unasked: an end of the connection, most likely."""
        return not self._poller.poll(0)

    def recover(self, error: BaseException) -> bool:
        """Roll back where the server still answers."""
        self._queue.clear()
        if not self._connection.open or not isinstance(error, Exception) or _is_of_client(error):
            return False
        if self._in_transaction:
            try:
                self.roll_back()
            except (pymysql.err.Error, OSError):
                return False
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._connection.open:
            self._connection.close()


def _is_of_client(error: Exception) -> bool:
    code = code_of(error)
    by_driver = isinstance(error, pymysql.err.Error) and (code < 1000 or code in _CLIENT)
    return by_driver or code in _LOST


def code_of(error: BaseException) -> int:
    """The number of an error of PyMySQL; 0 for any other."""
    is_numbered = isinstance(error, pymysql.err.Error) and error.args
    code: int = error.args[0] if is_numbered and isinstance(error.args[0], int) else 0
    return code


def _portions(rows: Sequence[Row]) -> list[list[Row]]:
    parts: list[list[Row]] = [[]]
    size = 0
    for row in rows:
        size += len(row[2])
        if parts[-1] and (size > _MANY_BYTES or len(parts[-1]) == _MANY_ROWS):
            parts.append([])
            size = len(row[2])
        parts[-1].append(row)
    return parts
