"""A served backend by the asynchronous door: connections of an event loop, never mixed up."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import asynccontextmanager

import pytest

from qstate.backend import (
    Capabilities,
    ConflictError,
    StoreUnavailableError,
    Version,
    deadline,
)
from qstate_backends.channels import SocketChannel
from qstate_backends.served import ServedBackend
from qstate_backends.server import BackendServer
from qstate_backends.service import Service
from tests.backends.test_served import (  # noqa: F401
    client,
    client_of,
    connections,
    memory,
    put,
    server,
)
from tests.servers.process import wait_until


@asynccontextmanager
async def door(client):  # noqa: F811
    backend = client.aio()
    try:
        yield backend
    finally:
        await backend.close()


def test_all_that_the_backend_does_is_awaited(client, memory):  # noqa: F811
    """With values of any size, conflicts and what they tell."""
    large = os.urandom(3_000_000)

    async def main():
        async with door(client) as aio:
            await aio.write([put("a"), put("b", memoryview(large))])
            assert list(await aio.read_data(["b", "none", "a"])) == [large, None, b"data"]
            with pytest.raises(ConflictError) as told:
                await aio.write([put("a")], require={"a": None})
            assert told.value.actual == (await aio.read(["a"]))[0].version
            assert await aio.scan("", None, 1) == (["a"], b"a")
            assert (await aio.count(""), await aio.remove(["a"])) == (2, 1)
            operation, change = Version.new(), put("c")
            for _ in range(2):
                await aio.write_once(operation, [change], require={"c": None})
            assert memory.count("") == 2

    asyncio.run(main())


def test_each_of_many_coroutines_gets_its_own_answer_over_few_connections(client, server):  # noqa: F811
    """However many ask at once."""

    async def main():
        async with door(client) as aio:
            await aio.write([put(str(n), b"%d" % n) for n in range(300)])
            found = await asyncio.gather(*(aio.read_data([str(n)]) for n in range(300)))
            assert [bytes(data) for (data,) in found] == [b"%d" % n for n in range(300)]
            assert 1 < connections(server) <= 8

    asyncio.run(main())
    wait_until(lambda: connections(server) == 0)


def test_a_cancelled_call_closes_its_connection_and_no_answer_is_taken_for_another(client):  # noqa: F811
    """Whenever it was cancelled."""

    async def main():
        async with door(client) as aio:
            await aio.write([put(str(n), b"%d" % n) for n in range(200)])
            for n in range(200):
                call = asyncio.ensure_future(aio.read_data([str(n)]))
                await asyncio.sleep(n % 7 * 0.00005)
                call.cancel()
                await asyncio.wait([call])
                assert [bytes(data) for data in await aio.read_data([str(n)])] == [b"%d" % n]

    asyncio.run(main())


def test_a_server_that_does_not_answer_costs_the_timeout_and_no_more(memory):  # noqa: F811
    """While connecting, while waiting for an answer, and while others have all connections."""
    server = BackendServer(Service(memory), "127.0.0.1")  # noqa: F811 - listens, does not answer
    answer, going_on = memory.count, threading.Event()

    async def unanswered(aio):
        with pytest.raises(StoreUnavailableError) as told:
            await aio.count("")
        return told.value.outcome

    async def main():
        async with door(client_of(server, timeout=0.2)) as aio:
            assert await unanswered(aio) == "not applied"
        server.start()
        memory.count = lambda prefix: going_on.wait() and answer(prefix)
        async with door(client_of(server)) as aio:
            with deadline(time.monotonic() + 0.4):
                outcomes = await asyncio.gather(*(unanswered(aio) for _ in range(10)))
            assert sorted(set(outcomes)) == ["not applied", "unknown"]
            going_on.set()
            assert await aio.count("") == 0

    asyncio.run(main())
    server.close()


def test_a_connection_that_was_cut_between_calls_is_made_anew(client, server):  # noqa: F811
    """A call that finds its connection dead has sent nothing, and connects again."""

    async def main():
        async with door(client) as aio:
            await aio.count("")
            for peer in list(server._peers):
                peer.shutdown(2)
            while server._peers:
                await asyncio.sleep(0.001)
            await aio.write([put("k")])
            assert list(await aio.read_data(["k"])) == [b"data"]

    asyncio.run(main())


def test_a_server_that_has_ended_or_knows_another_key_is_told(server):  # noqa: F811
    """Nothing was applied, and the message says what happened."""

    async def main():
        stranger = SocketChannel(server.address, b"another key", "the store")
        strange = ServedBackend(stranger, Capabilities(reach="host"), 5)
        for backend, message in ((strange, "did not let"), (client_of(server), "has ended")):
            async with door(backend) as aio:
                with pytest.raises(StoreUnavailableError, match=message) as told:
                    await aio.write([put("k")])
                assert told.value.outcome == "not applied"
            server.close()

    asyncio.run(main())
