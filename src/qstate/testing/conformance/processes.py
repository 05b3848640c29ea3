"""Other processes: a pickled handle is the same store there."""

from __future__ import annotations

import copy
import pickle
from typing import ClassVar

import pytest

from qstate.errors import UnreachableStoreError
from qstate.store import StateStore
from qstate.testing.conformance import jobs, waiting
from qstate.testing.conformance.laws import OFFERED, Laws, needs_processes, not_applicable, travels
from qstate.testing.conformance.waiting import at_once
from qstate.testing.workers import Worker


class ProcessLaws(Laws):
    """What a handle is elsewhere."""

    promise: ClassVar[str] = "Other processes"

    def test_a_pickled_handle_is_the_same_store(self, store: StateStore) -> None:
        """Scope and all; so are copies."""
        scope = store.scope("run")
        with pickle.loads(pickle.dumps(scope)) as pickled, copy.copy(scope) as copied:  # noqa: S301
            assert copied == scope
            pickled["a"] = 1
            copied["b"] = 2
            assert dict(scope.items()) == {"a": 1, "b": 2}

    def test_a_handle_in_another_process_is_the_same_store(
        self, store: StateStore, workers: list[Worker]
    ) -> None:
        """What one writes the others read at once."""
        needs_processes(store)
        store["here"] = {"a": (1, 2)}
        assert workers[0].run(jobs.get, store, "here") == {"a": (1, 2)}
        workers[1].run(jobs.put, store.scope("run"), "there", 3)
        assert store["run/there"] == 3
        assert workers[2].run(jobs.get, store, "run/there") == 3

    def test_a_handle_of_a_scope_is_that_scope_in_another_process(
        self, store: StateStore, workers: list[Worker]
    ) -> None:
        """It lists its own keys, and clears them alone."""
        needs_processes(store)
        store["k"] = store["run/a"] = store["run-2/a"] = 1
        assert workers[0].run(jobs.clear, store.scope("run")) == ["a"]
        assert sorted(store) == ["k", "run-2/a"]

    def test_a_store_of_one_process_is_refused_in_another(
        self, store: StateStore, workers: list[Worker]
    ) -> None:
        """``UnreachableStoreError``: never a new empty store there."""
        if travels(store):
            not_applicable("further reach" + OFFERED)
        if not workers:
            not_applicable("other processes")
        store["k"] = 1
        with pytest.raises(UnreachableStoreError):
            workers[0].run(jobs.get, store, "k")

    def test_a_forked_child_uses_the_store_beside_its_parent(
        self, store: StateStore, workers: list[Worker]
    ) -> None:
        """Each by connections of its own."""
        needs_processes(store)
        assert workers[0].run(jobs.use_in_forked_child, store, "n") == 3
        assert store["n"] == 3

    def test_a_process_that_waits_is_told_what_another_wrote(
        self, store: StateStore, workers: list[Worker]
    ) -> None:
        """``wait_for`` there, a write here, and the other way round."""
        needs_processes(store)
        workers[0].start(jobs.wait_for, store, "here", waiting.PATIENCE)
        store["here"] = 1
        assert workers[0].result() == 1
        waited, _ = at_once(
            lambda: store.wait_for("there", timeout=waiting.PATIENCE),
            lambda: workers[0].run(jobs.put, store, "there", 2),
        )
        assert waited == 2
