"""The asynchronous door: the same store, the same promises, awaited."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest

from qstate.aio import AsyncStateStore
from qstate.encoded import ABSENT
from qstate.errors import ConflictError, MissingKeyError, StateTimeoutError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, Tally, needs
from qstate.testing.conformance.versions import standing
from qstate.testing.conformance.waiting import PATIENCE, meanwhile


def run(store: StateStore, work: Callable[[AsyncStateStore], Awaitable[Any]]) -> Any:
    """Do something by the asynchronous door, on a new event loop."""

    async def main() -> Any:
        async with copy.copy(store).aio as aio:
            return await work(aio)

    return asyncio.run(main())


class AsyncLaws(Laws):
    """What holds by the other door too."""

    promise: ClassVar[str] = "Async"

    def test_what_one_door_writes_the_other_reads(self, store: StateStore) -> None:
        """At once, with its version, both ways."""

        async def main(aio: AsyncStateStore) -> None:
            for number in range(10):
                version = await aio.set("a", {"n": (number,)})
                assert (store["a"], standing(store, "a")) == ({"n": (number,)}, version)
                version = store.set("b", number)
                assert await aio.get("b") == number
                entry = await aio.entry("b")
                assert entry is not None
                assert entry.version == version
            assert [await aio.get(key) for key in "abc"] == [{"n": (9,)}, 9, None]
            assert await aio.delete("a") is True
            assert "a" not in store

        run(store, main)

    def test_the_asynchronous_calls_mean_the_same(self, store: StateStore) -> None:
        """Requirements, defaults, errors, batches, scopes, counts and scans."""

        async def main(aio: AsyncStateStore) -> None:
            scope = aio / "run"
            await scope.set("k", 1, if_version=ABSENT)
            with pytest.raises(ConflictError):
                await scope.set("k", 2, if_version=ABSENT)
            assert await scope.increment("k") == 2
            assert await scope.modify("k", _plus_one) == 3
            assert (await scope.setdefault("k", 9), await scope.setdefault("l", 4)) == (3, 4)
            assert sorted([item async for item in scope.items()]) == [("k", 3), ("l", 4)]
            assert sorted([key async for key in aio.scan("run/")]) == ["run/k", "run/l"]
            assert (await scope.count(), await scope.contains("k")) == (2, True)
            assert (await scope.pop("k"), await scope.pop("k", None)) == (3, None)
            with pytest.raises(MissingKeyError):
                await scope.pop("k")
            await scope.clear()
            assert await aio.count() == 0

        run(store, main)

    def test_coroutines_lose_nothing_under_contention(self, store: StateStore) -> None:
        """Increments, modifications and transactions, while threads do the same."""

        async def add(tx: Any) -> None:
            await tx.set("transact", await tx.get("transact", 0) + 1)

        async def main(aio: AsyncStateStore) -> None:
            await asyncio.gather(
                *(aio.increment("increment") for _ in range(8)),
                *(aio.modify("modify", _plus_one, 0) for _ in range(8)),
                *(aio.transact(add) for _ in range(8)),
            )

        counted: list[int] = []
        with meanwhile(lambda: counted.append(store.increment("increment")), pause=0.002):
            run(store, main)
        assert store["increment"] == 8 + len(counted)
        assert (store["modify"], store["transact"]) == (8, 8)

    def test_a_batch_is_never_seen_half_done_by_the_other_door(self, store: StateStore) -> None:
        """Nor a transaction."""
        needs(store, "several_keys")
        keys = ["a", "b", "c"]

        async def main(aio: AsyncStateStore) -> None:
            for number in range(15):
                await aio.set_many(dict.fromkeys(keys, number))
                async with aio.transaction() as tx:
                    for key in keys:
                        await tx.set(key, -number)

        def look() -> None:
            assert len(set(store.get_many(keys).values())) <= 1

        with meanwhile(look):
            run(store, main)

    def test_a_cancelled_call_leaves_nothing_behind(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """It happened or not; what comes after gets its own answers."""
        cancelled = 60 * more
        store["mine"] = "mine"

        async def main(aio: AsyncStateStore) -> int:
            await aio.get("mine")
            done = 0
            for turn in range(cancelled):
                task = asyncio.ensure_future(aio.increment("n"))
                await asyncio.sleep(turn % 6 * 0.0003)
                task.cancel()
                await asyncio.wait([task])
                done += not task.cancelled() and task.exception() is None
                assert await aio.get("mine") == "mine"
            found = await asyncio.gather(*(aio.get("mine") for _ in range(5)))
            assert found == ["mine"] * 5
            return done

        done = run(store, main)
        assert done <= store.get("n", 0) <= cancelled
        tally("cancelled calls", cancelled)

    def test_a_cancelled_lock_is_free(self, store: StateStore) -> None:
        """Whether it was cancelled while it waited or while it was being taken."""
        needs(store, "expiry", "several_keys")

        async def take(aio: AsyncStateStore) -> None:
            async with aio.lock("lock", ttl=60):
                await asyncio.sleep(PATIENCE)

        async def main(aio: AsyncStateStore) -> None:
            for turn in range(8):
                tasks = [asyncio.ensure_future(take(aio)) for _ in range(2)]
                await asyncio.sleep(turn * 0.001)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                async with aio.lock("lock", wait=PATIENCE) as lease:
                    assert lease.held

        run(store, main)

    def test_locks_hold_between_the_doors(self, store: StateStore) -> None:
        """What one door holds the other can't take."""
        needs(store, "expiry", "several_keys")

        async def main(aio: AsyncStateStore) -> None:
            async with aio.lock("lock") as lease:
                with pytest.raises(StateTimeoutError), store.lock("lock", wait=0):
                    pass
                first = lease.token
            with store.lock("lock") as lease:
                assert lease.token > first
                with pytest.raises(StateTimeoutError):
                    async with aio.lock("lock", wait=0):
                        pass

        run(store, main)

    def test_changes_are_told_to_asynchronous_watchers(self, store: StateStore) -> None:
        """By either door; ``wait_for`` too, and a cancelled watch ends."""

        async def main(aio: AsyncStateStore) -> None:
            async with aio.watch("k") as changes:
                store["k"] = 1
                change = await asyncio.wait_for(anext(changes), PATIENCE)
                assert (change.key, change.kind, change.entry) == ("k", "set", store.entry("k"))
                await aio.delete("k")
                change = await asyncio.wait_for(anext(changes), PATIENCE)
                assert (change.key, change.kind) == ("k", "deleted")
            store["there"] = 2
            assert await aio.wait_for("there", timeout=PATIENCE) == 2

        run(store, main)


def _plus_one(value: int) -> int:
    return value + 1
