"""Transactions: reads and writes that take effect as one, or not at all."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from qstate.errors import ConflictError, UnsupportedOperationError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, needs
from qstate.testing.conformance.waiting import at_once


class TransactionLaws(Laws):
    """What a transaction is."""

    promise: ClassVar[str] = "Transactions"

    def test_a_transaction_takes_effect_at_its_end(self, store: StateStore) -> None:
        """Before that nobody sees it; then all of it stands."""
        needs(store, "several_keys")
        store["gone"] = 1
        with store.transaction() as tx:
            tx.set("a", 1)
            tx["b"] = 2
            assert tx.delete("gone") is True
            assert sorted(store) == ["gone"]
        assert dict(store.items()) == {"a": 1, "b": 2}

    def test_a_transaction_sees_its_own_writes(self, store: StateStore) -> None:
        """What it wrote and removed, in ``get``, ``in`` and ``[]``."""
        needs(store, "several_keys")
        store["a"] = 1
        with store.transaction() as tx:
            tx["a"] = tx["a"] + 1
            tx["new"] = [1]
            tx["new"].append(2)
            assert (tx.get("a"), tx["new"], "new" in tx) == (2, [1], True)
            assert (tx.delete("a"), tx.delete("absent")) == (True, False)
            assert (tx.get("a", "none"), "a" in tx) == ("none", False)
            tx["a"] = 3
        assert dict(store.items()) == {"a": 3, "new": [1]}

    def test_an_exception_inside_a_transaction_writes_nothing(self, store: StateStore) -> None:
        """And is passed on."""
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:
            tx["a"] = 1 / 0
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:
            tx["a"] = 1
            raise ZeroDivisionError
        assert list(store) == []

    @pytest.mark.parametrize("change", ["written", "removed", "written again", "came"])
    def test_a_change_of_what_was_read_is_a_conflict(self, store: StateStore, change: str) -> None:
        """``ConflictError`` at the end, and nothing is written; absence is read too."""
        needs(store, "several_keys")
        if change != "came":
            store["read"] = 1
        with pytest.raises(ConflictError) as refused, store.transaction() as tx:
            tx.get("read")
            tx["new"] = 1
            if change == "removed":
                store.delete("read")
            else:
                store["read"] = 1 if change == "written again" else 2
        assert refused.value.key == "read"
        assert "new" not in store

    def test_what_was_only_written_is_no_conflict(self, store: StateStore) -> None:
        """A blind write goes over what others wrote."""
        needs(store, "several_keys")
        with store.transaction() as tx:
            tx["a"] = tx["b"] = "mine"
            store["a"] = "theirs"
        assert dict(store.items()) == {"a": "mine", "b": "mine"}

    def test_a_transaction_that_only_read_tells_whether_it_saw_one_moment(
        self, store: StateStore
    ) -> None:
        """A change of what it read is a conflict, though it wrote nothing."""
        needs(store, "several_keys")
        store.set_many({"a": 1, "b": 1})
        with store.transaction() as tx:
            assert tx["a"] == tx["b"]
        with pytest.raises(ConflictError), store.transaction() as tx:
            tx.get("a")
            store.set_many({"a": 2, "b": 2})
            tx.get("b")

    def test_two_transactions_that_read_what_the_other_writes_do_not_both_commit(
        self, store: StateStore
    ) -> None:
        """No write skew: of two doctors on call one stays."""
        needs(store, "several_keys")
        for _ in range(10):
            store.set_many({"ann": True, "bob": True})

            def leave(name: str, other: str) -> None:
                def work(tx: Any) -> None:
                    if tx.get(other):
                        tx[name] = False

                store.transact(work)

            at_once(lambda: leave("ann", "bob"), lambda: leave("bob", "ann"))
            assert sorted(store.get_many(["ann", "bob"]).values()) == [False, True]

    def test_transact_runs_again_after_a_conflict(self, store: StateStore) -> None:
        """Until it commits, and returns what the last run returned; up to a bound."""
        runs: list[int] = []

        def work(tx: Any) -> int:
            seen: int = tx.get("k", 0)
            if len(runs) < 3:
                store.increment("k")
            runs.append(seen)
            tx["k"] = seen + 10
            return seen + 10

        assert store.transact(work) == store["k"] == 13
        assert runs == [0, 1, 2, 3]

        def never(tx: Any) -> None:
            tx.set("k", tx.get("k") + 1)
            store.increment("k")

        with pytest.raises(ConflictError):
            store.transact(never, attempts=3)
        assert store["k"] == 16

    def test_transactions_lose_nothing_under_contention(self, store: StateStore) -> None:
        """Money that threads move between accounts is neither lost nor made."""
        needs(store, "several_keys")
        accounts = ["a", "b", "c"]
        store.set_many(dict.fromkeys(accounts, 100))

        def move(number: int) -> None:
            source, target = accounts[number % 3], accounts[(number + 1) % 3]

            def work(tx: Any) -> None:
                tx[source], tx[target] = tx[source] - number, tx[target] + number

            for _ in range(10):
                store.transact(work)

        at_once(lambda: move(1), lambda: move(2), lambda: move(3))
        assert store.get_many(accounts) == {"a": 90, "b": 120, "c": 90}

    def test_a_transaction_inside_another_is_refused(self, store: StateStore) -> None:
        """``UnsupportedOperationError``; the outer one goes on, and another may follow."""
        with store.transaction() as tx:
            tx["k"] = 1
            for handle in (store, store.scope("run")):
                with pytest.raises(UnsupportedOperationError), handle.transaction():
                    pass
        with store.transaction() as tx:
            tx["k"] = tx["k"] + 1
        assert store["k"] == 2
