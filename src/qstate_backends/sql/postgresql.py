"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar, Final

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from qstate.awaiting import Coroutines, pause
from qstate.backend import (
    Capabilities,
    StateError,
    StateURL,
    StoreUnavailableError,
    ValueTooLargeError,
    translate_errors,
)
from qstate_backends.sql.asynchronous import LoopSessions
from qstate_backends.sql.database import required_database
from qstate_backends.sql.listening import listen
from qstate_backends.sql.psycopg_session import PostgreSQLSession, columns, connect, portions
from qstate_backends.sql.remembering import RememberingSQLBackend
from qstate_backends.sql.sessions import Row
from qstate_backends.sql.statements import ROW, STANDARD, Statements
from qstate_backends.sql.table import Kind

_NOW: Final = "date_part('epoch', statement_timestamp())"
_CLOCK: Final = "date_part('epoch', clock_timestamp())"
_ROWS: Final = (
    "SELECT k, v, d, {clock} + ttl "
    "FROM unnest(?::bytea[], ?::bytea[], ?::bytea[], ?::float8[]) AS new(k, v, d, ttl)"
)
_STATEMENTS: Final = replace(
    STANDARD,
    lock='INSERT INTO "{table}" AS standing ("key", "version", "data", "expires_at") '
    "SELECT k, '', '', 0 FROM unnest(?::bytea[]) AS k "
    'ON CONFLICT ("key") DO UPDATE SET "version" = standing."version" '
    'RETURNING "key", "version", {lasting}',
    remember='INSERT INTO "{table}" ("key", "version", "data", "expires_at") '
    "SELECT ?::bytea, ?::bytea, ?::bytea, {clock} + ? FROM done",
    puts=STANDARD.puts.replace(ROW, _ROWS),
    puts_keep=STANDARD.puts_keep.replace(ROW, _ROWS),
    reap=STANDARD.reap.replace("LIMIT ?", "LIMIT ? FOR UPDATE SKIP LOCKED"),
)
_PASSING: Final = (errors.SerializationFailure, errors.DeadlockDetected)


class PostgreSQLBackend(RememberingSQLBackend[PostgreSQLSession]):
    """A store in a PostgreSQL database; expiry runs by its clock.

    Options: ``timeout`` and ``table``, and of libpq ``sslmode``, ``sslrootcert``, ``sslcert``,
    ``sslkey``, ``target_session_attrs`` and ``host`` (the folder of a Unix socket).
    """

    capabilities = Capabilities(
        reach="cluster", durable=True, max_value_bytes=2**30 - 2**16, ordered_scan=True
    )
    kind: ClassVar[Kind] = "postgresql"
    errors: ClassVar[Mapping[type[BaseException], type[StateError]]] = {
        errors.ProgramLimitExceeded: ValueTooLargeError,
        psycopg.Error: StoreUnavailableError,
        psycopg.Warning: StoreUnavailableError,
        OSError: StoreUnavailableError,
    }
    known_options: ClassVar[Mapping[str, Callable[[Any], Any]]] = dict.fromkeys(
        ("host", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs"), str
    )

    def __init__(self, url: StateURL, options: Mapping[str, Any]) -> None:
        super().__init__(url, options)
        settings = {
            "user": url.username,
            "password": url.password,
            "host": ",".join(host for host, _ in url.hosts),
            "port": ",".join(str(port or 5432) for _, port in url.hosts),
            "dbname": required_database(url),
            "application_name": "qstate",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            # A wait for a lock ends before the call does, so that its outcome is known.
            "options": f"-c lock_timeout={max(self.timeout * 800, 1):.0f} "
            r"-c default_transaction_isolation=read\ committed",
        }
        self._conninfo = make_conninfo("", **(settings | self.options))

    def statements(self, table: str) -> Statements:
        """As psycopg takes them, several keys as one array."""
        return _STATEMENTS.spoken(_spoken, table=table, now=_NOW, clock=_CLOCK, among="= ANY(?)")

    def connect(self, deadline: float) -> PostgreSQLSession:
        """Connect."""
        return PostgreSQLSession(connect(self._conninfo, deadline))

    def fetch(self, session: PostgreSQLSession, sql: str, keys: Sequence[bytes]) -> list[Row]:
        """What a query gives for several keys: one statement sees one moment."""
        return session.rows(sql, (list(keys),))

    def _read_data(self, session: PostgreSQLSession, keys: Sequence[str]) -> list[bytes | None]:
        if len(keys) > 1:
            return super()._read_data(session, keys)
        value = session.value(self.sql.data, keys[0].encode())
        return [value]

    def put_batch(self, session: PostgreSQLSession, sql: str, rows: Sequence[Row]) -> None:
        """Write rows as one: by a single statement where it can hold them."""
        if len(portions(rows)) > 1:
            super().put_batch(session, sql, rows)
        else:
            session.sent = True
            session.run(sql, columns(rows))

    def lock(self, session: PostgreSQLSession, keys: Sequence[bytes]) -> list[Row]:
        """Key and version of live records; the rows of all keys are locked, absent ones too."""
        return [row[:2] for row in session.rows(self.sql.lock, (list(keys),)) if row[2]]

    def delete_rows(self, session: PostgreSQLSession, keys: Sequence[bytes]) -> None:
        """Delete the rows of keys, with the next statement."""
        session.later(self.sql.deletes, (list(keys),))

    def run_remembered(
        self, session: PostgreSQLSession, sql: str, parameters: Row, memory: Row
    ) -> int:
        """Run a statement and, where it changed a row, remember that in the same statement."""
        session.sent = True
        both = f'WITH done AS ({sql} RETURNING "key") {self.sql.remember}'
        return session.run(both, (*parameters, *memory))

    def is_duplicate(self, error: BaseException) -> bool:
        """Whether a row stands already that was to be inserted."""
        return isinstance(error, errors.UniqueViolation)

    def watch(self, prefix: str) -> AbstractContextManager[Iterator[str]]:
        """A key for each change under ``prefix``, as the table's triggers tell it."""
        deadline = time.monotonic() + self.timeout
        gate = translate_errors(self.address, self.errors)
        return listen(lambda: connect(self._conninfo, deadline), self.table, prefix, gate)

    def aio(self) -> Coroutines:
        """The same over sessions of the running event loop."""
        looped = copy.copy(self)
        looped.sessions = LoopSessions(self.connect)
        looped.pause = pause
        return Coroutines(looped)

    def is_passing(self, error: BaseException) -> bool:
        """Whether it was a deadlock or the like."""
        return isinstance(error, _PASSING)

    def is_missing_table(self, error: BaseException) -> bool:
        """Whether the table is not there."""
        return isinstance(error, errors.UndefinedTable)


def _spoken(sql: str) -> str:
    return sql.replace("?", "%b")
