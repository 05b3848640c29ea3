"""SQLBackend: what SQLite, PostgreSQL and MariaDB have in common.

A record is a row; a record that has expired is absent and stays as a row until it is reaped. One
statement is a transaction of its own. Whatever takes more than one locks the rows of all its keys
first, in the order of the keys, so that two of them never wait for each other in a circle, and then
applies. The row of a key that is absent is locked as well: an expired row is put in its place, for
which whoever wants to insert that key has to wait.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from qstate.backend import (
    KEEP,
    NO_REQUIREMENTS,
    ConflictError,
    Delete,
    Keep,
    Operation,
    Put,
    Record,
    StateURL,
    Version,
)
from qstate_backends.sql.database import Database
from qstate_backends.sql.sessions import Row, S

LONGEST_TTL: Final = 1e11
"""Seconds; a ``ttl`` beyond this, some 3,000 years, is cut to it."""

_AFTER_ALL: Final = b"\xff"  # greater than any UTF-8
_REAP_EVERY: Final = 10.0
_REAP_AT_ONCE: Final = 100


class SQLBackend(Database[S]):
    """A backend whose records are rows."""

    def __init__(self, url: StateURL, options: Mapping[str, Any]) -> None:
        super().__init__(url, options)
        # Somewhere within the interval, so that short-lived processes do their share.
        self._reap_at = time.monotonic() + random.Random().uniform(0, _REAP_EVERY)

    def read_data(self, keys: Sequence[str]) -> list[bytes | None]:
        """The data under ``keys``, in their order, as of one moment."""
        return self.call(self._read_data, keys) if keys else []

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys``, in their order, as of one moment."""
        return self.call(self._read, keys) if keys else []

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one, if every requirement holds."""
        if operations or require:
            self.call(self._write, operations, require)

    def remove(self, keys: Sequence[str]) -> int:
        """Remove ``keys`` as one; return how many stood."""
        return self.call(self._remove, keys) if keys else 0

    def count(self, prefix: str) -> int:
        """How many keys begin with ``prefix``, none of them beginning with NUL."""
        first, end = _range(prefix)
        return self.call(self._count, max(first, b"\x01"), end)

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """One page of the keys that begin with ``prefix``, in their order."""
        first, end = _range(prefix)
        found = self.call(self._scan, cursor or first, end, limit)
        following = found[-1] + b"\0" if found and len(found) >= limit else None
        return [key.decode() for key in found], following

    def close(self) -> None:
        """Close the connections of all threads."""
        self.sessions.close()

    # -- reading ---------------------------------------------------------------------------------

    def _read_data(self, session: S, keys: Sequence[str]) -> list[bytes | None]:
        names = _names(keys)
        if len(names) == 1:
            rows = session.rows(self.sql.data, names)
            return [rows[0][0] if rows else None]
        found: dict[bytes, bytes] = dict(self.fetch(session, self.sql.data_of, names))
        return [found.get(name) for name in names]

    def _read(self, session: S, keys: Sequence[str]) -> list[Record | None]:
        names = _names(keys)
        if len(names) == 1:
            rows = session.rows(self.sql.record, names)
        else:
            rows = self.fetch(session, self.sql.records_of, names)
        found = {row[0]: Record(Version(row[1]), row[2], row[3]) for row in rows}
        return [found.get(name) for name in names]

    def _count(self, session: S, first: bytes, end: bytes) -> int:
        count: int = session.rows(self.sql.count, (first, end))[0][0]
        return count

    def _scan(self, session: S, first: bytes, end: bytes, limit: int) -> list[bytes]:
        return [row[0] for row in session.rows(self.sql.scan, (first, end, limit))]

    # -- writing ---------------------------------------------------------------------------------

    def _write(
        self, session: S, operations: Sequence[Operation], require: Mapping[str, Version | None]
    ) -> None:
        self.reap_at_times(session)
        if len(operations) == 1 and not require:
            session.sent = True
            session.run(*self._plain(operations[0]))
        elif is_about_itself(operations, require):
            self._write_required(session, operations[0], require[operations[0].key])
        elif not operations:
            check(self.fetch(session, self.sql.versions_of, _names(require)), require)
        else:
            self._write_several(session, operations, require)

    def _plain(self, operation: Operation) -> tuple[str, Row]:
        if isinstance(operation, Delete):
            return self.sql.delete, (operation.key.encode(),)
        return (self.sql.put_keep if operation.ttl is KEEP else self.sql.put), _row(operation)

    def _write_required(self, session: S, operation: Operation, expected: Version | None) -> None:
        statement = self.required(operation, expected)
        name = operation.key.encode()
        while True:
            session.sent = True
            if session.run(*statement):
                return
            session.sent = False
            # Where it holds by now, after all, the statement is run again.
            rows = self.fetch(session, self.sql.versions_of, [name])
            check(rows, {operation.key: expected})

    def required(self, operation: Operation, expected: Version | None) -> tuple[str, Row]:
        """The statement that applies an operation where the expected version stands."""
        if isinstance(operation, Delete):
            return self.sql.delete_version, (operation.key.encode(), expected)
        name, version, data, ttl = _row(operation)
        if expected is None:
            return self.sql.put_absent, (name, version, data, ttl)
        if operation.ttl is KEEP:
            return self.sql.replace_keep, (version, data, name, expected)
        return self.sql.replace, (version, data, ttl, name, expected)

    def _write_several(
        self, session: S, operations: Sequence[Operation], require: Mapping[str, Version | None]
    ) -> None:
        batches = self._batches(operations)
        if len(batches) == 1 and not require and len(batches[0][1]) == len(operations):
            self.put_batch(session, *batches[0])
        else:
            self._write_locked(session, operations, require, None)

    def _write_locked(
        self,
        session: S,
        operations: Sequence[Operation],
        require: Mapping[str, Version | None],
        memory: Row | None,
    ) -> None:
        """Apply operations with the rows of all keys locked.

        Args:
            session: Where to.
            operations: What to apply.
            require: What must hold.
            memory: A row to write with them; nothing is done where it stands already.
        """
        session.begin()
        written = {each.key.encode() for each in operations} | ({memory[0]} if memory else set())
        required = set(_names(require))
        rows = self.lock(session, sorted(written | required))
        held = {row[0] for row in rows}
        if memory and memory[0] in held:
            session.roll_back()
            return
        check(rows, require)
        deletes = {each.key.encode() for each in operations if isinstance(each, Delete)}
        if doomed := deletes | required - written - held:
            self.delete_rows(session, sorted(doomed))
        for sql, batch in self._batches(operations):
            session.run_many(sql, batch)
        if memory:
            session.later(self.sql.put, memory)
        session.commit()

    def _batches(self, operations: Sequence[Operation]) -> list[tuple[str, list[Row]]]:
        puts = sorted((each for each in operations if isinstance(each, Put)), key=_key)
        keeping = [_row(put) for put in puts if put.ttl is KEEP]
        renewing = [_row(put) for put in puts if put.ttl is not KEEP]
        batches = ((self.sql.puts_keep, keeping), (self.sql.puts, renewing))
        return [batch for batch in batches if batch[1]]

    def put_batch(self, session: S, sql: str, rows: Sequence[Row]) -> None:
        """Write rows, which are in the order of their keys, as one."""
        session.begin()
        session.run_many(sql, rows)
        session.commit()

    def _remove(self, session: S, keys: Sequence[str]) -> int:
        names = sorted(set(_names(keys)))
        if len(names) == 1:
            session.sent = True
            return session.run(self.sql.delete_live, names)
        session.begin()
        standing = self.lock(session, names)
        self.delete_rows(session, names)
        session.commit()
        return len(standing)

    def reap_at_times(self, session: S) -> None:
        """Reap, where it has not been done for a while, before anything of a call is applied."""
        if time.monotonic() > self._reap_at:
            reaped = self.reap(session, _REAP_AT_ONCE)
            if reaped < _REAP_AT_ONCE:
                self._reap_at = time.monotonic() + _REAP_EVERY

    def reap(self, session: S, limit: int) -> int:
        """Remove up to ``limit`` expired records; return how many."""
        return session.run(self.sql.reap, (limit,))


def check(rows: Iterable[Row], require: Mapping[str, Version | None]) -> None:
    """Compare what stands, keys and versions, with what is required.

    Raises:
        ConflictError: They differ.
    """
    standing = {name: Version(version) for name, version in rows}
    for key, expected in require.items():
        actual = standing.get(key.encode())
        if actual != expected:
            raise ConflictError(key, expected, actual)


def is_about_itself(operations: Sequence[Operation], require: Mapping[str, Version | None]) -> bool:
    """Whether there is one operation, whose own statement can tell that what it requires holds."""
    if len(operations) != 1 or len(require) != 1 or operations[0].key not in require:
        return False
    operation, expected = operations[0], require[operations[0].key]
    if isinstance(operation, Delete):
        return expected is not None
    # What writes the same again is not counted as a change by MySQL.
    return operation.version != expected


def _key(operation: Operation) -> bytes:
    return operation.key.encode()


def _names(keys: Collection[str]) -> list[bytes]:
    return [key.encode() for key in keys]


def _row(put: Put) -> Row:
    ttl = put.ttl
    if ttl is not None:
        ttl = None if isinstance(ttl, Keep) else min(float(ttl), LONGEST_TTL)
    return put.key.encode(), bytes(put.version), put.data, ttl


def _range(prefix: str) -> tuple[bytes, bytes]:
    """The first key that begins with ``prefix``, and the first after all of those."""
    first = prefix.encode()
    # No byte of UTF-8 is the greatest one, so the last one can always be raised.
    return first, first[:-1] + bytes([first[-1] + 1]) if first else _AFTER_ALL
