"""``memory://name``: a store in the memory of this process, served to others that are handed it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qstate.awaiting import Coroutines
from qstate.backend import (
    NO_REQUIREMENTS,
    Backend,
    Buffer,
    Capabilities,
    Operation,
    Record,
    StateURL,
    Version,
    hookimpl,
)
from qstate.store import StateStore
from qstate_backends import owned
from qstate_backends.records import Records
from qstate_backends.watches import Watch

__all__ = ["MemoryBackend", "MemoryStateHandler"]


class MemoryBackend:
    """Records in a dict, for the threads of one process."""

    capabilities = Capabilities(reach="process", ordered_scan=True)

    def __init__(self) -> None:
        self._records = Records()
        self._get = self._records.get
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys``."""
        with self._lock:
            return [self._get(key) for key in keys]

    def read_data(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """The data under ``keys``."""
        if len(keys) == 1:  # one look-up sees one moment without a lock
            record = self._get(keys[0])
            return (None if record is None else record[1],)
        return [None if record is None else record.data for record in self.read(keys)]

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one, if every requirement holds."""
        with self._lock:
            self._records.write(operations, require)
            if self._watches:
                self._tell([each.key for each in operations])

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """One page of keys, in order; the cursor is the last key looked at."""
        with self._lock:
            return self._records.page(prefix, cursor, limit)

    def remove(self, keys: Sequence[str]) -> int:
        """Remove ``keys`` as one; return how many stood."""
        with self._lock:
            removals = self._records.removals(keys)
            self._records.put_all(removals)
            if self._watches:
                self._tell(removals)
        return len(removals)

    def count(self, prefix: str) -> int:
        """How many keys begin with ``prefix``, none of them beginning with NUL."""
        with self._lock:
            return self._records.count(prefix)

    def watch(self, prefix: str) -> Watch:
        """The keys that change under ``prefix``; expiries are not told."""
        return Watch(prefix, self._watches)

    def aio(self) -> Coroutines:
        """The same store: none of its calls waits for anything."""
        return Coroutines(self)

    def close(self) -> None:
        """Nothing: the data is the process's, and goes with the last that knows the store."""

    def _tell(self, keys: Iterable[str]) -> None:
        for watch in tuple(self._watches):
            watch.tell(keys)


class OwnedMemoryBackend(MemoryBackend):
    """A store of this process that has a name, by which others reach it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def shared_url(self) -> str:
        """The URL by which other processes reach this store."""
        return owned.share(self)


class MemoryStateHandler(StateStore):
    """A state store in the memory of this process; tasks that are handed it reach it there.

    Args:
        name: One store for each name; None: a new one that nobody else has.
        **options: As for :class:`qstate.StateStore`.

    Example:
        >>> store = MemoryStateHandler("run")
        >>> store
        <MemoryStateHandler | run>
        >>> store.set("energy", -1.137) and MemoryStateHandler("run").get("energy")
        -1.137
    """

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(owned.named_url("memory", name or ""), **options)

    def _label(self) -> str:
        return owned.name_of(self._address)


@hookimpl
def qstate_address(url: StateURL) -> StateURL | None:
    """The one form of a name; a store without one is given a name that nobody else has."""
    return owned.canonical(url) if url.scheme == "memory" else None


@hookimpl
def qstate_backend(url: StateURL, options: Mapping[str, Any]) -> Backend | None:
    """The store of that name in this process, or the way to it in the process that owns it."""
    if url.scheme != "memory":
        return None
    return owned.backend(url, options, OwnedMemoryBackend)
