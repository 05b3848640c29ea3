"""Watching: after a change each watcher is told, with a state at least that new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import pytest

from qstate.backend import Version
from qstate.encoded import ABSENT
from qstate.errors import StateTimeoutError
from qstate.store import StateStore
from qstate.testing.conformance.faults import CutsWatches, faulty
from qstate.testing.conformance.laws import Laws, Tally, needs, needs_watch
from qstate.testing.conformance.waiting import (
    PATIENCE,
    at_once,
    hearing,
    meanwhile,
    told,
    told_of,
    until,
)
from qstate.watching import Change

CHURN = 150


class WatchLaws(Laws):
    """What a watcher is told."""

    promise: ClassVar[str] = "Watching"

    def test_a_write_is_told(self, store: StateStore) -> None:
        """With its key, kind and entry, whichever way it was made."""
        with store.watch() as changes:
            writes: list[Callable[[], object]] = [
                lambda: store.set("k", 0),
                lambda: store.update({"k": 1}),
                lambda: store.modify("k", lambda value: value + 1),
                lambda: store.increment("k"),
                lambda: store.transact(lambda tx: tx.set("k", 4)),
            ]
            for number, write in enumerate(writes):
                write()
                change = told_of(changes, ["k"])[-1]
                assert (change.kind, change.entry) == ("set", store.entry("k"))
                assert change.entry is not None
                assert change.entry.value == number

    def test_a_removal_is_told(self, store: StateStore) -> None:
        """As ``deleted``, whichever way it was made; ``clear`` and batches too."""
        removals: dict[str, Callable[[], object]] = {
            "delete": lambda: store.delete("delete"),
            "delete_many": lambda: store.delete_many(["delete_many"]),
            "pop": lambda: store.pop("pop"),
            "transaction": lambda: store.transact(lambda tx: tx.delete("transaction")),
            "run/clear": lambda: store.scope("run").clear(),
        }
        for key in removals:
            store[key] = 1
        with store.watch() as changes:
            for key, remove in removals.items():
                remove()
                change = told_of(changes, [key])[-1]
                assert (change.kind, change.entry) == ("deleted", None)

    def test_an_expiry_is_told(self, store: StateStore) -> None:
        """As ``expired``: of a value written before the watch, and of one written since."""
        needs(store, "expiry")
        ttl = 0.4
        while True:
            store.set("before", 1, ttl=ttl)
            with store.watch() as changes:
                store.set("since", 1, ttl=ttl)
                seen = []
                for _ in range(2):  # what is told at the same time has come after the second
                    store["end"] = ttl
                    seen += told_of(changes, ["end"])
                if [(each.key, each.kind) for each in seen if each.key != "end"] == [
                    ("since", "set")
                ]:
                    kinds = {each.kind for each in told_of(changes, ["before", "since"])}
                    assert kinds == {"expired"}
                    return
            ttl *= 2  # one of them expired before the watcher looked
            assert ttl < PATIENCE

    def test_every_key_of_a_batch_is_told(self, store: StateStore) -> None:
        """Each with the batch's state or a newer one."""
        needs(store, "several_keys")
        keys = {f"k{number}" for number in range(20)}
        with store.watch() as changes:
            store.set_many(dict.fromkeys(keys, 1))
            told_of(changes, keys)
            store.delete_many(keys)
            seen = told_of(changes, keys)
            assert {change.kind for change in seen} == {"deleted"}

    def test_what_stood_before_the_watch_is_not_told(self, store: StateStore) -> None:
        """Only changes are."""
        store["old"] = 1
        with store.watch() as changes:
            store["new"] = 1
            assert [change.key for change in told(changes, lambda _: True)] == ["new"]

    def test_keys_outside_the_prefix_are_not_told(self, store: StateStore) -> None:
        """Compared character by character: ``a_`` is not ``ax``, ``run`` begins ``run-2``."""
        for prefix, outside in (
            ("run/", ["run", "run-2/a", "Run/a", "ru"]),
            ("a_", ["ax", "a", "b"]),
        ):
            with store.watch(prefix) as changes:
                for key in outside:
                    store[key] = 1
                store[prefix + "end"] = 1
                seen = [change.key for change in told(changes, lambda _: True)]
                assert seen == [prefix + "end"]

    def test_the_last_state_is_never_missed(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Of keys that two writers change all the time; states in between may be skipped."""
        churn = CHURN * more

        def write(key: str) -> None:
            for number in range(churn):
                store[key] = number
            store.delete(f"{key}/gone")

        for key in ("a", "b"):
            store[f"{key}/gone"] = 1
        with store.watch() as changes:
            waiting = {"a", "b", "a/gone", "b/gone"}

            def last(change: Change) -> bool:
                if change.entry is None or change.entry.value == churn - 1:
                    waiting.discard(change.key)
                return not waiting

            at_once(lambda: write("a"), lambda: write("b"))
            seen = told(changes, last)
            for key in ("a", "b"):
                values = [
                    change.entry.value for change in seen if change.key == key and change.entry
                ]
                assert values == sorted(values), "a watcher went back in time"
        tally("changes under a watch", 2 * churn + 2)

    def test_a_change_is_told_to_a_watcher_that_waits(self, store: StateStore) -> None:
        """Again and again: each lone change is told though nothing follows it."""
        with hearing(store) as heard:
            for number in range(10):
                version = store.set("k", number)
                until(partial(_last_is, heard, version), "a lone change is told")

    def test_what_changed_while_a_watch_was_cut_is_told(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Once its connection is made anew; and then what changes goes on being told."""
        needs_watch(store)
        rounds = 3 * more
        watched, between = faulty(store, CutsWatches)
        with watched.watch("run/") as changes:
            for number in range(rounds):
                store["run/gone"] = number
                told_of(changes, ["run/gone"])

                def change(number: int = number) -> None:
                    store.delete("run/gone")
                    store["run/k"] = number

                between.cut(change)
                seen = told_of(changes, ["run/gone", "run/k"])
                assert {each.key: each.kind for each in seen} == {
                    "run/gone": "deleted",
                    "run/k": "set",
                }
        tally("watches cut", rounds)

    def test_watchers_that_come_and_go_take_nothing_from_one_that_stays(
        self, store: StateStore
    ) -> None:
        """It is told of each lone change, though others begin and end all the time."""

        def pass_by() -> None:
            with store.watch("k") as changes:
                changes.next(0)

        with hearing(store) as heard, meanwhile(pass_by, pass_by, pause=0.001):
            for number in range(5):
                version = store.set("k", number)
                until(partial(_last_is, heard, version), "a lone change is told")

    def test_every_watcher_is_told(self, store: StateStore) -> None:
        """Of the same change; one that ends takes no other with it."""
        with store.watch() as first:
            with store.watch("k") as second:
                store["k"] = 1
                assert [told(each, lambda _: True)[-1].key for each in (first, second)] == [
                    "k",
                    "k",
                ]
            store["l"] = 2
            assert told(first, lambda change: change.key == "l")

    def test_closing_a_watch_ends_its_iteration(self, store: StateStore) -> None:
        """From any thread, though it waits."""
        seen: list[str] = []
        with store.watch() as changes:
            reader = threading.Thread(target=lambda: seen.extend(change.key for change in changes))
            reader.start()
            store["k"] = 1
            closer = threading.Thread(target=changes.close)
            closer.start()
            for thread in (closer, reader):
                thread.join(PATIENCE)
                assert not thread.is_alive()
        assert seen in ([], ["k"])

    def test_wait_for_returns_what_it_waited_for(self, store: StateStore) -> None:
        """What stands already, or comes while it waits; it looks at that key alone."""
        store["there"] = 1
        assert store.wait_for("there", timeout=PATIENCE) == 1

        def come() -> None:
            for number in range(5):
                store["k/other"] = number
                store["k"] = number

        waited, _ = at_once(lambda: store.wait_for("k", lambda value: value >= 4, PATIENCE), come)
        assert waited == 4

    def test_wait_for_gives_up_in_time(self, store: StateStore) -> None:
        """``StateTimeoutError`` after ``timeout``; what does not fulfil the predicate is not it."""
        store.set("k", 1, if_version=ABSENT)
        with pytest.raises(StateTimeoutError):
            store.wait_for("k", lambda value: value > 1, timeout=0.05)
        with pytest.raises(StateTimeoutError):
            store.wait_for("absent", timeout=0)


def _last_is(heard: list[Change], version: Version) -> bool:
    last = heard[-1].entry if heard else None
    return last is not None and last.version == version
