"""Cached reads: values read lately are kept, until the server tells that they have changed.

The server remembers which keys a connection has read and tells of their next change, once, on
another connection (``CLIENT TRACKING ON REDIRECT``, Redis 6 and later;
https://redis.io/docs/latest/develop/reference/client-side-caching/). All that a cache holds rests
on that one connection: when it is lost, so is the cache.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import hiredis

from qstate.awaiting import Coroutines, Threaded
from qstate.backend import (
    NO_REQUIREMENTS,
    Buffer,
    Capabilities,
    Operation,
    Record,
    SerializationError,
    StoreUnavailableError,
    Version,
    deadline,
    time_left,
)
from qstate_backends.redis.asynchronous import LoopConnections
from qstate_backends.redis.backend import RememberingRedisBackend
from qstate_backends.redis.connections import Connections, Link
from qstate_backends.redis.errors import leave
from qstate_backends.redis.records import data_of
from qstate_backends.redis.server import Server, first_error
from qstate_backends.redis.single import SingleServerBackend
from qstate_backends.redis.wire import LARGE, pack_small

STALE: Final = 2.0
"""Seconds that a cached read may be behind at most, when the server stops talking to us."""

_PING_EVERY: Final = STALE / 4
_GONE: Final = -2  # what PTTL replies of a key that does not stand
_PING: Final = pack_small(("PING",))
_HELLO: Final = (pack_small(("HELLO", "3")), pack_small(("CLIENT", "ID")))


class Cache:
    """Values read lately by one process, for as long as one connection tells of changes.

    A read that misses leaves a mark before it asks the server; whatever the key is told, written or
    read otherwise meanwhile takes the mark away, and then what the server said is not kept.

    Args:
        connections: How to connect.
        size: How many values are kept at most; the one kept longest makes room.

    Raises:
        StoreUnavailableError: The server did not answer.
    """

    def __init__(self, connections: Connections, size: int) -> None:
        self._size = size
        self._kept: dict[str, tuple[Buffer, float | None]] = {}
        self._reading: dict[str, object] = {}
        self._lock = threading.Lock()
        self._address = connections.address
        self._dial = connections.dial
        self._trusted_until = 0.0
        self._link, tracker = self._listen(time.monotonic() + time_left(connections.timeout))
        self._track = pack_small(("CLIENT", "TRACKING", "ON", "REDIRECT", str(tracker)))
        self._tracked = Connections(self._dial_tracked, connections.address, connections.timeout)
        threading.Thread(target=self._run, name="qstate-redis-cache", daemon=True).start()

    @property
    def is_trusted(self) -> bool:
        """Whether the server has told all that changed until a moment ago."""
        return time.monotonic() < self._trusted_until

    def get(self, key: str) -> Buffer | None:
        """What is kept; None: nothing that may be used."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        now = time.monotonic()
        data, expires = kept
        if now >= self._trusted_until or (expires is not None and now >= expires):
            return None
        return data

    def read(self, key: str) -> Any:
        """The reply of the server to GET, which is kept if it is small and nothing came between."""
        mark = object()
        with self._lock:
            self._reading[key] = mark
            self._kept.pop(key, None)
        asked = time.monotonic()
        try:
            blob, left = self._tracked.ask_all(
                [pack_small(("GET", key)), pack_small(("PTTL", key))], key
            )
        except BaseException:
            self.forget((key,))
            raise
        if error := first_error((blob, left)):
            self.forget((key,))
            self._tracked.refuse(error)
        expires = None if left < 0 else asked + left / 1000
        self._keep(key, mark, None if left == _GONE else blob, expires)
        return blob

    def forget(self, keys: Iterable[str]) -> None:
        """Drop what is kept of keys, and keep nothing of reads that are on their way."""
        with self._lock:
            for key in keys:
                self._kept.pop(key, None)
                self._reading.pop(key, None)

    def close(self) -> None:
        """Hang up, and drop all."""
        self._trusted_until = 0.0
        self._link.cut()
        self._tracked.close()

    def _keep(self, key: str, mark: object, blob: bytes | None, expires: float | None) -> None:
        # Where the mark is another's, that one may have read before us: it keeps nothing either.
        with self._lock:
            mine = self._reading.pop(key, None) is mark
            self._kept.pop(key, None)
            if mine and blob is not None and len(blob) < LARGE:
                while len(self._kept) >= self._size:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = (data_of(blob) or b"", expires)

    def _dial_tracked(self, deadline: float) -> Link:
        link = self._dial(deadline)
        reply = link.ask(self._track, deadline)
        if isinstance(reply, Exception):
            link.close()
            raise reply
        return link

    def _listen(self, deadline: float) -> tuple[Any, int]:
        link: Any = None
        try:
            link = self._dial(deadline)
            asked = time.monotonic()
            replies = link.ask_all(_HELLO, deadline)
        except BaseException as error:  # noqa: BLE001 - raised again, as what it is in qstate
            if link is not None:
                link.close()
            leave(error, self._address, sent=False)
        if refusal := first_error(replies):
            link.close()
            leave(refusal, self._address, sent=False)
        self._trusted_until = asked + STALE
        return link, int(replies[1])

    def _run(self) -> None:
        """Drop what the server tells of; nothing is trusted beyond its last sign of life."""
        try:
            asked = time.monotonic()
            self._link.tell(_PING)
            waiting = True
            while self.is_trusted:
                until = asked + (STALE if waiting else _PING_EVERY)
                message = self._link.wait(max(until - time.monotonic(), 0.001))
                if isinstance(message, hiredis.PushNotification):
                    self._told(message)
                elif message is not None:
                    # All that the server told before it answered has come before its answer.
                    self._trusted_until = asked + STALE
                    waiting = False
                if not waiting and time.monotonic() >= asked + _PING_EVERY:
                    asked = time.monotonic()
                    self._link.tell(_PING)
                    waiting = True
        except OSError:
            pass  # the connection was lost, or cut by close()
        finally:
            self._trusted_until = 0.0
            self._link.close()
            self._tracked.close()

    def _told(self, message: Any) -> None:
        if message[0] != b"invalidate":
            return
        if message[1] is None:  # the database was flushed
            with self._lock:
                self._kept.clear()
                self._reading.clear()
        else:
            self.forget(key.decode(errors="replace") for key in message[1])


