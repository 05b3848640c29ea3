"""Watching a Redis server by its own tracking: the server tells, and writers pay nothing.

``CLIENT TRACKING ON BCAST`` (Redis 6 and later) has the server push the name of each key that
changes under a prefix; https://redis.io/docs/latest/develop/reference/client-side-caching/.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

import hiredis

from qstate_backends.redis.errors import leave
from qstate_backends.redis.server import first_error
from qstate_backends.redis.wire import Wire, pack_small

_HELLO: Final = pack_small(("HELLO", "3"))
_PING: Final = pack_small(("PING",))


class Tracking(Iterator[str]):
    """The keys that change under a prefix, from when the context is entered; ``""``: any may have.

    Args:
        dial: Makes a connection, within a deadline on ``time.monotonic``.
        prefix: Of the keys that are told.
        address: Where the server is, without secrets, for messages.
        timeout: Seconds to connect; also how long a silence may be before the server is asked
            whether it is still there, and how long it may take to answer.
    """

    def __init__(self, dial: Any, prefix: str, address: str, timeout: float) -> None:
        self._dial = dial
        self._prefix = prefix
        self._address = address
        self._timeout = timeout
        self._link: Wire | None = None
        self._left = False
        self._told: list[str] = []

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self._timeout
        arguments = ("PREFIX", self._prefix) if self._prefix else ()
        track = pack_small(("CLIENT", "TRACKING", "ON", "BCAST", *arguments))
        try:
            self._link = link = self._dial(deadline)
            error = first_error(link.ask_all([_HELLO, track], deadline))
        except BaseException as error:  # noqa: BLE001 - raised again, as what it is in qstate
            self.__exit__()
            leave(error, self._address, sent=False)
        if error is not None:
            self.__exit__()
            leave(error, self._address, sent=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._left = True
        if self._link is not None:
            self._link.close()  # ends the wait of another thread

    def __next__(self) -> str:
        while not self._told:
            try:
                self._told = self._keys(self._message())
            except BaseException as error:  # noqa: BLE001 - raised again, as what it is in qstate
                if self._left:
                    raise StopIteration from None
                leave(error, self._address, sent=False)
        return self._told.pop(0)

    def _message(self) -> Any:
        """What the server says next; while it is silent it is asked now and then."""
        assert self._link is not None
        asked = False
        while (message := self._link.wait(self._timeout)) is None:
            if asked:
                raise TimeoutError(f"no answer within the timeout of {self._timeout:g} s")
            self._link.tell(_PING)
            asked = True
        return message

    def _keys(self, message: Any) -> list[str]:
        if not isinstance(message, hiredis.PushNotification) or message[0] != b"invalidate":
            return []
        if message[1] is None:  # the database was flushed
            return [""]
        return [key for raw in message[1] if (key := raw.decode(errors="replace"))]
