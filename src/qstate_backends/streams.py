"""Changes that a server streams over a connection of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import msgpack

from qstate.backend import StoreUnavailableError
from qstate_backends import wire
from qstate_backends.answers import payload_of

_BEATS: Final = 3
"""That a server may miss before it is taken for gone."""

_SHORTEST_BEAT: Final = 0.1
_LONGEST_BEAT: Final = 10.0


class StreamedWatch(Iterator[str]):
    """The keys that a server tells of; where nothing changes, it says so at every beat.

    Args:
        connection: To the server; the watch owns it from now on.
        label: What the store is called in errors.
        prefix: Of the keys that are told.
        timeout: Seconds to begin; about so long may a silence be.

    Raises:
        StateError: The server did not begin, and says why.
        OSError: It did not answer in time.
    """

    def __init__(
        self, connection: wire.Connection, label: str, prefix: str, timeout: float
    ) -> None:
        self._connection = connection
        self._label = label
        self._beat = min(max(timeout / _BEATS, _SHORTEST_BEAT), _LONGEST_BEAT)
        self._told: list[str] = []
        self._left = False
        deadline = time.monotonic() + timeout
        connection.send(wire.frame(msgpack.packb(["watch", None, [prefix, self._beat]])), deadline)
        payload_of(connection.receive_next(deadline)[0])

    def __next__(self) -> str:
        while not self._told:
            self._told = self._more()
        return self._told.pop()

    def _more(self) -> list[str]:
        try:
            silence_ends = time.monotonic() + _BEATS * self._beat
            head, _ = self._connection.receive_next(silence_ends)
        except (OSError, wire.FrameError) as error:
            self._connection.close()
            if self._left:
                raise StopIteration from None
            raise StoreUnavailableError(
                f"{self._label} does not tell of changes any more: {error}", outcome="not applied"
            ) from error
        told: list[str] = payload_of(head)
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._left = True
        self._connection.interrupt()  # ends the wait of another thread, which then closes it
