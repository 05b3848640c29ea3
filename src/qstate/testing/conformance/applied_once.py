"""Applied once: an operation whose answer was lost is settled, never repeated blindly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

import pytest

from qstate.encoded import ABSENT
from qstate.errors import StoreUnavailableError
from qstate.store import StateStore
from qstate.testing.conformance.faults import losing_answers
from qstate.testing.conformance.laws import Laws, Tally, needs
from qstate.testing.conformance.versions import standing

ROUNDS = 12


def settled(call: Callable[[], Any]) -> Any:
    """What the call returned; ``unknown`` where it said that nobody can tell any more."""
    try:
        return call()
    except StoreUnavailableError as error:
        assert error.outcome == "unknown"
        return "unknown"


class AppliedOnceLaws(Laws):
    """What becomes of an operation whose answer is lost."""

    promise: ClassVar[str] = "Applied once"

    def test_increments_whose_answers_are_lost_count_once(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """As do modifications: each step is there, and none twice."""
        cut, faults = losing_answers(store)
        rounds = ROUNDS * more
        for step in range(1, rounds):
            faults.lose = 1 + step % 2
            assert cut.increment("n") == step
            faults.lose = 1
            cut.modify("list", lambda known: [*known, len(known)], [])
        assert store["n"] == rounds - 1
        assert store["list"] == list(range(rounds - 1))
        tally("lost answers", faults.lost)

    def test_a_write_over_a_version_never_conflicts_with_itself(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Nor does one that requires absence: sent again, it finds what it wrote itself."""
        cut, faults = losing_answers(store)
        rounds = ROUNDS * more
        version = cut.set("chain", 0)
        for step in range(1, rounds):
            faults.lose = 1
            version = cut.set("chain", step, if_version=version)
            assert (store["chain"], standing(store, "chain")) == (step, version)
            faults.lose = 1
            cut.set(f"new/{step}", step, if_version=ABSENT)
            assert store[f"new/{step}"] == step
        tally("lost answers", faults.lost)

    def test_transactions_whose_answers_are_lost_happen_once(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Money that is moved is moved once."""
        needs(store, "several_keys")
        store.set_many({"a": 100 * more, "b": 0})
        cut, faults = losing_answers(store)
        rounds = ROUNDS * more

        def move(tx: Any) -> None:
            tx["a"], tx["b"] = tx["a"] - 1, tx["b"] + 1

        for _ in range(rounds):
            faults.lose = 1
            cut.transact(move)
        assert store.get_many(["a", "b"]) == {"a": 100 * more - rounds, "b": rounds}
        tally("lost answers", faults.lost)

    def test_a_removal_whose_answer_is_lost_is_told_or_unknown(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """``pop`` and ``delete`` never say that nothing stood there, nor give a value twice."""
        cut, faults = losing_answers(store)
        rounds = ROUNDS * more
        for step in range(rounds):
            for call, told in (
                (lambda: cut.pop("k"), step),
                (lambda: cut.delete("k"), True),
                (lambda: cut.delete("k", if_version=standing(store, "k")), True),
            ):
                store["k"] = step
                faults.lose = 1
                assert settled(call) in (told, "unknown")
                assert "k" not in store
        tally("lost answers", faults.lost)

    def test_a_plain_write_that_stands_is_done_though_its_answer_was_lost(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Found by its version; batches too."""
        cut, faults = losing_answers(store)
        rounds = ROUNDS * more
        for step in range(rounds):
            faults.lose = 1
            version = cut.set("k", step)
            assert (store["k"], standing(store, "k")) == (step, version)
            faults.lose = 1
            cut.update({"k": -step})
            assert store["k"] == -step
        tally("lost answers", faults.lost)

    @pytest.mark.parametrize("write", ["set", "batch", "delete"])
    def test_a_plain_write_never_undoes_what_others_wrote_since(
        self, store: StateStore, tally: Tally, write: str
    ) -> None:
        """Where another has written over it, its outcome is unknown, and theirs stays."""
        cut, faults = losing_answers(store)
        calls: dict[str, Callable[[], Any]] = {
            "set": lambda: cut.set("k", "mine"),
            "batch": lambda: cut.update({"k": "mine"}),
            "delete": lambda: cut.delete("k"),
        }
        store["k"] = "before"
        faults.lose, faults.meanwhile = 1, lambda: store.set("k", "theirs")
        outcome = settled(calls[write])
        assert store["k"] == "theirs"
        assert outcome == "unknown" or (write == "delete" and outcome is True)
        tally("lost answers", faults.lost)

    def test_a_change_never_runs_twice_though_others_wrote_since(
        self, store: StateStore, tally: Tally
    ) -> None:
        """It is told as done, or as unknown; never as a conflict, and never applied again."""
        for name, call in _REQUIRING.items():
            cut, faults = losing_answers(store)
            store["k"] = 1
            faults.lose, faults.meanwhile = 1, lambda: store.set("k", 100)
            runs: list[None] = []
            settled(partial(call, cut, partial(runs.append, None)))
            assert (name, store["k"], len(runs), faults.lost) == (name, 100, 1, 1)
            tally("lost answers", faults.lost)


def _modify(cut: StateStore, ran: Callable[[], object]) -> Any:
    return cut.modify("k", lambda value: ran() or value + 1)


def _transact(cut: StateStore, ran: Callable[[], object]) -> Any:
    return cut.transact(lambda tx: ran() or tx.set("k", tx.get("k") + 1))


def _set(cut: StateStore, ran: Callable[[], object]) -> Any:
    ran()
    return cut.set("k", 2, if_version=standing(cut, "k") or ABSENT)


def _increment(cut: StateStore, ran: Callable[[], object]) -> Any:
    ran()
    return cut.increment("k")


_REQUIRING: Final = {
    "modify": _modify,
    "transact": _transact,
    "set": _set,
    "increment": _increment,
}
