"""The calling side: a backend that lives in another process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgpack

from qstate.awaiting import Coroutines
from qstate.backend import (
    NO_REQUIREMENTS,
    Buffer,
    Capabilities,
    Keep,
    Operation,
    Put,
    Record,
    Version,
    time_left,
)
from qstate_backends import wire
from qstate_backends.answers import payload_of
from qstate_backends.channels import Channel, LoopedChannel


class ServedCalls:
    """The calls of a backend that another process serves.

    Args:
        channel: What brings them there.
        capabilities: What the served backend can do, from here.
        timeout: Seconds that a call may take.
    """

    def __init__(self, channel: LoopedChannel, capabilities: Capabilities, timeout: float) -> None:
        self.capabilities = capabilities
        self._channel = channel
        self._timeout = timeout

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys``."""
        found, body = self._ask("read", list(keys))
        sizes = [described and described[1] for described in found]
        return [
            None if data is None else Record(Version(described[0]), data, described[2])
            for described, data in zip(found, _blobs(sizes, body), strict=True)
        ]

    def read_data(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """The data under ``keys``."""
        return list(_blobs(*self._ask("read_data", list(keys))))

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one, if every requirement holds."""
        self._write(operations, require, None)

    def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``; does nothing where this operation has been applied."""
        self._write(operations, require, operation)

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """One page of keys."""
        (keys, following), _ = self._ask("scan", prefix, cursor, limit)
        return keys, following

    def remove(self, keys: Sequence[str]) -> int:
        """Remove ``keys`` as one; return how many stood."""
        removed: int = self._ask("remove", list(keys))[0]
        return removed

    def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``; answers as the first time where this operation has been applied."""
        removed: int = self._ask("remove", list(keys), operation=operation)[0]
        return removed

    def count(self, prefix: str) -> int:
        """How many keys begin with ``prefix``."""
        counted: int = self._ask("count", prefix)[0]
        return counted

    def close(self) -> None:
        """Let go of the connections; the served backend stays."""
        self._channel.close()

    def _write(
        self,
        operations: Sequence[Operation],
        require: Mapping[str, Version | None],
        operation: Version | None,
    ) -> None:
        blobs = [blob for put in operations if isinstance(put, Put) for blob in put.parts]
        described = [_described(each) for each in operations]
        self._ask("write", described, dict(require), blobs=blobs, operation=operation)

    def _ask(
        self,
        method: str,
        *arguments: Any,
        blobs: Sequence[Buffer] = (),
        operation: Version | None = None,
    ) -> tuple[Any, Buffer]:
        request = wire.frame(msgpack.packb([method, operation, arguments]), blobs)
        head, body = self._channel.exchange(request, time_left(self._timeout))
        return payload_of(head), body


class ServedBackend(ServedCalls):
    """The client of a backend that another process serves.

    Args:
        channel: The way there.
        capabilities: What the served backend can do, from here.
        timeout: Seconds that a call may take.
    """

    def __init__(self, channel: Channel, capabilities: Capabilities, timeout: float) -> None:
        super().__init__(channel, capabilities, timeout)
        self._way = channel

    def watch(self, prefix: str) -> AbstractContextManager[Iterator[str]]:
        """The keys that change under ``prefix``, as the serving process tells of them."""
        return self._way.watch(prefix, time_left(self._timeout))

    def aio(self) -> Coroutines:
        """The same over connections of the running event loop."""
        return Coroutines(ServedCalls(self._way.aio(), self.capabilities, self._timeout))


def _described(operation: Operation) -> list[Any]:
    if not isinstance(operation, Put):
        return [operation.key]
    key, version, parts, ttl = operation
    return [key, version, sum(map(wire.size, parts)), True if isinstance(ttl, Keep) else ttl]


def _blobs(sizes: Sequence[int | None], body: Buffer) -> Iterator[Buffer | None]:
    start = 0
    for count in sizes:
        if count is None:
            yield None
        else:
            yield body[start : start + count]
            start += count
