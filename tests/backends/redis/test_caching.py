"""``?cache=``: reads that need no server, and never tell what a process may not believe."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Iterator

import pytest

import qstate
from qstate.backend import InvalidURLError, StoreUnavailableError
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer


@pytest.fixture
def store(any_redis: RedisServer) -> Iterator[qstate.StateStore]:
    any_redis.empty()
    with qstate.connect(any_redis.url, cache=1000) as store:
        yield store


@pytest.fixture
def other(any_redis: RedisServer) -> Iterator[qstate.StateStore]:
    """Another client of the same server, as other processes have one."""
    with qstate.connect(any_redis.url) as other:
        yield other


def asked(server: RedisServer) -> int:
    """How many values the server was asked for."""
    with server.client() as client:
        stats = client.info("commandstats")
    return sum(int(stats.get(name, {}).get("calls", 0)) for name in ("cmdstat_get", "cmdstat_mget"))


def test_a_value_read_lately_is_not_asked_for(store, any_redis):
    """The first read asks the server, the next thousand do not; each gets a value of its own."""
    store["k"] = {"xs": [1, 2]}
    assert store["k"] == {"xs": [1, 2]}
    before = asked(any_redis)
    for _ in range(1000):
        value = store["k"]
        assert value == {"xs": [1, 2]}
        value["xs"].append(3)
    assert asked(any_redis) == before


def test_what_others_change_is_noticed(store, other):
    """Written, removed, expired or flushed elsewhere, a value is not told any more."""
    store["k"] = 1
    for value in range(2, 30):
        assert store["k"] == value - 1
        other["k"] = value
        wait_until(lambda value=value: store["k"] == value)
    other.delete("k")
    wait_until(lambda: "k" not in store)
    other["k"] = "again"
    assert store.get("k") in ("again", None)
    wait_until(lambda: store.get("k") == "again")
    other.clear(everything=True)
    wait_until(lambda: store.get("k") is None)


def test_everything_gone_is_noticed(store, any_redis):
    """A database that was flushed past the store holds nothing for the store either."""
    store["k"] = 1
    assert store["k"] == 1
    any_redis.empty()
    wait_until(lambda: store.get("k") is None)


def test_what_this_process_wrote_is_read(store):
    """By any thread and by both doors, at once."""
    failures = []

    def work(name):
        for number in range(300):
            store[name] = number
            if store[name] != number:
                failures.append((name, number))

    threads = [threading.Thread(target=work, args=(f"k{each}",)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures

    async def through_the_other_door():
        for number in range(50):
            await store.aio.set("k", number)
            assert store["k"] == number == await store.aio.get("k")
            store["k"] = -number
            assert await store.aio.get("k") == -number

    asyncio.run(through_the_other_door())


def _count(url, upto, started):
    with qstate.connect(url) as store:
        started.set()
        for number in range(1, upto + 1):
            store.set_many({"a": number, "b": number})


def test_no_read_goes_back(store, any_redis):
    """While another process counts, what was seen, by whichever call, is never followed by less."""
    upto = 3000
    store.set_many({"a": 0, "b": 0})
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_count, args=(any_redis.url, upto, started))
    process.start()
    started.wait(60)
    lock, seen, failures = threading.Lock(), [0], []
    reads = [
        lambda: store["a"],
        lambda: store["a"],
        lambda: store.get_many(["a", "b"])["a"],
        lambda: store.entry("a").value,
    ]

    def look(offset):
        number = offset
        while seen[0] < upto and not failures:
            with lock:
                floor = seen[0]
            value = reads[number % len(reads)]()
            with lock:
                if value < floor:
                    failures.append((number % len(reads), floor, value))
                seen[0] = max(seen[0], value)
            number += 1

    threads = [threading.Thread(target=look, args=(offset,)) for offset in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.join()
    assert not failures


def test_several_keys_are_never_seen_half_written(store, any_redis):
    """get_many asks the server, whatever is kept of its keys."""
    store.set_many({"a": 0, "b": 0})
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_count, args=(any_redis.url, 2000, started))
    process.start()
    started.wait(60)
    while process.is_alive():
        found = store.get_many(["a", "b"])
        assert found["a"] == found["b"]
        assert store["a"] >= found["a"]
    process.join()


def test_conditions_never_rest_on_what_is_kept(store, other):
    """Increments, changes and transactions see what others wrote last, and lose none of it."""
    store["n"] = 0
    for _ in range(100):
        assert isinstance(store["n"], int)
        other.increment("n")
        store.increment("n")
        other.modify("n", lambda n: n + 1)
        store.modify("n", lambda n: n + 1)
        with store.transaction() as tx:
            tx.set("n", tx.get("n") + 1)
    assert store["n"] == 500


def test_a_lost_connection_empties_the_cache(store, other, any_redis):
    """What the server can't tell of any more is asked for again, then kept as before."""
    store["k"] = 0
    assert store["k"] == 0
    for number in range(1, 11):
        with any_redis.client() as client:
            client.execute_command("CLIENT KILL TYPE normal SKIPME yes")
        wait_until(lambda number=number: _written(other, number))
        wait_until(lambda number=number: store["k"] == number)
    before = asked(any_redis)
    assert [store["k"] for _ in range(100)] == [10] * 100
    assert asked(any_redis) <= before + 1


def _written(store, number):
    store["k"] = number
    return True


def test_a_silent_server_is_not_believed_for_long():
    """What is kept is told for some seconds at most, then the store is unavailable, as it is."""
    with RedisServer() as server, qstate.connect(server.url, cache=10, timeout=0.5) as store:
        store["k"] = 1
        assert store["k"] == 1
        server.pause()
        try:
            with pytest.raises(StoreUnavailableError):
                while True:
                    assert store["k"] == 1
                    time.sleep(0.01)
        finally:
            server.resume()
        wait_until(lambda: store["k"] == 1)


def test_what_expires_is_gone_without_the_server():
    """A value that is kept is kept no longer than it lives, even where nothing can be told."""
    with RedisServer() as server, qstate.connect(server.url, cache=10, timeout=0.3) as store:
        store.set("k", 1, ttl=0.4)
        assert store["k"] == 1
        server.pause()
        try:
            with pytest.raises(StoreUnavailableError):
                while True:
                    store.get("k")
        finally:
            server.resume()
        assert store.get("k") is None


def test_it_keeps_so_many_values(any_redis):
    """The one kept longest makes room; large ones are not kept at all."""
    any_redis.empty()
    with qstate.connect(any_redis.url, cache=3) as store:
        store.set_many({f"k{each}": each for each in range(4)} | {"large": bytes(100_000)})
        for each in range(4):
            assert store[f"k{each}"] == each
        before = asked(any_redis)
        assert [store[f"k{each}"] for each in (3, 2, 1)] == [3, 2, 1]
        assert asked(any_redis) == before
        assert store["k0"] == 0
        assert asked(any_redis) == before + 1
        assert len(store["large"]) == len(store["large"]) == 100_000
        assert asked(any_redis) == before + 3


@pytest.mark.parametrize("cache", ["0", "-1", "many", "1.5"])
def test_a_size_that_is_none_is_refused(cache):
    """Before anything is connected."""
    with pytest.raises(InvalidURLError, match="number of values"):
        qstate.connect(f"redis://localhost/0?cache={cache}").ping()
