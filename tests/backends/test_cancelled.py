"""Calls by the asynchronous door that are cancelled, hundreds on each store."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import ray

import qstate
from tests.servers.process import wait_until
from tests.servers.ray import RayHead
from tests.servers.redis import VERSIONS, RedisServer

CANCELLED = 300
AT_ONCE = 12
MOST = 8 + 1
"""Connections that a store has: those of one event loop, and that of this thread."""


class Place(NamedTuple):
    """Where a store is, and the port of what it connects to."""

    url: str
    port: int | None


@pytest.fixture(
    scope="session",
    params=[
        "sqlite",
        "ray_session",
        *(f"redis {version}" for version in VERSIONS),
        "postgres15_server",
        "postgres_server",
        "mariadb_server",
    ],
)
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each kind of store that may have to wait; memory never does."""
    if request.param.startswith("redis"):
        with RedisServer(request.param.split()[1]) as server:
            yield server
    elif request.param == "sqlite":
        yield request.param
    else:
        yield request.getfixturevalue(request.param)


@pytest.fixture
def place(server: Any, tmp_path: Path) -> Iterator[Place]:
    """An empty store on it."""
    if server == "sqlite":
        yield Place(f"sqlite:///{tmp_path}/state.db", None)
    elif isinstance(server, RayHead):
        name = uuid.uuid4().hex
        with qstate.connect(f"actor://{name}") as store:
            store.ping()
            actor = ray.get_actor(name, namespace="qstate")
        yield Place(f"actor://{name}", ray.get(actor.presence.remote()).address[1])
        ray.kill(actor)
    else:
        yield Place(server.url, server.port)
        server.empty()


def connections(place: Place) -> int:
    """How many this process has to the store's server."""
    found = psutil.Process().net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr[1] == place.port for each in found)


def test_cancelled_calls_leave_nothing_behind(place):
    """Each happened or not, the next gets its own answers, and no connection is lost."""
    before = connections(place)
    moments = random.Random(1)

    async def main(aio):
        loop = asyncio.get_running_loop()
        mine = {f"mine/{n}": n for n in range(AT_ONCE)}
        await aio.set_many({**mine, "a": 1000, "b": 0})
        done = cancelled = rounds = 0
        span = 0.01
        while cancelled < CANCELLED:
            tasks = [asyncio.ensure_future(call(aio, n)) for n in range(AT_ONCE)]
            for task in tasks:
                loop.call_later(moments.uniform(0, span), task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            lost = [isinstance(result, asyncio.CancelledError) for result in results]
            assert not [each for each in results if isinstance(each, qstate.StateError)]
            done += lost[:: len(CALLS)].count(False)
            cancelled, rounds = cancelled + sum(lost), rounds + 1
            span *= 1.2 if sum(lost) > AT_ONCE / 2 else 0.8
            found = await asyncio.gather(*(aio.get(key) for key in mine))
            assert found == list(mine.values())
            async with asyncio.timeout(20):  # one that was being opened is hung up on in a moment
                while connections(place) > before + MOST:
                    await asyncio.sleep(0.01)
        return done, rounds * AT_ONCE

    async def closing(aio):
        async with aio:
            return await main(aio)

    with qstate.connect(place.url, timeout=20) as store:
        done, tried = asyncio.run(closing(store.aio))
    wait_until(lambda: connections(place) <= before)
    with qstate.connect(place.url) as store:
        assert done <= store["n"] <= tried / len(CALLS)
        assert store["a"] + store["b"] == 1000
        assert store.increment("n", 0.5) == store["n"]


def call(aio, number):
    """One of several kinds of calls."""
    return CALLS[number % len(CALLS)](aio)


async def _move(tx):
    await tx.set("a", await tx.get("a") - 1)
    await tx.set("b", await tx.get("b") + 1)


CALLS = (
    lambda aio: aio.increment("n"),
    lambda aio: aio.transact(_move),
    lambda aio: aio.set("large", b"x" * 200_000),
    lambda aio: aio.get("large"),
)


def test_many_coroutines_share_few_connections(place):
    """A thousand calls at once are served in turn, each with its own answer."""

    async def main():
        async with qstate.connect(place.url, timeout=60).aio as aio:
            await aio.set_many({str(n): n for n in range(1000)})
            calls = asyncio.gather(*(aio.get(str(n)) for n in range(1000)))
            await asyncio.sleep(0)
            while not calls.done():
                assert connections(place) <= MOST + 1
                await asyncio.sleep(0.02)
            return await calls

    assert asyncio.run(main()) == list(range(1000))


def test_a_forked_child_awaits_over_connections_of_its_own(place):
    """Its parent's go on to work, and answer nobody else."""
    if place.url.startswith("actor:"):
        pytest.skip("not applicable: Ray does not work in a forked child; it is told of elsewhere")

    async def add(aio, times):
        for _ in range(times):
            await aio.increment("n")

    def child(store):
        asyncio.run(add(store.aio, 20))

    async def main(aio):
        await add(aio, 1)
        process = multiprocessing.get_context("fork").Process(target=_in_thread, args=(child, aio))
        process.start()
        await add(aio, 20)
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == 0
        return await aio.get("n")

    with qstate.connect(place.url) as store:
        assert asyncio.run(main(store.aio)) == 41


def _in_thread(child, aio):
    """As a fork's child still has the loop of its parent running in this thread."""
    thread = threading.Thread(target=child, args=(aio.store,))
    thread.start()
    thread.join()
