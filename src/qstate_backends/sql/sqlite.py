"""SQLite: one file, for all processes of a host."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, TypeGuard

from qstate.backend import (
    NO_REQUIREMENTS,
    Capabilities,
    InvalidURLError,
    Operation,
    Put,
    StateError,
    StateURL,
    StoreUnavailableError,
    ValueTooLargeError,
    Version,
    deadline,
    time_left,
    translate_errors,
)
from qstate_backends.sql.backend import SQLBackend
from qstate_backends.sql.file_watch import FileWatch
from qstate_backends.sql.sessions import Row, Session
from qstate_backends.sql.statements import ROW, STANDARD, Statements
from qstate_backends.sql.table import Kind

_PASSING: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_NOW: Final = "(julianday('now') - 2440587.5) * 86400.0"
# What does not expire has no need of the clock, which takes an eighth of the statement's time.
_ROW: Final = ROW.replace("{clock} + ?", "CASE WHEN ?4 IS NULL THEN NULL ELSE {clock} + ?4 END")
_PUTS: Final = ("put", "puts", "put_absent")
_STATEMENTS: Final = replace(
    STANDARD, **{name: getattr(STANDARD, name).replace(ROW, _ROW) for name in _PUTS}
)
_SMALL: Final = 4096
_PUT_LASTING: Final = STANDARD.put.replace(ROW, "VALUES (?, ?, ?, NULL)")


def absolute_url(url: StateURL) -> StateURL:
    """The URL with the absolute path of its file, so that it means the same in any folder.

    Raises:
        InvalidURLError: It names no file.
    """
    path = url.path.removeprefix("/")
    if url.hosts or path in {"", ":memory:"}:
        raise InvalidURLError(
            f"{url} names no file: write sqlite:///relative.db or sqlite:////absolute.db "
            "(for a store in memory, memory://name)"
        )
    return replace(url, path=f"/{Path(path).absolute()}")


def _synchronous(value: object) -> str:
    text = str(value).lower()
    if text not in {"normal", "full"}:
        raise ValueError("normal or full")
    return text


class SQLiteSession(Session):
    """A connection to the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._execute = self._cursor.execute

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """What a query gives."""
        return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        return self._execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement for each row."""
        self._cursor.executemany(sql, rows)

    def begin(self) -> None:
        """Begin a transaction as the file's one writer."""
        self._execute("BEGIN IMMEDIATE")

    def is_idle(self) -> bool:
        """Always: a file has no connection to lose."""
        return True

    def recover(self, error: BaseException) -> bool:
        """Roll back; False where the disk failed, so that what the file holds is not known."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
            return False
        if self._connection.in_transaction:
            self.roll_back()
        return True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class SQLiteBackend(SQLBackend[SQLiteSession]):
    """A store in an SQLite file, in WAL mode.

    Readers never wait for a writer; writers take turns. What was acknowledged survives the end, or
    the killing, of any process. With ``synchronous=full`` it survives a loss of power as well, at
    the price of a disk flush for each write; without, the last writes before it may be missing,
    and the file is whole. All processes must be on one host: over a network file system SQLite's
    locks can't be relied on, and nothing can detect that.

    Options: ``timeout`` and ``table``, and ``synchronous`` (``normal`` or ``full``).
    """

    capabilities = Capabilities(
        reach="host", durable=True, max_value_bytes=1_000_000_000 - 4096, ordered_scan=True
    )
    kind: ClassVar[Kind] = "sqlite"
    errors: ClassVar[Mapping[type[BaseException], type[StateError]]] = {
        sqlite3.DataError: ValueTooLargeError,
        sqlite3.Error: StoreUnavailableError,
        sqlite3.Warning: StoreUnavailableError,
        OSError: StoreUnavailableError,
    }
    known_options: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"synchronous": _synchronous}

    def __init__(self, url: StateURL, options: Mapping[str, Any]) -> None:
        super().__init__(absolute_url(url), options)
        self._path = self.url.path.removeprefix("/")
        self._put_lasting = _PUT_LASTING.format(table=self.table)

    def statements(self, table: str) -> Statements:
        """As SQLite takes them, several keys one by one."""
        return _STATEMENTS.spoken(str, table=table, now=_NOW, clock=_NOW, among="= ?")

    def connect(self, deadline: float) -> SQLiteSession:
        """Open the file; it and its folder are made where they are missing."""
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        connection = sqlite3.connect(
            self._path,
            timeout=max(deadline - time.monotonic(), 0),
            isolation_level=None,
            check_same_thread=False,  # a session is closed from another thread than its own
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self.options.get('synchronous', 'normal')}")
            connection.execute(f"PRAGMA busy_timeout = {self.timeout * 1000:.0f}")
        except BaseException:
            connection.close()
            raise
        return SQLiteSession(connection)

    def read_data(self, keys: Sequence[str]) -> list[bytes | None]:
        """The data under ``keys``, in their order, as of one moment."""
        session = self.sessions.current()
        if session is None or len(keys) != 1:
            return super().read_data(keys)
        try:
            rows = session.rows(self.sql.data, (bytearray(keys[0], "utf-8"),))
        except sqlite3.Error:
            return super().read_data(keys)  # which mends what can be, and tells the rest
        return [rows[0][0] if rows else None]

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one, if every requirement holds."""
        session, now = self.sessions.current(), time.monotonic()
        one = operations[0] if len(operations) == 1 and not require else None
        if session is None or now > self._reap_at or not _is_lasting(one):
            super().write(operations, require=require)
            return
        try:
            session.run(self._put_lasting, _row(one))
        except sqlite3.Error as error:
            until = now + time_left(self.timeout)
            if not self._is_worth_another(error, until):
                with translate_errors(self.address, self.errors) as gate:
                    gate.sent = self._is_unsettled(session, error)
                    raise
            with deadline(until):
                super().write(operations)

    def _is_worth_another(self, error: sqlite3.Error, until: float) -> bool:
        """Whether a statement that did nothing may do it the next time, if there is time left."""
        if isinstance(error, sqlite3.ProgrammingError) or self.is_missing_table(error):
            return True  # the session was closed by another thread
        # A busy file has been waited for, by pauses that SQLite counts without a clock.
        return self.is_passing(error) and until - time.monotonic() > self.timeout / 10

    def fetch(self, session: SQLiteSession, sql: str, keys: Sequence[bytes]) -> list[Row]:
        """What a query gives for several keys, in one read transaction."""
        session.run("BEGIN")
        rows = self._each(session, sql, keys)
        session.run("COMMIT")
        return rows

    def lock(self, session: SQLiteSession, keys: Sequence[bytes]) -> list[Row]:
        """Key and version of live records; the transaction has the whole file locked."""
        return self._each(session, self.sql.versions_of, keys)

    def _each(self, session: SQLiteSession, sql: str, keys: Sequence[bytes]) -> list[Row]:
        return [row for key in keys for row in session.rows(sql, (key,))]

    def delete_rows(self, session: SQLiteSession, keys: Sequence[bytes]) -> None:
        """Delete the rows of keys."""
        session.run_many(self.sql.deletes, [(key,) for key in keys])

    def watch(self, prefix: str) -> FileWatch:  # noqa: ARG002 - SQLite does not say which key
        """That any key may have changed, each time that something in the file has."""
        deadline = time.monotonic() + self.timeout
        gate = translate_errors(self.address, self.errors)
        return FileWatch(lambda: self.connect(deadline), self.is_passing, gate)

    def is_passing(self, error: BaseException) -> bool:
        """Whether others hold the file."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING

    def is_missing_table(self, error: BaseException) -> bool:
        """Whether the table is not there."""
        return isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)


def _is_lasting(operation: Operation | None) -> TypeGuard[Put]:
    return type(operation) is Put and operation.ttl is None


def _row(put: Put) -> Row:
    """Key, version and data; not as ``bytes``, for which the driver looks for adapters."""
    data = put.data
    small = bytearray(data) if len(data) < _SMALL else data
    return bytearray(put.key, "utf-8"), bytearray(put.version), small
