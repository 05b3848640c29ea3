"""Batches, increments, transactions, scans and notices, on every store."""

from __future__ import annotations

import itertools
import multiprocessing
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgpack
import redis

import qstate
from benchmarks.measuring import Group, Subject, repeated
from benchmarks.stores import each
from benchmarks.values import PACKED, many
from tests.servers.redis import RedisServer

SIZES = (10, 1_000, 100_000)
SCANNED = (1_000, 10_000, 100_000)


def batches() -> Iterator[Group]:
    """Many keys in one call; the raw thing is one key at a time."""
    for name, store in each():
        for size in SIZES:
            values = many(size)
            rounds = 15 if size < 10_000 else 3
            store.set_many(values)
            yield Group(
                f"{name} get_many of {size:,}",
                [repeated("qstate", lambda v=values, s=store: s.get_many(v))],
                per=size,
                rounds=rounds,
            )
            yield Group(
                f"{name} set_many of {size:,}",
                [repeated("qstate", lambda v=values, s=store: s.set_many(v))],
                per=size,
                rounds=rounds,
            )


def batches_on_redis() -> Iterator[Group]:
    """The batch whose ratio is promised: 1,000 keys, against MGET and decoding; MSET beside it."""
    with (
        RedisServer() as server,
        redis.Redis(port=server.port) as raw,
        qstate.connect(server.url) as store,
    ):
        values = many(1_000)
        names = list(values)
        store.set_many(values)
        packed = {f"raw/{name}": PACKED for name in names}
        raw.mset(packed)
        bare = list(packed)

        def decoded() -> list[Any]:
            return [msgpack.unpackb(data) for data in raw.mget(bare)]

        def encoded() -> None:
            raw.mset({f"raw/{name}": msgpack.packb(value) for name, value in values.items()})

        gets = [
            repeated("redis-py mget and msgpack.unpackb", decoded),
            repeated("qstate", lambda: store.get_many(names)),
            repeated("redis-py mget, bytes", lambda: raw.mget(bare)),
            repeated("msgpack.unpackb alone", lambda: [msgpack.unpackb(PACKED) for _ in bare]),
        ]
        yield Group("Redis get_many of 1,000", gets, 1.3, per=1_000, seconds=0.1)
        sets = [
            repeated("redis-py mset and msgpack.packb", encoded),
            repeated("qstate", lambda: store.set_many(values)),
            repeated("redis-py mset, bytes", lambda: raw.mset(packed)),
        ]
        yield Group("Redis set_many of 1,000", sets, per=1_000, seconds=0.1)


def changes() -> Iterator[Group]:
    """One key changed by what stands there; the raw thing is a plain set."""
    for name, store in each():
        numbers = itertools.count()
        store.set("count", 0)

        def transaction(store: qstate.StateStore = store) -> None:
            with store.transaction() as tx:
                tx.set("count", tx.get("count") + 1)

        yield Group(
            f"{name}, one key changed",
            [
                repeated("set", lambda s=store, n=numbers: s.set("plain", next(n))),
                repeated("increment", lambda s=store: s.increment("count")),
                repeated("modify", lambda s=store: s.modify("count", lambda old: old + 1)),
                repeated("transaction", transaction),
            ],
            seconds=0.1,
        )


def contention() -> Iterator[Group]:
    """Increments from eight processes: on one key, and on a key for each."""
    for name, store in each():
        if name in ("memory", "actor"):  # other processes reach these through Ray or a task
            continue
        store.set_many({f"count-{number}": 0 for number in range(8)})
        yield Group(
            f"{name} increment, from 8 processes",
            [
                Subject("8 keys", _from_processes(store, 8)),
                Subject("1 key", _from_processes(store, 1)),
            ],
            per=8 * 100,
            rounds=3,
            seconds=0.01,
        )


def _from_processes(store: qstate.StateStore, keys: int):  # type: ignore[no-untyped-def]
    context = multiprocessing.get_context("fork")

    def work(key: str, gate) -> None:  # type: ignore[no-untyped-def]
        store.get(key)
        gate.wait()
        for _ in range(100):
            store.increment(key)

    def run(times: int) -> None:
        for _ in range(times):
            gate = context.Barrier(8)
            processes = [
                context.Process(target=work, args=(f"count-{number % keys}", gate))
                for number in range(8)
            ]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
                assert process.exitcode == 0

    return run


def scans() -> Iterator[Group]:
    """All keys of a store, as it grows: the time for each key stays."""
    for name, store in each():
        for size in SCANNED:
            standing = sum(1 for _ in store.scan())
            for first in range(standing, size, 10_000):
                last = min(first + 10_000, size)
                store.set_many({f"key/{number:07}": number for number in range(first, last)})
            yield Group(
                f"{name} scan of {size:,}",
                [repeated("qstate", lambda s=store: sum(1 for _ in s.scan()))],
                per=size,
                rounds=3,
            )
            yield Group(
                f"{name} get among {size:,}",
                [repeated("qstate", lambda s=store: s.get("key/0000500"))],
            )


def notices() -> Iterator[Group]:
    """From a write to the notice of it, in the same process; the write is in it."""
    for name, store in each():
        told: queue.SimpleQueue[object] = queue.SimpleQueue()
        ready = threading.Event()
        store.set("watched", 0)

        def listen(store: qstate.StateStore = store, ready: threading.Event = ready) -> None:
            with store.watch("watched") as changes:
                ready.set()
                for change in changes:
                    told.put(change.entry.value if change.entry else None)
                    if change.entry and change.entry.value == "end":
                        return

        thread = threading.Thread(target=listen)
        thread.start()
        ready.wait()
        numbers = itertools.count(1)

        def noticed(store: qstate.StateStore = store, numbers: Iterator[int] = numbers) -> None:
            number = next(numbers)
            store.set("watched", number)
            while told.get() != number:
                pass

        yield Group(f"{name}, from write to notice", [repeated("watch", noticed)], seconds=0.1)
        time.sleep(0.01)
        store.set("watched", "end")
        thread.join()


GROUPS = {
    "batches": batches,
    "mget": batches_on_redis,
    "changes": changes,
    "contention": contention,
    "scans": scans,
    "notices": notices,
}
