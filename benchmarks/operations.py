"""Batches, increments, transactions, scans and notices, on every store."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator

import redis

import qstate
from benchmarks import on_ray
from benchmarks.measuring import Group, Subject, repeated
from benchmarks.stores import each
from benchmarks.values import PACKED, SMALL, many
from qstate.serializers.codec import ValueCodec
from tests.servers.redis import RedisServer

SIZES = (10, 1_000, 100_000)
SCANNED = (1_000, 10_000, 100_000, 1_000_000)


def batches() -> Iterator[Group]:
    """Many keys in one call, for each key; beside the codec alone, and the raw client's way."""
    for name, store in each():
        for size in SIZES:
            values = many(size)
            rounds = 9 if size < 10_000 else 3
            store.set_many(values)
            raw_get, raw_set = raw_batches(store, size)
            gets = [*raw_get, repeated("qstate", lambda v=values, s=store: s.get_many(v))]
            yield Group(f"{name} get_many of {size:,}", gets, per=size, rounds=rounds)
            sets = [*raw_set, repeated("qstate", lambda v=values, s=store: s.set_many(v))]
            yield Group(f"{name} set_many of {size:,}", sets, per=size, rounds=rounds)


def raw_batches(store: qstate.StateStore, size: int) -> tuple[list[Subject], list[Subject]]:
    """What the clients that have such a call take for bytes, on the same server."""
    url = store.info().url
    data = {f"raw/{number:07}": PACKED for number in range(size)}
    if url.startswith("redis://"):
        raw = redis.Redis.from_url(url)
        raw.mset(data)
        return (
            [repeated("redis-py mget, bytes", lambda: raw.mget(list(data)))],
            [repeated("redis-py mset, bytes", lambda: raw.mset(data))],
        )
    if url.startswith("sqlite://"):
        file = sqlite3.connect(f"{url.partition('///')[2]}-raw", isolation_level=None)
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")
        file.execute("CREATE TABLE IF NOT EXISTS raw (key TEXT PRIMARY KEY, value) WITHOUT ROWID")

        def write() -> None:
            file.execute("BEGIN IMMEDIATE")
            file.executemany("INSERT OR REPLACE INTO raw VALUES (?, ?)", data.items())
            file.execute("COMMIT")

        def read() -> None:
            for key in data:
                file.execute("SELECT value FROM raw WHERE key = ?", (key,)).fetchone()

        write()
        return (
            [repeated("sqlite3, a query for each, bytes", read)],
            [repeated("sqlite3 executemany, bytes", write)],
        )
    return [], []


def batches_on_redis() -> Iterator[Group]:
    """The batch whose ratio is promised: 1,000 keys, against MGET alone."""
    with (
        RedisServer() as server,
        redis.Redis(port=server.port) as raw,
        qstate.connect(server.url) as store,
    ):
        values = many(1_000)
        names = list(values)
        store.set_many(values)
        raw.mset({f"raw/{name}": PACKED for name in names})
        bare = [f"raw/{name}" for name in names]
        codec = ValueCodec("msgpack")
        framed = b"".join(bytes(part) for part in codec.encode(SMALL))

        def decoded() -> None:
            for _ in raw.mget(bare):
                codec.decode(framed)

        yield Group(
            "Redis get_many of 1,000, each key",
            [
                repeated("redis-py mget, and decoding", decoded),
                repeated("qstate", lambda: store.get_many(names)),
                repeated("redis-py mget, bytes", lambda: raw.mget(bare)),
            ],
            1.3,
            per=1_000,
            seconds=0.1,
        )


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
    """Increments from eight processes: on one key, and on a key for each.

    Memory is served to them by this process; only tasks reach the actor.
    """
    for name, store in each(but=("actor",)):
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
    store = pickle.loads(pickle.dumps(store))  # what a process is handed: one in memory is served

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


def tasks() -> Iterator[Group]:
    """A thousand increments of one key, shared by 1, 2, 4 and 8 tasks; and of 8 keys by 8."""
    with on_ray.session():
        for name, store in each():
            subjects = [_from_tasks(store, number) for number in (1, 2, 4, 8)]
            yield Group(
                f"{name} increment, from tasks",
                [*subjects, _from_tasks(store, 8, keys=8)],
                per=1000,
                rounds=5,
            )


def _from_tasks(store: qstate.StateStore, number: int, keys: int = 1) -> Subject:
    @qstate.remote(state=store)
    def increments(state: qstate.StateStore, times: int, key: str) -> None:
        for _ in range(times):
            state.increment(key)

    def run(times: int) -> None:
        for _ in range(times):
            started = [increments(1000 // number, f"count{one % keys}") for one in range(number)]
            qstate.get(started)

    return Subject(f"{number} task{'s' * (number > 1)}, {keys} key{'s' * (keys > 1)}", run)


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


PROMISED = {"mget": batches_on_redis}
GROUPS = {
    "batches": batches,
    "changes": changes,
    "contention": contention,
    "tasks": tasks,
    "scans": scans,
    "notices": notices,
}
