"""Remembering what was applied, so that an operation whose answer was lost can be asked again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final

from qstate.backend import NO_REQUIREMENTS, Operation, Version
from qstate_backends.sql.backend import SQLBackend, check, is_about_itself
from qstate_backends.sql.sessions import Row, S

_REMEMBERED_FOR: Final = 120.0


class RememberingSQLBackend(SQLBackend[S]):
    """A backend on a server that can be lost between a statement and its answer.

    An applied operation is a row among the others, expiring like them. Its key is its id behind a
    byte that no UTF-8 has and that is greater than any, so no read, scan or count comes across it.
    """

    @abstractmethod
    def run_remembered(self, session: S, sql: str, parameters: Row, memory: Row) -> int:
        """Run a statement and, where it changed a row, insert the memory of it, as one."""

    @abstractmethod
    def is_duplicate(self, error: BaseException) -> bool:
        """Whether a row stands already that was to be inserted."""

    def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``; nothing is done where the operation is remembered."""
        if operations or require:
            self.call(self._write_once, operation, operations, require)

    def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``; where the operation is remembered, its count is told again."""
        return self.call(self._remove_once, operation, keys) if keys else 0

    def _write_once(
        self,
        session: S,
        operation: Version,
        operations: Sequence[Operation],
        require: Mapping[str, Version | None],
    ) -> None:
        self.reap_at_times(session)
        if not operations:
            self._write(session, operations, require)
        elif is_about_itself(operations, require):
            self._write_required_once(session, _memory(operation), operations[0], require)
        else:
            self._write_locked(session, operations, require, _memory(operation))

    def _write_required_once(
        self,
        session: S,
        memory: Row,
        operation: Operation,
        require: Mapping[str, Version | None],
    ) -> None:
        statement = self.required(operation, require[operation.key])
        names = [operation.key.encode(), memory[0]]
        while not self._run_once(session, *statement, memory):
            rows = self.fetch(session, self.sql.versions_of, names)
            if any(row[0] == memory[0] for row in rows):
                return
            check(rows, require)

    def _run_once(self, session: S, sql: str, parameters: Row, memory: Row) -> int:
        """Run a statement that changes one row at most; 1 also where that is remembered."""
        try:
            changed = self.run_remembered(session, sql, parameters, memory)
        except Exception as error:
            if not self.is_duplicate(error) or not session.recover(error):
                raise
            changed = 1
        session.sent = False
        return changed

    def _remove_once(self, session: S, operation: Version, keys: Sequence[str]) -> int:
        names = sorted({key.encode() for key in keys})
        memory = _memory(operation)
        if len(names) > 1:
            return self._remove_locked(session, names, memory)
        changed = self._run_once(session, self.sql.delete_live, tuple(names), memory)
        return changed or len(self.fetch(session, self.sql.versions_of, [memory[0]]))

    def _remove_locked(self, session: S, names: Sequence[bytes], memory: Row) -> int:
        session.begin()
        standing = {row[0] for row in self.lock(session, [*names, memory[0]])}
        if memory[0] in standing:
            session.roll_back()
            return int(session.rows(self.sql.data, memory[:1])[0][0])
        self.delete_rows(session, names)
        name, version, _, ttl = memory
        session.later(self.sql.put, (name, version, b"%d" % len(standing), ttl))
        session.commit()
        return len(standing)


def _memory(operation: Version) -> Row:
    return b"\xff" + operation, bytes(operation), b"", _REMEMBERED_FOR
