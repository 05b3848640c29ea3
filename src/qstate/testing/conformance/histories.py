"""Histories: what several processes saw at the same time fits one order of events."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import ClassVar

from qstate.store import StateStore
from qstate.testing.conformance import jobs
from qstate.testing.conformance.laws import (
    Laws,
    Tally,
    can,
    needs,
    needs_processes,
    not_applicable,
    travels,
)
from qstate.testing.conformance.linearizability import Event, not_linearizable, told
from qstate.testing.conformance.waiting import at_once
from qstate.testing.workers import Worker

KEYS = ("r1", "r2", "n1")
BATCHES = ("b1", "b2")
HISTORIES = 2
OPERATIONS = 60
"""Of each client in a history."""


class HistoryLaws(Laws):
    """What several clients see together."""

    promise: ClassVar[str] = "Linearizable histories"

    def test_reads_and_writes_of_one_key_are_linearizable(
        self,
        store: StateStore,
        workers: list[Worker],
        tally: Tally,
        seed: random.Random,
        more: int,
    ) -> None:
        """Reads, writes, removals, swaps, pops, defaults and increments of three clients."""
        if can(store).reads_behind:
            not_applicable("reads behind")
        for _ in range(HISTORIES * more):
            self._explained(store, KEYS, workers, seed, tally)

    def test_what_others_wrote_is_read_as_soon_as_the_store_declares(
        self, store: StateStore, workers: list[Worker], tally: Tally, more: int
    ) -> None:
        """At once, or after ``reads_behind`` seconds where a store keeps what it has read."""
        needs_processes(store)
        for number in range(20 * more):
            store.get("k")
            workers[0].start(jobs.put, store, "k", number)
            workers[0].result()
            written = time.monotonic()
            while (found := store.get("k")) != number:
                assert time.monotonic() <= written + can(store).reads_behind, found
        tally("writes awaited by another process", 20 * more)

    def test_no_read_goes_back(
        self, store: StateStore, workers: list[Worker], tally: Tally, more: int
    ) -> None:
        """Whatever call a process reads by, it sees no older value than it has seen."""
        needs_processes(store)
        last = 200 * more
        store["k"] = 0
        workers[0].start(jobs.count, store, "k", last)
        seen, looks = 0, 0
        while seen < last:
            entry = store.entry("k")
            found = [seen, entry.value if entry else -1]
            found += [store.get("k"), store["k"], store.get_many(["k"])["k"], store.get("k")]
            assert found == sorted(found)
            seen = found[-1]
            looks += 1
        workers[0].result()
        tally("looks at a counter of another process", looks)

    def test_what_a_process_wrote_it_reads(self, store: StateStore, tally: Tally) -> None:
        """At once, in whichever thread, and by whichever call it was written."""

        def work(key: str) -> None:
            for number in range(50):
                store[key] = number
                assert store[key] == number
                assert store.increment(key) == store[key] == number + 1
                assert store.pop(key) == number + 1
                assert key not in store

        at_once(*(lambda key=key: work(key) for key in ("a", "b", "c")))
        tally("own writes read", 3 * 50 * 3)

    def test_batches_and_transactions_are_linearizable_as_one(
        self,
        store: StateStore,
        workers: list[Worker],
        tally: Tally,
        seed: random.Random,
        more: int,
    ) -> None:
        """What three clients do to several keys at once is as if it were one key."""
        needs(store, "several_keys")
        for _ in range(HISTORIES * more):
            self._explained(store, BATCHES, workers, seed, tally)

    def test_transactions_of_several_processes_keep_their_invariant(
        self,
        store: StateStore,
        workers: list[Worker],
        tally: Tally,
        seed: random.Random,
        more: int,
    ) -> None:
        """Money that is moved is neither lost nor made, at any moment that anyone sees."""
        needs(store, "several_keys")
        needs_processes(store)
        accounts = ("a", "b", "c", "d")
        store.set_many(dict.fromkeys(accounts, 100))
        for worker in workers:
            worker.start(jobs.transfer, store, accounts, seed.randrange(2**32), 40 * more)
        assert [worker.result() for worker in workers] == [0] * len(workers)
        assert sum(store.get_many(accounts).values()) == 400
        tally("transactions of several processes", 40 * more * len(workers))

    def test_increments_of_several_processes_lose_nothing(
        self, store: StateStore, workers: list[Worker], tally: Tally
    ) -> None:
        """Each returns a number that no other does."""
        needs_processes(store)
        for worker in workers:
            worker.start(jobs.increment, store, "n", 60)
        found = [number for worker in workers for number in worker.result()]
        assert sorted(found) == list(range(1, 60 * len(workers) + 1))
        tally("increments of several processes", len(found))

    def _explained(
        self,
        store: StateStore,
        keys: Sequence[str],
        workers: list[Worker],
        seed: random.Random,
        tally: Tally,
    ) -> None:
        """Record a history, and look for an order of its operations."""
        seeds = [seed.randrange(2**32) for _ in range(3)]
        history = self._play(store, keys, workers, seeds)
        broken = not_linearizable(history)
        assert broken == [], told(history, broken)
        tally("histories", 1)
        tally("operations in histories", len(history))
        store.clear(everything=True)

    def _play(
        self, store: StateStore, keys: Sequence[str], workers: list[Worker], seeds: list[int]
    ) -> list[Event]:
        if not travels(store):  # threads of this process, then
            calls = [
                lambda place=place, seed=seed: jobs.play(store, keys, place, seed, OPERATIONS)
                for place, seed in enumerate(seeds)
            ]
            return [event for events in at_once(*calls) for event in events]
        for place, (worker, seed) in enumerate(zip(workers, seeds, strict=True)):
            worker.start(jobs.play, store, keys, place, seed, OPERATIONS)
        return [event for worker in workers for event in worker.result()]
