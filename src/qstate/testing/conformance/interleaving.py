"""Interleaving: transactions, and what someone else does meanwhile, against a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from qstate.backend import Version
from qstate.errors import ConflictError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, Tally, needs
from qstate.testing.conformance.model import check
from qstate.transactions import Transaction

EXAMPLES = 10
TRANSACTIONS = 12
keys = st.sampled_from(("a", "b"))
values = st.integers(0, 1)
steps = st.tuples(st.sampled_from(("look", "look", "write", "remove")), keys, values)
elsewhere = st.tuples(st.sampled_from(("write elsewhere", "remove elsewhere")), keys, values)

Step = tuple[str, str, int]


class TransactionMachine(RuleBasedStateMachine):
    """One transaction after another, each amid the writes of someone else."""

    store: ClassVar[StateStore]

    def __init__(self) -> None:
        super().__init__()
        self.store.clear(everything=True)
        self.standing: dict[str, tuple[Any, Version]] = {}
        self.read: dict[str, tuple[Any, Version] | None] = {}
        self.written: dict[str, Any] = {}

    @rule(doing=st.lists(steps | steps | elsewhere, min_size=1, max_size=5))
    def transaction(self, doing: Sequence[Step]) -> None:
        """All of it, or a conflict and nothing: by whether what it read still stands."""
        self.read, self.written = {}, {}
        try:
            with self.store.transaction() as tx:
                for step in doing:
                    self._do(tx, *step)
        except ConflictError as error:
            assert error.key in self._changed()
        else:
            assert self._changed() == set()
            self._apply()
        assert dict(self.store.items()) == {key: value for key, (value, _) in self.standing.items()}

    def _do(self, tx: Transaction, what: str, key: str, value: int) -> None:
        match what:
            case "look":
                assert tx.get(key) == self._seen(key)
                assert (key in tx) == (self._seen(key) is not None)
            case "write":
                tx[key] = self.written[key] = value
            case "remove":
                assert tx.delete(key) == (self._seen(key) is not None)
                self.written[key] = None
            case "write elsewhere":
                self.standing[key] = (value, self.store.set(key, value))
            case "remove elsewhere":
                self.store.delete(key)
                self.standing.pop(key, None)

    def _seen(self, key: str) -> Any:
        """What the transaction should see: its own write, else what it first read."""
        if key in self.written:
            return self.written[key]
        known = self.read.setdefault(key, self.standing.get(key))
        return None if known is None else known[0]

    def _changed(self) -> set[str]:
        return {key for key, known in self.read.items() if self.standing.get(key) != known}

    def _apply(self) -> None:
        for key, value in self.written.items():
            entry = self.store.entry(key)
            if value is None:
                assert entry is None
                self.standing.pop(key, None)
            else:
                assert entry is not None
                self.standing[key] = (value, entry.version)


class InterleavingLaws(Laws):
    """What a transaction is amid others."""

    promise: ClassVar[str] = "Transactions"

    def test_a_transaction_commits_if_and_only_if_nothing_it_read_has_changed(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Random steps of a transaction and of someone else, against a model."""
        needs(store, "several_keys")
        check(TransactionMachine, store, EXAMPLES * more, TRANSACTIONS, more)
        tally("transactions against the model", EXAMPLES * TRANSACTIONS * more)
