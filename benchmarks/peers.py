"""Other packages for the same purpose, as subjects beside qstate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from key_value.aio.stores.disk import DiskStore
from key_value.aio.stores.memory import MemoryStore
from key_value.aio.stores.redis import RedisStore

from benchmarks.measuring import Subject, repeated
from benchmarks.values import SMALL


class OlderHandler:
    """What jobs used before: redis-py and JSON, a get and a set."""

    def __init__(self, port: int) -> None:
        self._redis = redis.Redis(port=port)

    def get(self, key: str) -> Any:
        """The value, or None."""
        data = self._redis.get(key)
        return None if data is None else json.loads(data)  # type: ignore[arg-type]

    def set(self, key: str, value: Any) -> None:
        """Write it."""
        self._redis.set(key, json.dumps(value))


@contextmanager
def key_value_stores(store: Any, name: str) -> Iterator[tuple[Subject, Subject]]:
    """Get and set of a store of py-key-value-aio, on an event loop of their own."""
    loop = asyncio.new_event_loop()

    def awaited(label: str, call: Callable[[], Awaitable[object]]) -> Subject:
        async def several(times: int) -> None:
            for _ in range(times):
                await call()

        return Subject(label, lambda times: loop.run_until_complete(several(times)))

    label = f"py-key-value-aio, {name}"
    loop.run_until_complete(store.put("peer", SMALL))
    try:
        yield (
            awaited(label, lambda: store.get("peer")),
            awaited(label, lambda: store.put("peer", SMALL)),
        )
    finally:
        if hasattr(store, "close"):
            loop.run_until_complete(store.close())
        loop.close()


def memory_stores() -> Any:
    """As peers of memory."""
    return key_value_stores(MemoryStore(), "memory")


def redis_stores(port: int) -> Any:
    """As peers of Redis."""
    return key_value_stores(RedisStore(port=port), "Redis")


def disk_stores(folder: Path) -> Any:
    """As peers of SQLite."""
    return key_value_stores(DiskStore(directory=folder / "key-value"), "disk")


@contextmanager
def embedded_stores(folder: Path) -> Iterator[tuple[list[Subject], list[Subject]]]:
    """Get and set of embedded stores of one file."""
    import diskcache
    import sqlitedict
    from dogpile.cache import make_region

    region = make_region().configure(
        "dogpile.cache.dbm", arguments={"filename": str(folder / "dogpile")}
    )
    with (
        diskcache.Cache(str(folder / "diskcache")) as cache,
        sqlitedict.SqliteDict(str(folder / "sqlitedict"), autocommit=True) as table,
    ):
        cache["peer"] = table["peer"] = SMALL
        region.set("peer", SMALL)
        gets = [
            repeated("diskcache", lambda: cache["peer"]),
            repeated("sqlitedict", lambda: table["peer"]),
            repeated("dogpile.cache, dbm", lambda: region.get("peer")),
        ]
        sets = [
            repeated("diskcache", lambda: cache.set("peer", SMALL)),
            repeated("sqlitedict", lambda: table.__setitem__("peer", SMALL)),
            repeated("dogpile.cache, dbm", lambda: region.set("peer", SMALL)),
        ]
        yield gets, sets
