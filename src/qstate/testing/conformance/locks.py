"""Locks: leases that one holder at a time has, with tokens that only grow."""

from __future__ import annotations

import time
from typing import ClassVar

import pytest

from qstate.errors import (
    ConflictError,
    LockLostError,
    StateTimeoutError,
    UnsupportedOperationError,
)
from qstate.store import StateStore
from qstate.testing.conformance import jobs, waiting
from qstate.testing.conformance.faults import declaring_less
from qstate.testing.conformance.laws import Laws, Tally, needs, needs_processes, travels
from qstate.testing.conformance.waiting import at_once, until
from qstate.testing.workers import Worker, working


class LockLaws(Laws):
    """What a lock is."""

    promise: ClassVar[str] = "Locks"

    def test_one_holder_at_a_time(
        self, store: StateStore, workers: list[Worker], tally: Tally
    ) -> None:
        """Steps that a lock guards are done by one thread of one process alone."""
        needs(store, "expiry", "several_keys")
        threads = [lambda: jobs.add_under_lock(store, "lock", 6)] * 2
        workers = workers[:2] if travels(store) else []
        for worker in workers:
            worker.start(jobs.add_under_lock, store, "lock", 6)
        tokens = [token for result in at_once(*threads) for token in result]
        for worker in workers:
            tokens += worker.result()
        assert store["guarded"] == len(tokens) == len(set(tokens))
        tally("times a lock was taken under contention", len(tokens))

    def test_tokens_only_grow(self, store: StateStore) -> None:
        """Each holder's is greater than all before; each lock has its own."""
        needs(store, "expiry", "several_keys")
        tokens = []
        for _ in range(4):
            with store.lock("lock") as lease:
                tokens.append(lease.token)
            with store.lock("other"):
                pass
        assert tokens == sorted(set(tokens))
        store.clear(everything=True)
        with store.lock("lock") as lease:
            assert lease.token > tokens[-1]

    def test_a_lock_that_is_held_is_waited_for_no_longer_than_asked(
        self, store: StateStore
    ) -> None:
        """``StateTimeoutError``; ``wait=0`` tries once; other names are other locks."""
        needs(store, "expiry", "several_keys")
        with store.lock("lock"):
            for wait in (0, 0.05):
                with pytest.raises(StateTimeoutError), store.lock("lock", wait=wait):
                    pass
            for other in (store.lock("Lock", wait=0), store.scope("run").lock("lock", wait=0)):
                with other:
                    pass
        with store.lock("lock", wait=0):
            pass

    def test_a_lock_is_free_after_an_exception(self, store: StateStore) -> None:
        """Which is passed on."""
        needs(store, "expiry", "several_keys")
        with pytest.raises(ZeroDivisionError), store.lock("lock"):
            raise ZeroDivisionError
        with store.lock("lock", wait=0) as lease:
            assert lease.held
        assert not lease.held

    def test_a_lock_is_renewed_while_it_is_held(self, store: StateStore) -> None:
        """Past its ttl no other gets it."""
        needs(store, "expiry", "several_keys")
        with store.lock("lock", ttl=0.9) as lease:
            over = time.monotonic() + 1.2
            until(lambda: time.monotonic() > over, "time goes on")
            lease.check()
            with pytest.raises(StateTimeoutError), store.lock("lock", wait=0):
                pass

    def test_a_holder_that_dies_frees_the_lock_after_its_ttl(self, store: StateStore) -> None:
        """A killed process holds it no longer than that; the next token is greater."""
        needs(store, "expiry", "several_keys")
        needs_processes(store)
        with working(1) as (worker,):
            token = worker.run(jobs.take, store, "lock", 0.5)
            worker.kill()
            with store.lock("lock", wait=waiting.PATIENCE) as lease:
                assert lease.token > token

    def test_a_holder_that_stalled_learns_that_it_lost_the_lock(
        self, store: StateStore, workers: list[Worker]
    ) -> None:
        """A process that was stopped past its ttl gets ``LockLostError`` before it does harm."""
        needs(store, "expiry", "several_keys")
        needs_processes(store)
        worker = workers[0]
        token = worker.run(jobs.take, store, "lock", 0.5)
        worker.stop()
        try:
            with store.lock("lock", wait=waiting.PATIENCE) as lease:
                assert lease.token > token
                store["k"] = "mine"
                worker.resume()
                for job in (
                    (jobs.check, "lock"),
                    (jobs.write_under, store, "lock", "k"),
                    (jobs.give_back, "lock"),
                ):
                    with pytest.raises(LockLostError):
                        worker.run(*job)
                lease.check()
        finally:
            worker.resume()
        assert store["k"] == "mine"

    def test_a_holder_that_stalled_within_its_ttl_still_holds_the_lock(
        self, store: StateStore, workers: list[Worker]
    ) -> None:
        """Stopped and continued, it goes on: no other got it meanwhile."""
        needs(store, "expiry", "several_keys")
        needs_processes(store)
        worker = workers[0]
        worker.run(jobs.take, store, "lock", 60)
        worker.stop()
        try:
            with pytest.raises(StateTimeoutError), store.lock("lock", wait=0.05):
                pass
        finally:
            worker.resume()
        for job in (
            (jobs.check, "lock"),
            (jobs.write_under, store, "lock", "k"),
            (jobs.give_back, "lock"),
        ):
            worker.run(*job)
        assert store["k"] == "written"
        with store.lock("lock", wait=0):
            pass

    def test_a_write_that_rests_on_a_lease_is_refused_once_another_held_the_lock(
        self, store: StateStore
    ) -> None:
        """``transaction(lease=)``: applied, or ``ConflictError`` or ``LockLostError``."""
        needs(store, "expiry", "several_keys")
        with store.lock("lock") as first, store.transaction(lease=first) as tx:
            tx["k"] = "first"
        with store.lock("lock") as second:
            with pytest.raises((ConflictError, LockLostError)):
                with store.transaction(lease=first) as tx:
                    tx["k"] = "late"
            with store.transaction(lease=second) as tx:
                tx["k"] = tx["k"] + ", second"
        assert store["k"] == "first, second"

    def test_what_locks_rest_on_is_offered_or_they_are_refused(self, store: StateStore) -> None:
        """``UnsupportedOperationError`` before anything is sent."""
        for missing in ("expiry", "several_keys"):
            less, backend = declaring_less(store, **{missing: False})
            with pytest.raises(UnsupportedOperationError), less.lock("lock"):
                pass
            assert backend.asked == []
