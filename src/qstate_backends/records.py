"""Records in a dict: those that stand, in their order where that is asked for."""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from qstate.backend import ConflictError, Keep, Operation, Put, Record, Version

_new: Final = tuple.__new__  # a third of what a NamedTuple's own takes


class Records:
    """Records by their keys; :meth:`get` needs no lock, whatever else is under way."""

    def __init__(self) -> None:
        self._all: dict[str, Record | None] = {}
        self._expiries = _Expiries(self._all)
        self._order = _Order(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def get(self, key: str) -> Record | None:
        """What stands under a key."""
        record = self._all.get(key)
        if record is None or record[2] is None or record[2] > _now():
            return record
        return None

    def write(self, operations: Sequence[Operation], require: Mapping[str, Version | None]) -> None:
        """Apply operations, if what is required stands.

        Raises:
            ConflictError: It does not.
        """
        if self._expiries.heap:
            self.reap()
        if require:
            self._check(require)
        if len(operations) == 1:
            self.put(operations[0].key, self._made(operations[0]))
        else:
            self.put_all({each.key: self._made(each) for each in operations})

    def made(
        self, operations: Sequence[Operation], require: Mapping[str, Version | None]
    ) -> dict[str, Record | None]:
        """What would stand after a :meth:`write`, which is not done.

        Raises:
            ConflictError: What is required does not stand.
        """
        self.reap()
        self._check(require)
        return {each.key: self._made(each) for each in operations}

    def _check(self, require: Mapping[str, Version | None]) -> None:
        for key, version in require.items():
            standing = self._all.get(key)
            actual = None if standing is None else standing.version
            if actual != version:
                raise ConflictError(key, version, actual)

    def _made(self, operation: Operation) -> Record | None:
        if not isinstance(operation, Put):
            return None
        key, version, _, ttl = operation
        expires_at = None
        if ttl is None:
            pass
        elif isinstance(ttl, Keep):
            standing = self._all.get(key)
            expires_at = standing and standing.expires_at
        else:
            expires_at = self._expiries.add(key, ttl)
        return _new(Record, (version, operation.data, expires_at))

    def put(self, key: str, record: Record | None) -> None:
        """Have a record stand under a key; None: nothing."""
        if record is None:
            self._all.pop(key, None)
            self._order.new.discard(key)
            return
        if key not in self._all:
            self._order.new.add(key)
        self._all[key] = record

    def put_all(self, changes: Mapping[str, Record | None]) -> None:
        """As :meth:`put` for several, which those who read one key see as one."""
        self._order.new.update(changes.keys() - self._all.keys())
        self._all.update(changes)  # one step for those who read without a lock
        for key in [key for key, record in changes.items() if record is None]:
            self.put(key, None)

    def adopt(self, changes: Mapping[str, Record | None]) -> None:
        """As :meth:`put_all`, for records that were made elsewhere."""
        self.put_all(changes)
        for key, record in changes.items():
            if record is not None and record.expires_at is not None:
                self._expiries.note(key, record.expires_at)

    def removals(self, keys: Iterable[str]) -> dict[str, Record | None]:
        """What removes those of the keys that stand."""
        self.reap()
        return {key: None for key in keys if key in self._all}

    def page(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """Keys in their order, after the cursor, which is the last one that was looked at."""
        order = self._ordered()
        start = bisect_right(order, cursor.decode()) if cursor else bisect_left(order, prefix)
        looked_at = order[start : start + limit]
        page = [key for key in looked_at if key in self._all and key.startswith(prefix)]
        more = len(looked_at) == limit and looked_at[-1].startswith(prefix)
        return page, looked_at[-1].encode() if more else None

    def count(self, prefix: str) -> int:
        """How many keys begin with ``prefix``, none of them beginning with NUL."""
        order = self._ordered()
        start = bisect_left(order, prefix or "\1")
        end = bisect_right(order, prefix, key=lambda key: key[: len(prefix)])
        return sum(key in self._all for key in order[start:end])

    def reap(self) -> None:
        """Remove what has expired."""
        for key in self._expiries.due():
            self.put(key, None)

    def _ordered(self) -> list[str]:
        self.reap()
        return self._order.keys()


class _Order:
    """The keys of records in code point order, sorted when they are asked for.

    Attributes:
        new: Those that were added since.
    """

    def __init__(self, records: Mapping[str, object]) -> None:
        self.new: set[str] = set()
        self._records = records
        self._sorted: list[str] = []

    def keys(self) -> list[str]:
        """All keys, and some that are gone: no more than are there."""
        new, records = self.new, self._records
        if new or len(self._sorted) > 2 * len(records):
            kept = [key for key in self._sorted if key in records and key not in new]
            self._sorted = sorted(kept + sorted(new))
            self.new = set()
        return self._sorted


class _Expiries:
    """When records expire, so that those that nobody reads go too."""

    def __init__(self, records: Mapping[str, Record | None]) -> None:
        self.heap: list[tuple[float, str]] = []  # some are out of date: written over since
        self._records = records

    def add(self, key: str, ttl: float) -> float:
        """Note when a key will expire, and return it."""
        expires_at = _now() + ttl
        self.note(key, expires_at)
        return expires_at

    def note(self, key: str, expires_at: float) -> None:
        """Note when a key will expire, in seconds since 1970."""
        heapq.heappush(self.heap, (expires_at, key))

    def due(self) -> Iterator[str]:
        """The keys that have expired; each is told once."""
        if len(self.heap) > 2 * len(self._records) + 100:
            records = self._records.items()
            self.heap = [(r[2], key) for key, r in records if r is not None and r[2] is not None]
            heapq.heapify(self.heap)
        now = _now()
        while self.heap and self.heap[0][0] <= now:
            _, key = heapq.heappop(self.heap)
            record = self._records.get(key)
            if record is not None and record.expires_at is not None and record.expires_at <= now:
                yield key


_EPOCH: Final = time.time() - time.monotonic()


def _now() -> float:
    """Seconds since 1970 by a clock that nobody sets, so that leases end neither early nor late."""
    return _EPOCH + time.monotonic()
