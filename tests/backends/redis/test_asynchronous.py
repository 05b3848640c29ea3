"""The asynchronous door onto a real Redis."""

from __future__ import annotations

import asyncio

import pytest

import qstate
from tests.servers.listeners import silent
from tests.servers.process import wait_until
from tests.servers.redis import ours


@pytest.fixture(autouse=True)
def _emptied(any_redis):
    yield
    any_redis.empty()


def test_many_coroutines_lose_nothing(any_redis):
    """Fifty increments at once add up, on connections that are shared one call at a time."""

    async def main(aio):
        await asyncio.gather(*(aio.increment("n") for _ in range(50)))
        return await aio.get_many(["n", "absent"])

    with qstate.connect(any_redis.url) as store:
        assert asyncio.run(_closing(store.aio, main)) == {"n": 50}


def test_cancelled_calls_leave_no_connection_with_an_answer_to_come(any_redis):
    """Whenever a call is cancelled, the next one gets its own answer."""

    async def main(aio):
        for n in range(200):
            call = asyncio.ensure_future(aio.set("cancelled", n))
            await asyncio.sleep(0.0002 * (n % 7))
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await aio.set("k", n)
            assert await aio.get("k") == n

    with qstate.connect(any_redis.url) as store:
        asyncio.run(_closing(store.aio, main))


def test_closing_the_door_hangs_up(any_redis):
    """No connection of the event loop stays behind."""

    async def main(aio):
        await asyncio.gather(*(aio.get("k") for _ in range(10)))

    with any_redis.client() as client:
        with qstate.connect(any_redis.url) as store:
            asyncio.run(_closing(store.aio, main))
        wait_until(lambda: not ours(client))


def test_a_server_that_never_answers_is_an_error_within_the_timeout():
    """The whole call is bounded on the event loop too."""
    with silent() as port, qstate.connect(f"redis://127.0.0.1:{port}", timeout=0.3) as store:
        with pytest.raises(qstate.StoreUnavailableError, match=r"0\.3 s"):
            asyncio.run(store.aio.get("k"))


async def _closing(aio, main):
    async with aio:
        return await main(aio)
