"""A thousand keys beside a million: an operation takes as long, and a scan as long for each key."""

from __future__ import annotations

import itertools
import random
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

import qstate
from benchmarks.measuring import Group, Result, Subject, counted, repeated
from benchmarks.values import SMALL
from tests.servers.redis import RedisServer

FEW, MANY = 1_000, 1_000_000
_AT_ONCE = 10_000


def on_redis() -> Iterator[Group | Result]:
    """Two databases of one server, and the memory that a key takes there."""
    with RedisServer() as server:
        one = server.url.partition("?")[0].rstrip("/").removesuffix("/0")
        with _filled(f"{one}/0", FEW) as few, _filled(f"{one}/1", MANY) as many:
            yield from _compared("Redis", few, many, 1.1)
            with (
                redis.Redis(port=server.port) as little,
                redis.Redis(port=server.port, db=1) as raw,
            ):
                scans = [
                    _scans("redis-py SCAN, of 1,000", lambda: _pages(little), FEW),
                    _scans("qstate, of 1,000", lambda: _scanned(few), FEW),
                    _scans("redis-py SCAN, of 1,000,000", lambda: _pages(raw), MANY),
                    _scans("qstate, of 1,000,000", lambda: _scanned(many), MANY),
                ]
                yield Group("Redis scan, each key", scans, per=MANY, rounds=5)
                names = [_name(number) for number in range(0, MANY, MANY // 100)]
                taken = [raw.memory_usage(name) for name in names]
                used = raw.info("memory")["used_memory"] / (FEW + MANY)
        each = sum(size for size in taken if size) / len(taken)
        yield counted(
            "Redis, memory of a key with the small value",
            "bytes",
            {"MEMORY USAGE": each, "used_memory, its share": used},
        )


def on_sqlite() -> Iterator[Group | Result]:
    """Two files."""
    with tempfile.TemporaryDirectory() as name:
        one = f"sqlite:///{Path(name)}"
        with _filled(f"{one}/few.db", FEW) as few, _filled(f"{one}/many.db", MANY) as many:
            yield from _compared("SQLite", few, many)
            scans = [
                _scans("of 1,000", lambda: _scanned(few), FEW),
                _scans("qstate, of 1,000,000", lambda: _scanned(many), MANY),
            ]
            yield Group("SQLite scan, each key", scans, per=MANY, rounds=5)
        file = (Path(name) / "many.db").stat().st_size / MANY
        yield counted("SQLite, a key with the small value", "bytes", {"of the file": file})


@contextmanager
def _filled(url: str, size: int) -> Iterator[qstate.StateStore]:
    with qstate.connect(url, timeout=60) as store:
        for first in range(0, size, _AT_ONCE):
            last = min(first + _AT_ONCE, size)
            store.set_many({_name(number): SMALL for number in range(first, last)})
        yield store


def _compared(
    name: str, few: qstate.StateStore, many: qstate.StateStore, target: float | None = None
) -> Iterator[Group | Result]:
    yield Group(
        f"{name} get, as keys grow",
        [_reads("among 1,000", few, FEW), _reads("qstate among 1,000,000", many, MANY)],
        target,
        seconds=0.2,
    )
    yield Group(
        f"{name} set, as keys grow",
        [_writes("among 1,000", few, FEW), _writes("qstate among 1,000,000", many, MANY)],
        target,
        seconds=0.2,
    )
    yield counted(
        f"{name} scan, most memory held in Python at once",
        "bytes",
        {"of 1,000": _held(few), "of 1,000,000": _held(many)},
    )


def _reads(label: str, store: qstate.StateStore, size: int) -> Subject:
    names = _some(size)
    return repeated(label, lambda: store.get(next(names)))


def _writes(label: str, store: qstate.StateStore, size: int) -> Subject:
    names = _some(size)
    return repeated(label, lambda: store.set(next(names), SMALL))


def _some(size: int) -> Iterator[str]:
    """Keys in no order, the same number of them whatever the size."""
    chosen = random.Random(1)
    return itertools.cycle([_name(chosen.randrange(size)) for _ in range(FEW)])


def _name(number: int) -> str:
    return f"key/{number:07}"


def _scans(label: str, scan: Callable[[], int], size: int) -> Subject:
    """As many scans of so many keys as come to a million."""
    return repeated(label, lambda: [scan() for _ in range(MANY // size)])


def _pages(raw: redis.Redis) -> int:
    """What a scan takes at the least: the keys as bytes, and one that comes again comes again."""
    cursor, found = 0, 0
    while True:
        cursor, page = raw.scan(cursor, count=1000, _type="string")
        found += len(page)
        if cursor == 0:
            return found


def _scanned(store: qstate.StateStore) -> int:
    return sum(1 for _ in store.scan())


def _held(store: qstate.StateStore) -> float:
    tracemalloc.start()
    _scanned(store)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


GROUPS = {"scale-redis": on_redis, "scale-sqlite": on_sqlite}
