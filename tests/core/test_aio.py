"""The asynchronous door: the same names, awaited, onto the same store."""

import asyncio
import inspect

import pytest

import qstate
from qstate.aio import AsyncStateStore


@pytest.fixture(params=["native", "threads"])
def store(request, plain_store):
    if request.param == "threads":
        yield plain_store
    else:
        with qstate.connect("memory://") as store:
            yield store


def test_both_doors_open_onto_one_store(store):
    """What one writes the other reads, versions included."""

    async def main():
        version = await store.aio.set("a", {"k": (1, 2)})
        assert store.entry("a").version == version
        store["b"] = 2
        assert await store.aio.get_many(["a", "b", "c"]) == {"a": {"k": (1, 2)}, "b": 2}
        assert await store.aio.get("c", "none") == "none"
        assert await store.aio.delete("a") is True
        assert "a" not in store

    asyncio.run(main())


def test_every_name_of_the_store_is_there(store):
    """Nothing is missing but the dunder methods that can't be awaited."""
    wanted = {name for name in dir(qstate.StateStore) if not name.startswith("_")} - {"aio"}
    assert wanted <= set(dir(AsyncStateStore))
    for name in ("get", "set", "delete", "modify", "increment", "pop", "wait_for", "transact"):
        assert inspect.iscoroutinefunction(getattr(AsyncStateStore, name))
        assert getattr(AsyncStateStore, name).__doc__


def test_iterations_are_asynchronous(store):
    """`async for` goes over keys, items, values and scans."""

    async def main():
        run = store.scope("run").aio
        await run.set_many({"a": 1, "b": 2})
        assert sorted([key async for key in run]) == ["a", "b"]
        assert sorted([item async for item in run.items()]) == [("a", 1), ("b", 2)]
        assert sorted([value async for value in run.values()]) == [1, 2]
        assert [key async for key in run.scan("a")] == ["a"]
        assert await run.count() == 2
        assert await run.contains("a")

    asyncio.run(main())


def test_changes_are_atomic_among_coroutines(store):
    """Increments, modifications and transactions of many coroutines lose nothing."""

    async def add(tx):
        await tx.set("t", await tx.get("t", 0) + 1)

    async def slowly(value):
        await asyncio.sleep(0)
        return value + 1

    async def main():
        aio = store.aio
        await asyncio.gather(
            *(aio.increment("n") for _ in range(20)),
            *(aio.modify("m", slowly, 0) for _ in range(20)),
            *(aio.transact(add) for _ in range(20)),
        )
        return await aio.get_many(["n", "m", "t"])

    assert asyncio.run(main()) == {"n": 20, "m": 20, "t": 20}


def test_errors_are_those_of_the_store(store):
    """A conflict is a conflict, a missing key is missing, bad keys are refused."""

    async def main():
        version = await store.aio.set("a", 1)
        await store.aio.set("a", 2)
        with pytest.raises(qstate.ConflictError):
            await store.aio.set("a", 3, if_version=version)
        with pytest.raises(qstate.MissingKeyError):
            await store.aio.pop("b")
        with pytest.raises(qstate.InvalidKeyError):
            await store.aio.get("")

    asyncio.run(main())


def test_a_transaction_inside_another_of_the_same_store_is_refused(store):
    """By this door too; those of other coroutines are not inside it."""

    async def add(aio):
        async with aio.transaction() as tx:
            await tx.set("other", 1)

    async def main():
        aio = store.aio
        async with aio.transaction() as tx:
            with pytest.raises(qstate.UnsupportedOperationError, match="inside another"):
                await aio.transaction().__aenter__()
            await tx.set("a", 1)
        async with aio.transaction() as tx:
            await tx.set("b", 2)
        await asyncio.gather(*(add(aio) for _ in range(3)))
        return await aio.get_many(["a", "b", "other"])

    assert asyncio.run(main()) == {"a": 1, "b": 2, "other": 1}


def test_a_watch_is_followed_by_async_for(store):
    """Changes through the other door come too."""

    async def main():
        async with store.aio.watch("run/") as changes:
            store["run/a"] = 1
            change = await anext(changes)
            return change.key, change.entry.value

    assert asyncio.run(main()) == ("run/a", 1)


def test_a_cancelled_call_leaves_the_store_usable(store):
    """Calls that were cancelled at any moment are forgotten, and later ones answer rightly."""

    async def main():
        aio = store.aio
        for n in range(50):
            call = asyncio.ensure_future(aio.increment("n"))
            await asyncio.sleep(0.0002 * (n % 5))
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await aio.set("after", "fine")
        assert await aio.get("after") == "fine"
        assert 0 <= (await aio.get("n", 0)) <= 50

    asyncio.run(main())


def test_each_event_loop_has_its_own_connections(store):
    """A store can be used from one asyncio.run to the next."""
    aio = store.aio
    asyncio.run(aio.set("a", 1))
    assert asyncio.run(aio.get("a")) == 1


def test_a_closed_door_says_so(store):
    """After `async with`, the store is closed."""

    async def main():
        async with store.scope("run").aio as aio:
            await aio.set("a", 1)
        with pytest.raises(qstate.ClosedStoreError):
            await aio.get("a")

    asyncio.run(main())
    assert store["run/a"] == 1


def test_locks_are_held_by_one_coroutine_at_a_time():
    """`async with` holds a lock; one that gives up waiting leaves nothing behind."""

    async def main(store):
        aio = store.aio
        async with aio.lock("x", ttl=5) as first:
            waiting = asyncio.ensure_future(aio.lock("x").__aenter__())
            await asyncio.sleep(0.02)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            with pytest.raises(qstate.StateTimeoutError):
                await aio.lock("x", wait=0).__aenter__()
        async with aio.lock("x", wait=0) as second:
            assert second.token > first.token

    with qstate.connect("memory://") as store:
        asyncio.run(main(store))
