"""Watching a file: SQLite counts the changes that other connections make, and is asked often."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self

from qstate.backend import translate_errors
from qstate_backends.sql.sessions import Row

LOOK: Final = 0.01
"""Seconds between two looks at the count; a look takes some microseconds, and reads no page."""


class _Asked(Protocol):
    """The session of a file."""

    def rows(self, sql: str, parameters: Any = ()) -> list[Row]:
        """What a query gives."""

    def close(self) -> None:
        """Close the file."""


class FileWatch(Iterator[str]):
    """Says that any key may have changed, each time that something in the file has.

    Args:
        connect: Opens the file; nothing is written over this connection, so that it sees all.
        is_passing: Whether an error means that others hold the file just now.
        gate: Through which the driver's errors leave.
    """

    def __init__(
        self,
        connect: Callable[[], _Asked],
        is_passing: Callable[[BaseException], bool],
        gate: translate_errors,
    ) -> None:
        self._connect = connect
        self._is_passing = is_passing
        self._gate = gate
        self._left = threading.Event()
        self._asking = threading.Lock()
        self._session: _Asked | None = None
        self._count = 0

    def __enter__(self) -> Self:
        with self._gate:
            self._session = self._connect()
            self._has_changed()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._left.set()
        with self._asking:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def __next__(self) -> str:
        while not self._left.wait(LOOK):
            with self._gate:
                if self._has_changed():
                    return ""
        raise StopIteration

    def _has_changed(self) -> bool:
        with self._asking:
            if self._session is None:
                return False
            try:
                count: int = self._session.rows("PRAGMA data_version")[0][0]
            except sqlite3.Error as error:
                if self._is_passing(error):
                    return False
                raise
        before, self._count = self._count, count
        return count != before
