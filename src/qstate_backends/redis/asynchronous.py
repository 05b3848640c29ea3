"""The connections of one event loop: what the backend sends is awaited there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from qstate.awaiting import await_
from qstate.backend import time_left
from qstate_backends import loops
from qstate_backends.redis.connections import Connections
from qstate_backends.redis.wire import Packed, Wire


class LoopConnections(Connections):
    """As :class:`Connections`, for coroutines: each call has a connection that no other uses.

    A call that is cancelled, or fails, closes its connection: the answer still to come is nobody's.
    """

    __slots__ = ("_idle", "_places")

    def __init__(self, like: Connections) -> None:
        super().__init__(like.dial, like.address, like.timeout)
        self._idle: list[Wire] = []
        self._places = asyncio.Semaphore(loops.CONNECTIONS)

    def ask(self, command: Packed, key: str, deadline: float | None = None) -> Any:
        """Send one command and return its reply."""
        return self.ask_all([command], key, deadline)[0]

    def ask_all(
        self,
        commands: Sequence[Packed],
        key: str,  # noqa: ARG002
        deadline: float | None = None,
    ) -> list[Any]:
        """As :meth:`ask`, for several commands in one round trip."""
        until = time.monotonic() + time_left(self.timeout) if deadline is None else deadline
        self._take_place(until)
        try:
            link = self._idle_link() or loops.opened(lambda: self._open(until))
            return self._asked(link, commands, until)
        finally:
            self._places.release()

    def close(self) -> None:
        """Hang up on all connections."""
        super().close()
        self._idle.clear()

    def _forget(self) -> None:
        self._idle.clear()

    def _take_place(self, until: float) -> None:
        try:
            loops.take(self._places, until)
        except TimeoutError as error:
            self._fail(error, sent=False)

    def _asked(self, link: Any, commands: Sequence[Packed], until: float) -> list[Any]:
        try:
            answer = loops.bounded(link.awaited(commands), max(until - time.monotonic(), 0.001))
            replies: list[Any] = await_(answer)
        except BaseException as error:  # noqa: BLE001 - raised again, as what it is in qstate
            self._drop(link, error)
        self._idle.append(link)
        return replies

    def _idle_link(self) -> Wire | None:
        while self._idle:
            link = self._idle.pop()
            if link.is_fresh():
                return link
            link.close()
        return None
