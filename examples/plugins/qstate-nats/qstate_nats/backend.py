"""NATSBackend: a bucket for threads, its coroutines run by a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from qstate.backend import (
    NO_REQUIREMENTS,
    Operation,
    Record,
    StateError,
    StoreUnavailableError,
    Version,
)
from qstate_nats.address import Address
from qstate_nats.bucket import Bucket

T = TypeVar("T")


class NATSBackend:
    """A JetStream key-value bucket. One key is linearizable; several keys are not written as one.

    Reads are answered by the server that leads the bucket's stream, never by a replica that may be
    behind.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._bucket = Bucket(address)
        self.capabilities = self._bucket.capabilities
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys``, each as of a moment of its own."""
        return self._run(self._bucket.read(keys))

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply an operation, if the requirement on its key holds."""
        self._run(self._bucket.write(operations, require=require))

    def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``; the server remembers the operation's id for two minutes."""
        self._run(self._bucket.write_once(operation, operations, require=require))

    def remove(self, keys: Sequence[str]) -> int:
        """Remove a key; return how many stood."""
        return self._run(self._bucket.remove(keys))

    def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``; the server remembers the operation's id for two minutes."""
        return self._run(self._bucket.remove_once(operation, keys))

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """All keys as one page."""
        return self._run(self._bucket.scan(prefix, cursor, limit))

    def history(self, key: str) -> list[Record]:
        """What the bucket has of a key's values since its last removal, oldest first."""
        return self._run(self._bucket.history(key))

    @contextlib.contextmanager
    def watch(self, prefix: str) -> Iterator[Iterator[str]]:
        """The keys of changes, as they happen."""
        told: queue.SimpleQueue[str | StateError | None] = queue.SimpleQueue()
        following = self._run(self._bucket.follow(prefix, told.put))
        try:
            yield _each(told)
        finally:
            told.put(None)
            if not self._closed:
                self._run(following.stop())

    def aio(self) -> Bucket:
        """The same bucket for another event loop, over a connection of its own."""
        return Bucket(self._address)

    def close(self) -> None:
        """Close the connection and end the thread."""
        with self._starting:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns; it sees this thread's time limit."""
        running = asyncio.run_coroutine_threadsafe(call, self._started())
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._closed:
                raise StoreUnavailableError(f"{self._address.name}: closed", outcome="not applied")
            if self._loop is None:
                begun: queue.SimpleQueue[asyncio.AbstractEventLoop] = queue.SimpleQueue()
                self._thread = threading.Thread(
                    target=lambda: asyncio.run(self._live(begun.put)),
                    name="qstate nats",
                    daemon=True,
                )
                self._thread.start()
                self._loop = begun.get()
            return self._loop

    async def _live(self, begun: Callable[[asyncio.AbstractEventLoop], object]) -> None:
        self._ended = asyncio.Event()
        begun(asyncio.get_running_loop())
        await self._ended.wait()
        await self._bucket.close()


def _each(told: queue.SimpleQueue[str | StateError | None]) -> Iterator[str]:
    while (news := told.get()) is not None:
        if isinstance(news, StateError):
            raise news
        yield news
