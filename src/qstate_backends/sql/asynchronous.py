"""The sessions of one event loop: PostgreSQL's answers are awaited there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from qstate_backends import loops
from qstate_backends.sql.psycopg_session import PostgreSQLSession
from qstate_backends.sql.sessions import Sessions


class LoopSessions(Sessions[PostgreSQLSession]):
    """As :class:`Sessions`, for coroutines: each call has a session that no other uses.

    A call that is cancelled closes its session: the answer still to come is nobody's.

    Args:
        connect: Makes a session by a deadline, in a thread: looking up hosts is made for those.
    """

    def __init__(self, connect: Callable[[float], PostgreSQLSession]) -> None:
        super().__init__(connect)
        self._idle: list[PostgreSQLSession] = []
        self._places = asyncio.Semaphore(loops.CONNECTIONS)
        self._closed = False

    def ready(self, deadline: float) -> PostgreSQLSession:
        """A session that is this call's until it is put back."""
        loops.take(self._places, deadline)
        try:
            session = self._idle_session() or self._connected(deadline)
        except BaseException:
            self._places.release()
            raise
        session.deadline = deadline
        session.sent = False
        return session

    def put_back(self, session: PostgreSQLSession) -> None:
        """Leave a session to other calls, unless it was dropped meanwhile."""
        self._places.release()
        if session not in self._open:
            return
        if self._closed:
            self.drop(session)
        else:
            self._idle.append(session)

    def close(self) -> None:
        """Close the sessions; those of calls that are under way when these have ended."""
        self._closed = True
        while self._idle:
            self.drop(self._idle.pop())

    def _idle_session(self) -> PostgreSQLSession | None:
        while self._idle:
            session = self._idle.pop()
            if session.is_idle():
                return session
            self.drop(session)
        return None

    def _connected(self, deadline: float) -> PostgreSQLSession:
        session = loops.opened(lambda: self._connect(deadline))
        session.suspend()
        self._open.add(session)
        return session
