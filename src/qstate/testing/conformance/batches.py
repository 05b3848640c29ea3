"""Several keys: all or nothing, and never seen half done."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest

from qstate.backend import Delete, Put, Version
from qstate.errors import (
    ConflictError,
    InvalidKeyError,
    SerializationError,
    UnsupportedOperationError,
)
from qstate.store import StateStore
from qstate.testing.conformance.faults import declaring_less
from qstate.testing.conformance.laws import Laws, Tally, backend_of, needs
from qstate.testing.conformance.waiting import meanwhile

KEYS = [f"k{number}" for number in range(8)]
READS = 60
WRITES = 10
"""Batches that are written, at least, while others read: fast readers would be through before."""


def reads(number: int, written: Callable[[], int]) -> Iterator[int]:
    """So many reads, and more until there were some writes."""
    for read in range(1000 * number):
        if read >= number and written() >= WRITES:
            return
        yield read


class BatchLaws(Laws):
    """What happens as one."""

    promise: ClassVar[str] = "Several keys as one"

    def test_several_keys_are_written_read_and_removed(self, store: StateStore) -> None:
        """``set_many``, ``get_many``, ``delete_many``; absent keys are absent, and not counted."""
        needs(store, "several_keys")
        values = {f"k{number}": number for number in range(1200)}
        store.set_many(values)
        assert store.get_many([*values, "absent"]) == values
        assert len(store) == 1200
        assert store.delete_many([*values, "absent", "k1"]) == 1200
        assert store.get_many(values) == {}

    def test_a_batch_of_none_is_nothing(self, store: StateStore) -> None:
        """Empty batches are fine and change nothing."""
        store["k"] = 1
        store.set_many({})
        assert store.get_many([]) == {}
        assert store.delete_many([]) == 0
        with store.transaction():
            pass
        assert dict(store.items()) == {"k": 1}

    def test_a_batch_overwrites_and_each_key_has_its_own_value(self, store: StateStore) -> None:
        """What stood there before is gone, and nothing else changes."""
        needs(store, "several_keys")
        store["other"] = 1
        store.set_many({"a": 1, "b": 2})
        store.set_many({"b": 3, "c": 4})
        assert dict(store.items()) == {"other": 1, "a": 1, "b": 3, "c": 4}

    def test_a_batch_whose_last_operation_must_fail_leaves_nothing(self, store: StateStore) -> None:
        """A bad key, a value that can't be written: none of the others is written."""
        needs(store, "several_keys")
        for last in ({"": 1}, {"bad": object()}):
            with pytest.raises((InvalidKeyError, SerializationError)):
                store.set_many({"a": 1, "b": 2} | last)
        with pytest.raises(InvalidKeyError):
            store.delete_many(["a", "b", ""])
        assert list(store) == []

    @pytest.mark.parametrize("unmet", ["another version", "nothing stood", "something stood"])
    def test_a_batch_whose_last_requirement_does_not_hold_leaves_nothing(
        self, store: StateStore, unmet: str
    ) -> None:
        """``ConflictError``, though all the others held: no write and no removal is applied."""
        needs(store, "several_keys")
        versions: dict[str, Version | None] = {key: store.set(key, "old") for key in KEYS}
        versions["new"] = None
        last = {"nothing stood": "absent"}.get(unmet, KEYS[-1])
        versions[last] = None if unmet == "something stood" else Version.new()
        parts = tuple(store._codec.encode("half"))
        puts = [Put(key, Version.new(), parts) for key in ["new", *KEYS[2:]]]
        with pytest.raises(ConflictError) as refused:
            backend_of(store).write([Delete(KEYS[0]), *puts], require=versions)
        assert refused.value.key == last
        assert dict(store.items()) == dict.fromkeys(KEYS, "old")

    def test_a_reader_never_sees_a_batch_half_done(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Polled by ``get_many`` while it is written again and again."""
        needs(store, "several_keys")
        rounds = itertools.count(1)
        store.set_many(dict.fromkeys(KEYS, 0))
        with meanwhile(lambda: store.set_many(dict.fromkeys(KEYS, next(rounds)))) as written:
            for _ in reads(READS * more, written):
                found = store.get_many(KEYS)
                assert len(found) == len(KEYS)
                assert len(set(found.values())) == 1, found
        tally("reads during commits", READS * more)

    def test_a_reader_never_sees_a_transaction_half_done(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Writes and removals that swap two halves: one half stands at any moment."""
        needs(store, "several_keys")
        halves = (KEYS[:4], KEYS[4:])
        turns = itertools.cycle((halves, halves[::-1]))
        store.set_many(dict.fromkeys(halves[1], 0))

        def swap() -> None:
            come, go = next(turns)
            with store.transaction() as tx:
                for key in come:
                    tx[key] = 1
                for key in go:
                    tx.delete(key)

        with meanwhile(swap) as written:
            for _ in reads(READS * more, written):
                assert sorted(store.get_many(KEYS)) in [sorted(half) for half in halves]
        tally("reads during commits", READS * more)

    def test_a_reader_never_sees_a_removal_half_done(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """``delete_many`` takes all of them at one moment."""
        needs(store, "several_keys")

        def come_and_go() -> None:
            store.set_many(dict.fromkeys(KEYS, 1))
            store.delete_many(KEYS)

        with meanwhile(come_and_go) as written:
            for _ in reads(READS * more, written):
                assert len(store.get_many(KEYS)) in (0, len(KEYS))
        tally("reads during commits", READS * more)

    def test_batches_that_meet_do_not_mix(self, store: StateStore) -> None:
        """Two writers of the same keys in opposite orders: one or the other, never a deadlock."""
        needs(store, "several_keys")
        there = dict.fromkeys(KEYS, "there")
        back = dict.fromkeys(reversed(KEYS), "back")
        with meanwhile(lambda: store.set_many(there), lambda: store.set_many(back)) as written:
            for _ in reads(30, written):
                assert len(set(store.get_many(KEYS).values())) <= 1
        assert store.get_many(KEYS) in (there, back)

    def test_what_is_not_offered_for_several_keys_is_refused(self, store: StateStore) -> None:
        """``UnsupportedOperationError`` where a write holds one key; nothing is sent."""
        single, backend = declaring_less(store, several_keys=False)
        for call in (
            lambda: single.set_many({"a": 1, "b": 2}),
            lambda: single.delete_many(["a", "b"]),
            lambda: single.transact(lambda tx: [tx.set("a", 1), tx.set("b", 1)]),
        ):
            with pytest.raises(UnsupportedOperationError):
                call()
        assert (backend.asked, list(store)) == ([], [])
