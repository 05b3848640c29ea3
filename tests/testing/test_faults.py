"""Faults that a test asks for, and what a user's code sees of them."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

from qstate import ClosedStoreError, ConflictError, StoreUnavailableError, connect
from qstate.backend import Backend
from qstate.testing.faults import Fault, FaultyBackend, faulty


@pytest.fixture(params=["memory://", "sqlite:///{}/state.db"])
def store(request, tmp_path):
    with connect(request.param.format(tmp_path)) as store:
        yield store


def test_without_faults_it_is_the_store(store):
    """Nothing goes wrong unless a test says so; what is written is in the store itself."""
    with faulty(store) as (handle, faults):
        handle["a"] = 1
        handle.set_many({"b": 2, "c": 3}, ttl=60)
        assert handle.increment("a") == 2
        assert (len(handle), sorted(handle.scan())) == (3, ["a", "b", "c"])
        assert handle.pop("c") == 3
        with handle.scope("run") as scope:
            scope["d"] = 4
        assert isinstance(faults, Backend)
        assert faults.happened == []
    assert dict(store) == {"a": 2, "b": 2, "run/d": 4}
    with pytest.raises(ClosedStoreError):
        handle.get("a")


def test_a_schedule_says_what_goes_wrong_with_each_call(store):
    """The first call, the second …: two errors that are met by trying again."""
    with faulty(store, schedule=[None, "error", Fault("error"), None]) as (handle, faults):
        handle["a"] = 1
        assert handle["a"] == 1
        assert [fault.kind for fault in faults.happened] == ["error", "error"]
        assert faults.calls == 4


def test_a_lost_answer_of_a_requirement_is_settled(store):
    """The write was applied and is found in place: neither repeated nor a conflict."""
    with faulty(store, schedule=[None, "lost"]) as (handle, faults):
        assert handle.increment("shots", 5) == 5
        assert [fault.kind for fault in faults.happened] == ["lost"]
    assert store["shots"] == 5


def test_a_lost_answer_of_a_read_is_asked_again(store):
    """A read does no harm: it is repeated."""
    store["a"] = 1
    with faulty(store, schedule=["lost"]) as (handle, faults):
        assert handle["a"] == 1
        assert faults.calls == 2


def test_an_answer_that_can_not_be_settled_is_unknown(store):
    """Lost, and cut off before it could be looked up: the caller is told that it is not known."""
    schedule = ["lost", "cut"]
    with faulty(store, schedule=schedule, timeout=0.2) as (handle, _):
        with pytest.raises(StoreUnavailableError) as caught:
            handle["a"] = 1
    assert caught.value.outcome == "unknown"
    assert store["a"] == 1


def test_a_cut_lasts_until_it_is_mended(store):
    """No call is served, none is applied, and each says so within the timeout."""
    store["a"] = 1
    with faulty(store, timeout=0.1) as (handle, faults):
        faults.cut()
        for call in (lambda: handle["a"], lambda: handle.set("a", 2), lambda: list(handle)):
            with pytest.raises(StoreUnavailableError, match="can't be reached") as caught:
                call()
            assert caught.value.outcome == "not applied"
        faults.mend()
        assert handle["a"] == 1


def test_a_cut_of_so_many_calls_mends_itself(store):
    """Within the timeout a call outlasts a short cut."""
    with faulty(store, schedule=[Fault("cut", calls=3)]) as (handle, faults):
        handle["a"] = 1
        assert faults.calls == 4
    assert store["a"] == 1


def test_a_cut_ends_watches_and_what_was_missed_is_told(store):
    """The watch is taken up again; the last state is told, whatever happened meanwhile."""
    with connect("memory://") as told, faulty(told, timeout=30) as (handle, faults):
        with handle.watch() as changes:
            told["a"] = 1
            assert changes.next(30).key == "a"
            faults.cut()
            told["a"] = 2
            faults.mend()
            assert changes.next(30).entry.value == 2


def test_a_delay_within_the_timeout_is_only_late(store):
    """The answer comes, after as long as it was delayed at least."""
    store["a"] = 1
    with faulty(store, schedule=[Fault("delay", seconds=0.05)]) as (handle, faults):
        assert handle["a"] == 1
        assert faults.happened == [Fault("delay", seconds=0.05)]


def test_a_delay_beyond_the_timeout_is_a_lost_answer(store):
    """The caller does not wait for it; the write may have been applied, and was."""
    with faulty(store, schedule=[Fault("delay", seconds=60)] * 9, timeout=0.1) as (handle, _):
        with pytest.raises(StoreUnavailableError) as caught:
            handle["a"] = 1
    assert caught.value.outcome == "unknown"
    assert store["a"] == 1


def test_a_seed_makes_the_same_faults_again(store):
    """By chance, but in every run alike; another seed gives others."""

    def happened(seed):
        chances = {"error": 0.2, "lost": 0.1, "delay": 0.1}
        with faulty(store, seed=seed, chances=chances, seconds=0.001) as (handle, faults):
            for i in range(100):
                handle.get(str(i))
            return [fault.kind for fault in faults.happened]

    assert happened(7) == happened(7) != happened(8)
    assert set(happened(7)) == {"error", "lost", "delay"}


def test_a_counter_is_right_whatever_goes_wrong(store):
    """Increments of several threads under faults are each applied once, or told to be unknown."""
    counted, unknown = [], []

    def count(handle):
        for _ in range(25):
            try:
                handle.increment("shots")
                counted.append(1)
            except StoreUnavailableError as error:
                assert error.outcome == "unknown"
                unknown.append(1)

    chances = {"error": 0.1, "lost": 0.1}
    with faulty(store, seed=1, chances=chances, timeout=60) as (handle, faults):
        threads = [threading.Thread(target=count, args=(handle,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults.happened
    assert len(counted) + len(unknown) == 100
    assert len(counted) <= store["shots"] <= 100


def test_conflicts_are_no_faults(store):
    """What the store itself refuses is told as ever."""
    with faulty(store) as (handle, _):
        version = handle.set("a", 1)
        handle["a"] = 2
        with pytest.raises(ConflictError):
            handle.set("a", 3, if_version=version)


def test_the_asynchronous_store_has_the_faults_too(store):
    """store.aio of the handle goes through the same backend."""

    async def use(handle, faults):
        await handle.aio.set("a", 1)
        faults.cut()
        with pytest.raises(StoreUnavailableError):
            await handle.aio.get("a")

    with faulty(store, timeout=0.1) as (handle, faults):
        asyncio.run(use(handle, faults))


def test_it_does_not_travel(store):
    """Faults are made in the process of the test: to send the handle elsewhere is refused."""
    with faulty(store) as (handle, _):
        with pytest.raises(TypeError, match="a store with faults can't travel"):
            pickle.dumps(handle)


def test_any_backend_can_be_wrapped():
    """A backend of one's own, without a store: what it does not offer is not offered."""

    class Sparse:
        def __init__(self, backend):
            self.capabilities = backend.capabilities
            self.read, self.write = backend.read, backend.write
            self.scan, self.close = backend.scan, backend.close

    with connect("memory://") as store:
        backend = FaultyBackend(Sparse(store._open().backend), schedule=["error"])
        assert not hasattr(backend, "remove")
        assert not hasattr(backend, "watch")
        with pytest.raises(StoreUnavailableError):
            backend.read(["a"])
        assert backend.read(["a"]) == [None]
