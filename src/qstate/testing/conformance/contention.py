"""Contention: what reads, changes and writes loses nothing though others do the same."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from qstate.errors import ConflictError, MissingKeyError, ValueTypeError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, fill
from qstate.testing.conformance.waiting import at_once

THREADS = 3
TIMES = 25


def _contend(store: StateStore, call: Any) -> list[Any]:
    """What a call returned in all threads, each with a handle of its own, all times."""

    def repeat(thread: int) -> list[Any]:
        return [call(store, f"{thread}.{time}") for time in range(TIMES)]

    calls = [lambda thread=thread: repeat(thread) for thread in range(THREADS)]
    return [result for results in at_once(*calls) for result in results]


class ContentionLaws(Laws):
    """What is atomic on one key."""

    promise: ClassVar[str] = "Atomic change of one key"

    def test_increment_adds_to_a_number(self, store: StateStore) -> None:
        """From 0; ints stay ints of any size, floats are floats; the new number is returned."""
        assert [store.increment("n"), store.increment("n", 5), store.increment("n", -7)] == [
            1,
            6,
            -1,
        ]
        assert store.increment("big", 2**70) == 2**70
        assert store.increment("big") == 2**70 + 1
        assert store.increment("f", 0.5) == store.increment("f", 0) == 0.5
        assert repr(store["n"]) == "-1"

    def test_increment_of_what_is_no_number_is_refused(self, store: StateStore) -> None:
        """``ValueTypeError``; what stands there stays, its version too."""
        for value in ("1", None, [1], True, {"n": 1}, b"1"):
            version = store.set("k", value)
            with pytest.raises(ValueTypeError):
                store.increment("k")
            entry = store.entry("k")
            assert entry is not None
            assert (entry.value, entry.version) == (value, version)
        for by in ("1", None, True):
            with pytest.raises(ValueTypeError):
                store.increment("new", by)  # type: ignore[arg-type]
        assert "new" not in store

    def test_increments_lose_nothing_under_contention(self, store: StateStore) -> None:
        """Each returns a number that no other does."""
        found = _contend(store, lambda store, _: store.increment("n"))
        assert sorted(found) == list(range(1, THREADS * TIMES + 1))
        assert store["n"] == THREADS * TIMES

    def test_modifications_lose_nothing_under_contention(self, store: StateStore) -> None:
        """Every item that was appended is there, once."""
        _contend(store, lambda store, name: store.modify("k", lambda known: [*known, name], []))
        names = [f"{thread}.{time}" for thread in range(THREADS) for time in range(TIMES)]
        assert sorted(store["k"]) == sorted(names)

    def test_modify_tells_the_new_value_and_passes_errors_on(self, store: StateStore) -> None:
        """What ``fn`` raises is raised, and nothing is written."""
        assert store.modify("k", lambda value: value + 1, 1) == store["k"] == 2
        with pytest.raises(ZeroDivisionError):
            store.modify("k", lambda value: value / 0)
        with pytest.raises(MissingKeyError):
            store.modify("absent", lambda value: value)
        assert dict(store.items()) == {"k": 2}

    def test_each_value_is_popped_once(self, store: StateStore) -> None:
        """Though all threads pop the same keys; ``popitem`` too."""
        fill(store, {str(time): time for time in range(TIMES)})
        found = _contend(store, lambda store, name: store.pop(name.partition(".")[2], None))
        assert sorted(value for value in found if value is not None) == list(range(TIMES))
        assert len(store) == 0

    def test_each_item_is_taken_by_one(self, store: StateStore) -> None:
        """``popitem`` gives each key to one thread alone."""
        fill(store, {str(time): time for time in range(THREADS * TIMES)})
        found = _contend(store, lambda store, _: store.popitem())
        assert sorted(value for _, value in found) == list(range(THREADS * TIMES))

    def test_setdefault_has_one_winner(self, store: StateStore) -> None:
        """All threads get the value of the one whose default was written."""
        found = _contend(
            store, lambda store, name: (name.partition(".")[2], store.setdefault(name[2:], name))
        )
        for key in map(str, range(TIMES)):
            assert {value for name, value in found if name == key} == {store[key]}

    def test_one_of_those_who_require_the_same_version_wins(self, store: StateStore) -> None:
        """All others get ``ConflictError``."""
        for _ in range(10):
            version = store.set("k", 0)

            def attempt(name: str, version: bytes = version) -> str | None:
                try:
                    store.set("k", name, if_version=version)
                except ConflictError:
                    return None
                return name

            won = at_once(lambda: attempt("a"), lambda: attempt("b"), lambda: attempt("c"))
            assert [name for name in won if name is not None] == [store["k"]]
