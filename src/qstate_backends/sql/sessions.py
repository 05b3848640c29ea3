"""Sessions: one connection for each thread, closed when its thread ends."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

Row = tuple[Any, ...]


class Session(ABC):
    """One thread's connection, in autocommit between ``begin`` and ``commit``.

    Attributes:
        deadline: When the call that it serves must end, by ``time.monotonic``.
        sent: Whether what would apply the call has been sent.
    """

    deadline: float
    sent: bool = False

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """What a query gives."""

    @abstractmethod
    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""

    def later(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement of which nothing is to be known, at the latest before the next one.

        Where that saves an answer's way through the network, it is sent with the next one.
        """
        self.run(sql, parameters)

    @abstractmethod
    def run_many(self, sql: str, rows: Sequence[Row]) -> None:
        """As ``later``, for rows in their order."""

    @abstractmethod
    def begin(self) -> None:
        """As ``later``: begin a transaction that writes."""

    def commit(self) -> None:
        """Make it so; from here on the outcome is the server's to tell."""
        self.sent = True
        self.run("COMMIT")

    def roll_back(self) -> None:
        """Undo what the transaction has done."""
        self.run("ROLLBACK")

    @abstractmethod
    def is_idle(self) -> bool:
        """Whether the connection is still there, as far as can be told without sending."""

    @abstractmethod
    def recover(self, error: BaseException) -> bool:
        """After an error: roll back, and say whether the session can go on.

        Where it can, what failed was not applied.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection; closing twice is fine."""


S = TypeVar("S", bound=Session)


class Sessions(Generic[S]):
    """The sessions of a backend.

    They are held here, not by their threads alone: a forked child clears what its parent's threads
    held, and must not close the parent's connections by that.

    Args:
        connect: Makes a session by a deadline.
    """

    def __init__(self, connect: Callable[[float], S]) -> None:
        self._connect = connect
        self._seats = threading.local()
        self._open: set[S] = set()
        self._process = os.getpid()

    def ready(self, deadline: float) -> S:
        """This thread's session, connected anew where the connection was found dead."""
        session = self.current()
        if session is None or session not in self._open or not session.is_idle():
            if session is not None:
                self.drop(session)
            session = self._take_seat(deadline)
        session.deadline = deadline
        session.sent = False
        return session

    def put_back(self, session: S) -> None:
        """Have no more use of a session in this call: it stays its thread's."""

    def current(self) -> S | None:
        """This thread's session as it was left, or None where it never had one."""
        seat: _Seat[S] | None = getattr(self._seats, "taken", None)
        return None if seat is None else seat.session

    def _take_seat(self, deadline: float) -> S:
        session = self._connect(deadline)
        self._open.add(session)
        self._seats.taken = _Seat(self, session)
        return session

    def drop(self, session: S) -> None:
        """Close a session; its thread gets another when it next asks."""
        if os.getpid() == self._process:
            self._open.discard(session)
            session.close()

    def close(self) -> None:
        """Close the sessions of all threads."""
        for session in list(self._open):
            self.drop(session)


class _Seat(Generic[S]):
    """What a thread holds of its session; gone with the thread."""

    __slots__ = ("session", "sessions")

    def __init__(self, sessions: Sessions[S], session: S) -> None:
        self.sessions = sessions
        self.session = session

    def __del__(self) -> None:
        self.sessions.drop(self.session)
