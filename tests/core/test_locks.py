"""Locks, as one sees them on any store."""

import threading
import time

import pytest

import qstate
from tests.servers.process import wait_until


@pytest.fixture
def store():
    with qstate.connect("memory://") as store:
        yield store


def test_one_holder_at_a_time_and_tokens_that_only_grow(store):
    """Threads that add under a lock lose nothing, and each has a greater token than the last."""
    tokens = []

    def work():
        for _ in range(10):
            with store.lock("x", ttl=5) as lease:
                tokens.append(lease.token)
                store["n"] = store.get("n", 0) + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store["n"] == 40
    assert tokens == sorted(set(tokens))


def test_a_lock_that_is_held_is_not_had_within_wait(store):
    """wait=0 tries once; the error names the lock."""
    with store.lock("x"):
        with pytest.raises(qstate.StateTimeoutError, match="'x'"), store.lock("x", wait=0):
            pass
        with store.lock("other", wait=0), (store / "scope").lock("x", wait=0):
            pass


def test_a_lease_is_renewed_while_it_is_held(store):
    """A holder that works for longer than the ttl keeps the lock."""
    with store.lock("x", ttl=0.15) as lease:
        expiry = _lease_expiry(store)
        wait_until(lambda: _lease_expiry(store) > expiry + 0.2, what="the renewal")
        lease.check()
        with pytest.raises(qstate.StateTimeoutError), store.lock("x", wait=0):
            pass


def test_a_lease_that_was_taken_away_is_lost(store):
    """The holder learns it by check(), by held, and at the end of its block."""
    with pytest.raises(qstate.LockLostError, match="token 1"):
        with store.lock("x", ttl=0.15) as lease:
            store._client.backend.remove(["\0lock/x"])
            wait_until(lambda: not lease.held, what="the loss")
            with pytest.raises(qstate.LockLostError):
                lease.check()


def test_the_exception_of_the_block_is_seen_though_the_lease_was_lost_too(store):
    """The loss is a note on it."""
    with pytest.raises(RuntimeError, match="mine") as caught, store.lock("x", ttl=0.15) as lease:
        store._client.backend.remove(["\0lock/x"])
        wait_until(lambda: not lease.held, what="the loss")
        raise RuntimeError("mine")
    assert any("lost" in note for note in caught.value.__notes__)


def test_a_transaction_under_a_lease_is_refused_once_another_has_held_the_lock(store):
    """The fence holds at the store, whatever the late holder believes."""
    with pytest.raises(qstate.LockLostError), store.lock("x", ttl=5) as lease:
        with store.transaction(lease=lease) as tx:
            tx["a"] = "in time"
        store._client.backend.remove(["\0lock/x"])
        with store.lock("x", ttl=5):
            pass
        with pytest.raises(qstate.ConflictError), store.transaction(lease=lease) as tx:
            tx["a"] = "late"
    assert store["a"] == "in time"


def test_what_a_lock_keeps_is_seen_by_nobody(store):
    """Neither iteration, count, watch nor clear know of it."""
    with store.watch() as changes, store.lock("x") as lease:
        assert list(store) == []
        assert len(store) == 0
        assert changes.next(0.05) is None
        store.clear(everything=True)
        lease.check()


def test_a_store_whose_values_cannot_expire_has_no_locks(plain_store):
    """It is refused by capability, before anything is sent."""
    with pytest.raises(qstate.UnsupportedOperationError, match="lock"):
        plain_store.lock("x")


def _lease_expiry(store):
    record = store._client.backend.read(["\0lock/x"])[0]
    return time.time() if record is None else record.expires_at
