"""Transactions, as one sees them on any store."""

import threading

import pytest

import qstate


@pytest.fixture
def store():
    with qstate.connect("memory://") as store:
        yield store


def test_writes_of_a_transaction_appear_together_at_its_end(store):
    """Nothing is written before the block ends, and all of it then."""
    with store.transaction() as tx:
        tx.set("a", 1)
        tx["b"] = 2
        assert dict(store) == {}
    assert dict(store) == {"a": 1, "b": 2}


def test_a_transaction_sees_its_own_writes(store):
    """Reading what was written, or deleted, inside gives what will stand."""
    store["old"] = 1
    with store.transaction() as tx:
        tx["new"] = [1]
        del tx["old"]
        assert tx["new"] == [1]
        assert "new" in tx
        assert "old" not in tx
        assert tx.get("old", "gone") == "gone"
    assert dict(store) == {"new": [1]}


def test_a_value_read_in_a_transaction_is_the_readers_own(store):
    """Changing what get gave changes nothing that will be written."""
    with store.transaction() as tx:
        tx["list"] = [1]
        tx.get("list").append(2)
    assert store["list"] == [1]


def test_an_exception_in_the_block_writes_nothing(store):
    """The transaction ends with its block's exception."""
    with pytest.raises(RuntimeError, match="stop"), store.transaction() as tx:
        tx["a"] = 1
        raise RuntimeError("stop")
    assert "a" not in store


def test_a_change_of_anything_read_is_a_conflict(store):
    """A transaction whose reads are outdated writes nothing, and says which key it was."""
    store["a"] = 1
    with pytest.raises(qstate.ConflictError) as caught, store.transaction() as tx:
        tx["b"] = tx["a"] + 1
        store["a"] = 5
    assert caught.value.key == "a"
    assert "b" not in store


def test_a_key_that_appears_after_it_was_found_absent_is_a_conflict(store):
    """Absence that was read is required too."""
    with pytest.raises(qstate.ConflictError), store.transaction() as tx:
        assert "a" not in tx
        store["a"] = 1
        tx["b"] = 1


def test_a_transaction_inside_another_of_the_same_store_is_refused(store):
    """The message says to use the one that is open; another store's is fine."""
    with store.transaction(), qstate.connect("memory://") as other:
        with other.transaction() as tx:
            tx["a"] = 1
        with pytest.raises(qstate.UnsupportedOperationError, match="inside another"):
            store.transaction().__enter__()


def test_transact_runs_again_after_a_conflict_and_returns_what_the_work_returns(store):
    """Threads that move a sum about lose nothing of it."""
    store.set_many({"a": 400, "b": 0})

    def move(tx):
        tx["a"] -= 1
        tx["b"] += 1
        return tx["b"]

    threads = [
        threading.Thread(target=lambda: [store.transact(move) for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get_many(["a", "b"]) == {"a": 200, "b": 200}
    assert store.transact(move) == 201


def test_transact_gives_up_after_its_attempts(store):
    """Work that conflicts each time ends in the conflict."""

    def disturbed(tx):
        tx.get("a")
        store.increment("a")
        tx["b"] = 1

    with pytest.raises(qstate.ConflictError):
        store.transact(disturbed, attempts=3)
    assert store["a"] == 3


def test_keys_of_a_transaction_are_those_of_its_scope(store):
    """A scope's transaction reads and writes under the scope."""
    with (store / "run").transaction() as tx:
        tx["a"] = 1
    assert dict(store) == {"run/a": 1}