class _Caches:
    """The cache in use, and another one when its connection was lost."""

    def __init__(self, connections: Connections, size: int) -> None:
        self._connections = connections
        self._size = size
        self._lock = threading.Lock()
        self._cache: Cache | None = None

    def get(self, key: str) -> Buffer | None:
        """What is kept of a key."""
        cache = self._cache
        return None if cache is None else cache.get(key)

    def read(self, key: str) -> Any:
        """The server's reply, kept from now on if it may be."""
        cache = self._cache
        if cache is None or not cache.is_trusted:
            with self._lock:
                cache = self._cache
                if cache is None or not cache.is_trusted:
                    self._drop()
                    cache = self._cache = Cache(self._connections, self._size)
        return cache.read(key)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop what is kept of keys."""
        if self._cache is not None:
            self._cache.forget(keys)

    def close(self) -> None:
        """Drop all."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()


class _Forgetful(RememberingRedisBackend):
    """A store that asks the server, and has a cache forget all that it reads and writes there.

    What was seen once must not be followed by an older value from the cache.
    """

    def __init__(self, server: Server, capabilities: Capabilities, caches: _Caches) -> None:
        super().__init__(server, capabilities)
        self._caches = caches

    def read_data(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """The data under ``keys``: of one key what is kept, if it is."""
        if len(keys) == 1 and (data := self._caches.get(keys[0])) is not None:
            return (data,)
        return self._read_anew(keys)

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys``, as the server has them."""
        try:
            return super().read(keys)
        finally:
            self._caches.forget(keys)

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one."""
        try:
            super().write(operations, require=require)
        finally:
            self._forget(operations, require)

    def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``; nothing where ``operation`` was applied before."""
        try:
            super().write_once(operation, operations, require=require)
        finally:
            self._forget(operations, require)

    def remove(self, keys: Sequence[str]) -> int:
        """Remove ``keys`` as one."""
        try:
            return super().remove(keys)
        finally:
            self._caches.forget(keys)

    def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``; where ``operation`` was applied before, what it answered then."""
        try:
            return super().remove_once(operation, keys)
        finally:
            self._caches.forget(keys)

    def _read_anew(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        try:
            return super().read_data(keys)
        finally:
            self._caches.forget(keys)

    def _forget(
        self, operations: Sequence[Operation], require: Mapping[str, Version | None]
    ) -> None:
        self._caches.forget([*(operation.key for operation in operations), *require])


class CachingBackend(_Forgetful, SingleServerBackend):
    """A store on one server, whose values are kept for a while after they were read.

    Args:
        connections: The connections to it.
        capabilities: As declared to the core.
        size: How many values are kept at most; those over 64 KiB are not.
        tls: Whether the connections use TLS.
    """

    def __init__(
        self,
        connections: Connections,
        capabilities: Capabilities,
        size: int,
        *,
        tls: bool = False,
    ) -> None:
        capabilities = replace(capabilities, reads_behind=STALE)
        SingleServerBackend.__init__(self, connections, capabilities, tls=tls)
        self._caches = _Caches(connections, size)

    def aio(self) -> Any:
        """The same for coroutines."""
        if self._tls:
            return Threaded(self)
        loop = LoopConnections(self._connections)
        return Coroutines(_Forgetful(loop, self.capabilities, self._caches))

    def close(self) -> None:
        """Hang up on all connections."""
        self._caches.close()
        super().close()

    def _read_anew(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        if len(keys) != 1:
            return super()._read_anew(keys)
        with deadline(time.monotonic() + time_left(self._server.timeout)):
            try:
                return (data_of(self._caches.read(keys[0])),)
            except SerializationError as error:
                raise self._foreign(keys[0]) from error
            except StoreUnavailableError:  # it may be the cache's connections alone
                return super()._read_anew(keys)
