"""Connections: one connection for each thread, made when first used and closed with the thread."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from redis.exceptions import ReadOnlyError

from qstate.backend import time_left
from qstate_backends.redis.errors import leave
from qstate_backends.redis.server import Server
from qstate_backends.redis.wire import Packed, pack


class Link(Protocol):
    """A connection as :class:`Connections` uses it, such as ``qstate_backends.redis.wire.Wire``."""

    sent: bool

    def is_fresh(self) -> bool:
        """Whether it can be expected to work."""

    def ask(self, command: Packed, deadline: float) -> Any:
        """Send one command and return its reply, an error that the server replied included."""

    def ask_all(self, commands: Sequence[Packed], deadline: float) -> list[Any]:
        """Send several commands in one round trip and return their replies."""

    def limit(self, deadline: float) -> None:
        """Have the next call end earlier than the usual timeout."""

    def cut(self) -> None:
        """End it, from any thread; the one that uses it gets an error."""

    def close(self) -> None:
        """Hang up and let go of it."""


class Connections(Server):
    """The connections of one process to one server.

    Args:
        dial: Makes a connection, within a deadline on ``time.monotonic``.
        address: Where the server is, without secrets, for messages.
        timeout: Seconds that a whole call may take.

    Attributes:
        dial: Makes a connection.
    """

    __slots__ = ("_all", "_closed", "_lock", "_mine", "dial")

    def __init__(self, dial: Callable[[float], Link], address: str, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        self.dial = dial
        self._mine = _OfThread()
        self._all: weakref.WeakSet[Link] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, command: Packed, key: str, deadline: float | None = None) -> Any:  # noqa: ARG002
        """Send one command on this thread's connection; the key is of no use here."""
        left = time_left(self.timeout)
        until = time.monotonic() + left if deadline is None else deadline
        link = self._take(until)
        try:
            if deadline is not None or left < self.timeout:
                link.limit(until)
            reply = link.ask(command, until)
        except BaseException as error:  # noqa: BLE001 - raised again, as what it is in qstate
            self._drop(link, error)
        # Only a connection that has come to the end of a reply is ever put back.
        self._mine.link = link
        return reply

    def ask_all(
        self,
        commands: Sequence[Packed],
        key: str,  # noqa: ARG002
        deadline: float | None = None,
    ) -> list[Any]:
        """As :meth:`ask`, for several commands in one round trip."""
        left = time_left(self.timeout)
        until = time.monotonic() + left if deadline is None else deadline
        link = self._take(until)
        try:
            if deadline is not None or left < self.timeout:
                link.limit(until)
            replies = link.ask_all(commands, until)
        except BaseException as error:  # noqa: BLE001 - raised again, as what it is in qstate
            self._drop(link, error)
        self._mine.link = link
        return replies

    def scan(
        self, cursor: bytes | None, arguments: Sequence[str | int]
    ) -> tuple[list[bytes], bytes | None]:
        """One page of SCAN; Redis's own cursor goes out as it came."""
        following, keys = self.call(pack("SCAN", cursor or b"0", *arguments), "")
        return keys, None if following == b"0" else following

    def refuse(self, error: Exception) -> NoReturn:
        """Raise what the server replied."""
        if isinstance(error, ReadOnlyError):  # after a failover the master is elsewhere
            self._forget()
        super().refuse(error)

    def close(self) -> None:
        """Hang up on every thread's connection."""
        with self._lock:
            self._closed = True
            links = list(self._all)
        for link in links:
            link.cut()
        # Those that are idle go with their threads' slots; one in use is closed by its own thread,
        # as its number might be another file's by the time that thread looks at it again.
        self._mine = _OfThread()

    def _forget(self) -> None:
        self._mine.link = None

    def _take(self, deadline: float) -> Link:
        """This thread's connection, which nobody else has until it is put back."""
        mine = self._mine
        link, mine.link = mine.link, None
        if link is not None and link.is_fresh():
            return link
        if link is not None:
            link.close()
        return self._open(deadline)

    def _open(self, deadline: float) -> Link:
        try:
            link = self.dial(deadline)
        except BaseException as error:  # noqa: BLE001 - raised again, as what it is in qstate
            self._fail(error, sent=False)
        with self._lock:
            self._all.add(link)
            closed = self._closed
        if closed:
            self._drop(link, ConnectionAbortedError())
        return link

    def _drop(self, link: Link, error: BaseException) -> NoReturn:
        sent = link.sent
        link.close()
        self._fail(error, sent=sent)

    def _fail(self, error: BaseException, *, sent: bool) -> NoReturn:
        if self._closed and isinstance(error, OSError):
            error = ConnectionAbortedError("the store was closed meanwhile")
        elif type(error) is TimeoutError:  # the socket's own, which says no more than "timed out"
            error = TimeoutError(f"no answer within the timeout of {self.timeout:g} s")
        leave(error, self.address, sent=sent)


class _OfThread(threading.local):
    link: Link | None = None
