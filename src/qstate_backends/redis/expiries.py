"""How a server is asked when a key expires: exactly where it can tell, else by its clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from qstate_backends.redis.wire import pack_small

_TIME: Final = pack_small(("TIME",))


class Expiries(ABC):
    """Asks for the moment at which a key expires."""

    replies: int
    """How many there are for one key."""

    @abstractmethod
    def ask(self, key: str) -> tuple[bytes, ...]:
        """The commands to send."""

    @abstractmethod
    def moment(self, replies: Sequence[Any]) -> float | None:
        """What they say: seconds since 1970, or None for never."""


class Exact(Expiries):
    """By PEXPIRETIME, which Redis has since 7.0."""

    replies = 1

    def ask(self, key: str) -> tuple[bytes, ...]:
        """The one command."""
        return (pack_small(("PEXPIRETIME", key)),)

    def moment(self, replies: Sequence[Any]) -> float | None:
        """Its milliseconds in seconds."""
        milliseconds = int(replies[0])
        return None if milliseconds < 0 else milliseconds / 1000


class Computed(Expiries):
    """By the server's clock and what remains: a millisecond off, if one begins between the two."""

    replies = 2

    def ask(self, key: str) -> tuple[bytes, ...]:
        """Clock and rest, as near to each other as can be."""
        return _TIME, pack_small(("PTTL", key))

    def moment(self, replies: Sequence[Any]) -> float | None:
        """Their sum, in whole milliseconds as Redis has it."""
        (seconds, microseconds), remaining = replies
        if remaining == -1:
            return None
        now = int(seconds) * 1000 + int(microseconds) // 1000
        return (now + max(int(remaining), 0)) / 1000
