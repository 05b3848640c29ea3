"""Server: where commands are sent to, be it one server or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from redis.exceptions import ExecAbortError

from qstate_backends.redis.errors import PartialScriptError, leave
from qstate_backends.redis.wire import Packed


class Server(ABC):
    """Sends commands; the key given with them is one of theirs, which tells where to send them.

    Attributes:
        address: Where it is, without secrets, for messages.
        timeout: Seconds that a whole call may take.
    """

    __slots__ = ("address", "timeout")
    address: str
    timeout: float

    @abstractmethod
    def ask(self, command: Packed, key: str, deadline: float | None = None) -> Any:
        """Send one command and return its reply; an error that the server replied is returned.

        Args:
            command: As packed by :func:`~qstate_backends.redis.wire.pack`.
            key: One of its keys.
            deadline: On ``time.monotonic``; None: the timeout from now.

        Raises:
            StoreUnavailableError: No reply came.
        """

    @abstractmethod
    def ask_all(
        self, commands: Sequence[Packed], key: str, deadline: float | None = None
    ) -> list[Any]:
        """As :meth:`ask`, for several commands in one round trip."""

    @abstractmethod
    def scan(
        self, cursor: bytes | None, arguments: Sequence[str | int]
    ) -> tuple[list[bytes], bytes | None]:
        """One page of SCAN with these arguments, and the cursor of the next page."""

    @abstractmethod
    def close(self) -> None:
        """Hang up on all connections."""

    def call(self, command: Packed, key: str) -> Any:
        """Send one command and return its reply.

        Raises:
            StateError: The server did not serve it.
        """
        reply = self.ask(command, key)
        return self.refuse(reply) if isinstance(reply, Exception) else reply

    def call_all(self, commands: Sequence[Packed], key: str) -> list[Any]:
        """Send several commands in one round trip and return their replies.

        Raises:
            StateError: The server did not serve one of them; of several errors the first.
        """
        replies = self.ask_all(commands, key)
        if error := first_error(replies):
            self.refuse(error)
        return replies

    def refuse(self, error: Exception) -> NoReturn:
        """Raise what the server replied."""
        leave(error, self.address, sent=isinstance(error, PartialScriptError))


def first_error(replies: Iterable[Any]) -> Exception | None:
    """The error among replies that tells most; that a transaction was given up tells nothing."""
    errors = [reply for reply in replies if isinstance(reply, Exception)]
    telling = [error for error in errors if not isinstance(error, ExecAbortError)]
    return next(iter(telling or errors), None)
