"""MariaDB and MySQL, through PyMySQL."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import pymysql
from pymysql.constants import CLIENT, ER

from qstate.backend import (
    Capabilities,
    InvalidURLError,
    StateError,
    StateURL,
    StoreUnavailableError,
)
from qstate_backends.sql.database import required_database
from qstate_backends.sql.pymysql_session import (
    CLOCK,
    DeadlineConnection,
    MySQLSession,
    code_of,
)
from qstate_backends.sql.remembering import RememberingSQLBackend
from qstate_backends.sql.sessions import Row
from qstate_backends.sql.statements import ROW, STANDARD, Statements
from qstate_backends.sql.table import Kind

# Unlike SYSDATE, NOW stands still during a statement.
_NOW: Final = "UNIX_TIMESTAMP(NOW(6))"
_INSERT: Final = (
    f'INSERT INTO "{{table}}" ("key", "version", "data", "expires_at") {ROW} '
    "ON DUPLICATE KEY UPDATE "
)
_WRITTEN: Final = '"version" = VALUES("version"), "data" = VALUES("data"), '
_PUT: Final = f'{_INSERT}{_WRITTEN}"expires_at" = VALUES("expires_at")'
_PUT_KEEP: Final = f'{_INSERT}{_WRITTEN}"expires_at" = IF({{lasting}}, "expires_at", NULL)'
# Assignments are made from left to right, so the expiry, which they ask for, comes last.
_PUT_ABSENT: Final = _INSERT + ", ".join(
    f'"{column}" = IF({{lasting}}, "{column}", VALUES("{column}"))'
    for column in ("version", "data", "expires_at")
)
_STATEMENTS: Final = replace(
    STANDARD,
    lock=f'{_INSERT}"version" = "{{table}}"."version"',
    put=_PUT,
    put_keep=_PUT_KEEP,
    put_absent=_PUT_ABSENT,
    puts=_PUT,
    puts_keep=_PUT_KEEP,
    remember='INSERT INTO "{table}" ("key", "version", "data", "expires_at") '
    "SELECT ?, ?, ?, {clock} + ? FROM DUAL WHERE ROW_COUNT() > 0",
    reap='SELECT "key" FROM "{table}" WHERE "expires_at" <= {now} LIMIT ? FOR UPDATE SKIP LOCKED',
)
_CHANGED_SINCE_READ: Final = 1020
_PASSING: Final = {ER.LOCK_DEADLOCK, _CHANGED_SINCE_READ}
_EXISTING: Final = {ER.TABLE_EXISTS_ERROR, ER.DUP_KEYNAME}
_LONG_AGO: Final = -3600.0
_MANY_KEYS: Final = 1000


def _boolean(value: object) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError("true or false")
    return known[str(value).lower()]


class MySQLBackend(RememberingSQLBackend[MySQLSession]):
    """A store in a MariaDB or MySQL database; expiry runs by its clock.

    A value must fit into the server's ``max_allowed_packet``, with a few percent to spare.

    Options: ``timeout`` and ``table``, ``ssl_ca``, ``ssl_cert``, ``ssl_key``, ``ssl_verify_cert``,
    ``ssl_verify_identity`` (as PyMySQL's), and ``unix_socket`` (its path).
    """

    capabilities = Capabilities(
        reach="cluster", durable=True, max_value_bytes=2**30 - 2**16, ordered_scan=True
    )
    kind: ClassVar[Kind] = "mysql"
    errors: ClassVar[Mapping[type[BaseException], type[StateError]]] = {
        pymysql.err.MySQLError: StoreUnavailableError,
        pymysql.err.Warning: StoreUnavailableError,
        OSError: StoreUnavailableError,
    }
    known_options: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "ssl_ca": str,
        "ssl_cert": str,
        "ssl_key": str,
        "ssl_verify_cert": _boolean,
        "ssl_verify_identity": _boolean,
        "unix_socket": str,
    }

    def __init__(self, url: StateURL, options: Mapping[str, Any]) -> None:
        super().__init__(url, options)
        self._database = required_database(url)
        if len(url.hosts) > 1:
            raise InvalidURLError(f"{url}: one host is expected")

    def statements(self, table: str) -> Statements:
        """As PyMySQL takes them, several keys as one list."""
        return _STATEMENTS.spoken(_spoken, table=table, now=_NOW, clock=CLOCK, among="IN ?")

    def connect(self, deadline: float) -> MySQLSession:
        """Connect, and settle how the server reads what it is sent."""
        tls = {name: value for name, value in self.options.items() if name != "unix_socket"}
        connection = DeadlineConnection(
            user=self.url.username,
            password=self.url.password or "",
            host=self.url.host or "localhost",
            database=self._database,
            charset="utf8mb4",
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
            defer_connect=True,
            **tls,
        )
        connection.expect_by(deadline)
        link = self._socket(deadline)
        handle = link.fileno()
        connection.connect(link)
        session = MySQLSession(connection, handle)
        session.deadline = deadline
        session.later("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        # A wait for a lock ends before the call does, so that its outcome is known.
        session.run(
            "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES', "
            "innodb_lock_wait_timeout = %s",
            (max(int(self.timeout * 0.8), 1),),
        )
        return session

    def _socket(self, deadline: float) -> socket.socket:
        left = max(deadline - time.monotonic(), 0.001)
        if path := self.options.get("unix_socket"):
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(left)
            link.connect(path)
            return link
        link = socket.create_connection((self.url.host, self.url.port or 3306), left)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return link

    def fetch(self, session: MySQLSession, sql: str, keys: Sequence[bytes]) -> list[Row]:
        """What a query gives for several keys; more than a statement takes, in one snapshot."""
        if len(keys) <= _MANY_KEYS:
            return session.rows(sql, (tuple(keys),))
        session.begin_reading()
        rows = self._by_thousands(session, sql, keys)
        session.commit()
        session.sent = False
        return rows

    def _by_thousands(self, session: MySQLSession, sql: str, keys: Sequence[bytes]) -> list[Row]:
        starts = range(0, len(keys), _MANY_KEYS)
        portions = [tuple(keys[start : start + _MANY_KEYS]) for start in starts]
        return [row for portion in portions for row in session.rows(sql, (portion,))]

    def lock(self, session: MySQLSession, keys: Sequence[bytes]) -> list[Row]:
        """Key and version of live records; the rows of all keys are locked, absent ones too."""
        session.run_many(self.sql.lock, [(key, b"", b"", _LONG_AGO) for key in keys])
        return self._by_thousands(session, f"{self.sql.versions_of} FOR UPDATE", keys)

    def delete_rows(self, session: MySQLSession, keys: Sequence[bytes]) -> None:
        """Delete the rows of keys, with the next statement."""
        starts = range(0, len(keys), _MANY_KEYS)
        for start in starts:
            session.later(self.sql.deletes, (tuple(keys[start : start + _MANY_KEYS]),))

    def reap(self, session: MySQLSession, limit: int) -> int:
        """Remove expired records that nobody has locked; return how many."""
        session.begin()
        names = [row[0] for row in session.rows(self.sql.reap, (limit,))]
        self.delete_rows(session, names)
        session.commit()
        session.sent = False
        return len(names)

    def run_remembered(self, session: MySQLSession, sql: str, parameters: Row, memory: Row) -> int:
        """Run a statement and, where it changed a row, remember that in the same transaction."""
        session.begin()
        session.later(sql, parameters)
        session.later(self.sql.remember, memory)
        return session.commit_and_count()

    def is_duplicate(self, error: BaseException) -> bool:
        """Whether a row stands already that was to be inserted."""
        return code_of(error) == ER.DUP_ENTRY

    def is_passing(self, error: BaseException) -> bool:
        """Whether it was a deadlock or the like."""
        return code_of(error) in _PASSING

    def is_missing_table(self, error: BaseException) -> bool:
        """Whether the table is not there."""
        return code_of(error) == ER.NO_SUCH_TABLE

    def is_existing_table(self, error: BaseException) -> bool:
        """Whether another process has made it meanwhile."""
        return code_of(error) in _EXISTING


def _spoken(sql: str) -> str:
    return sql.replace("?", "%s").replace('"', "`")
