"""Memory with a journal: what was acknowledged is there again, and nothing is made twice."""

from __future__ import annotations

import contextlib
import time

import pytest

import qstate
from qstate.backend import (
    KEEP,
    ConflictError,
    Delete,
    Put,
    StateLostError,
    StoreUnavailableError,
    ValueTooLargeError,
    Version,
)
from qstate_backends.journal import JournaledMemory
from tests.servers.process import wait_until


@pytest.fixture
def store(tmp_path):
    """The store that is the journal."""
    with qstate.connect(f"sqlite:///{tmp_path}/journal.db", timeout=1) as store:
        yield store


@pytest.fixture
def memory(store):
    return JournaledMemory(store, "run")


def again(store, name="run"):
    """As after a restart."""
    return JournaledMemory(store, name)


def put(key, data=b"data", ttl=None):
    return Put(key, Version.new(), (data,), ttl)


def data(memory, *keys):
    return [found and bytes(found) for found in memory.read_data(keys)]


class Cut:
    """A journal's backend whose answers are lost.

    Args:
        backend: The one that it stands before.

    Attributes:
        cuts: For each of the next writes whose answer is lost, whether it was made all the same.
    """

    def __init__(self, backend):
        self._backend = backend
        self.cuts = []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def write(self, operations, *, require):
        if not self.cuts:
            return self._backend.write(operations, require=require)
        if self.cuts.pop(0):
            with contextlib.suppress(ConflictError):
                self._backend.write(operations, require=require)
        raise StoreUnavailableError("cut", outcome="unknown")


@pytest.fixture
def cut(store, memory, monkeypatch):
    client = store._open()
    monkeypatch.setattr(client, "backend", cut := Cut(client.backend))
    return cut


def test_what_was_written_is_there_again_with_versions_and_expiries(store, memory):
    """Keys of any kind, removals, and batches; what has expired is not."""
    kept, lasting = put("k ä/*"), put("lasting", ttl=100)
    memory.write([kept, put("\0internal"), put("brief", ttl=0.05), lasting, put("gone")])
    memory.write([put("lasting", b"new", KEEP), Delete("gone"), put("removed")])
    assert memory.remove(["removed", "none"]) == 1
    before = memory.read(["lasting"])[0].expires_at
    wait_until(lambda: data(memory, "brief") == [None])
    memory = again(store)
    found = memory.read(["k ä/*", "\0internal", "brief", "lasting", "gone", "removed"])
    assert [record and bytes(record.data) for record in found] == [
        b"data",
        b"data",
        None,
        b"new",
        None,
        None,
    ]
    assert found[0].version == kept.version
    assert found[3].expires_at == pytest.approx(before, abs=0.05)
    assert memory.count("") == 2


def test_an_expiry_that_was_read_again_comes(store, memory):
    """The record is gone when its time has come, though nobody writes it."""
    memory.write([put("k", ttl=0.5)])
    memory = again(store)
    assert memory.read(["k"])[0].expires_at <= time.time() + 0.5
    wait_until(lambda: memory.count("") == 0)


def test_several_journals_and_other_keys_of_a_store_do_not_mix(store, memory):
    """Nor does who uses the store see them, or clear them."""
    store["theirs"] = 1
    memory.write([put("k", b"run")])
    again(store, "run-2").write([put("k", b"run-2")])
    assert dict(store.items()) == {"theirs": 1}
    store.clear(everything=True)
    assert data(again(store), "k", "theirs") == [b"run", None]
    assert data(again(store, "run-2"), "k") == [b"run-2"]


def test_a_requirement_that_does_not_hold_writes_nothing(store, memory):
    """Neither here nor in the journal."""
    memory.write([put("k")])
    with pytest.raises(ConflictError):
        memory.write([put("k", b"new"), put("l")], require={"k": None})
    for each in (memory, again(store)):
        assert data(each, "k", "l") == [b"data", None]


def test_operations_are_remembered_over_a_restart(store, memory):
    """A change that is asked again by its id is not made again, and answers as before."""
    write, removal, change = Version.new(), Version.new(), put("k", b"first")
    memory.write_once(write, [change], require={"k": None})
    memory.write([put("l")])
    assert memory.remove_once(removal, ["l", "none"]) == 1
    memory.write([put("k", b"theirs"), put("l")])
    memory = again(store)
    memory.write_once(write, [change], require={"k": None})
    assert memory.remove_once(removal, ["l", "none"]) == 1
    assert data(memory, "k", "l") == [b"theirs", b"data"]


def test_a_lost_answer_of_the_journal_is_settled(store, memory, cut):
    """Made, it is made here; not made, the caller knows that, and asks again."""
    cut.cuts = [True]
    memory.write([put("k", b"made")])
    assert data(memory, "k") == [b"made"]
    cut.cuts = [False]
    with pytest.raises(StoreUnavailableError) as told:
        memory.write([put("k", b"not made")])
    assert told.value.outcome == "not applied"
    memory.write([put("l")])
    for each in (memory, again(store)):
        assert data(each, "k", "l") == [b"made", b"data"]


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("made", [True, False])
def test_while_the_journal_is_away_nothing_is_acknowledged(store, memory, cut, made, asked):
    """The outcome is unknown; once it is back, the change is here as it is there, or nowhere."""
    cut.cuts = [made, asked]
    with pytest.raises(StoreUnavailableError) as told:
        memory.write([put("k", b"doubtful")])
    assert told.value.outcome == "unknown"
    cut.cuts = [asked]
    with pytest.raises(StoreUnavailableError) as told:
        memory.write([put("l")])
    assert told.value.outcome == "not applied"
    memory.write([put("m")])
    expected = [b"doubtful" if made else None, None, b"data"]
    for each in (memory, again(store)):
        assert data(each, "k", "l", "m") == expected


def test_the_older_of_two_that_write_a_journal_is_refused(store, memory):
    """An actor that was given up but lives on changes nothing any more."""
    memory.write([put("k", b"old")])
    newer = again(store)
    with pytest.raises(StateLostError, match="taken over"):
        memory.write([put("k", b"too late")])
    newer.write([put("l")])
    assert data(again(store), "k", "l") == [b"old", b"data"]


def test_watchers_are_told_what_the_journal_has(memory):
    """Of writes and removals."""
    with memory.watch("k") as told:
        memory.write([put("k1"), put("other")])
        assert next(told) == "k1"
        memory.remove(["k1"])
        assert next(told) == "k1"


def test_values_that_the_journal_does_not_take_are_refused(memory, monkeypatch):
    """Before anything is written."""
    monkeypatch.setattr(memory._journal, "max_value_bytes", 10)
    with pytest.raises(ValueTooLargeError):
        memory.write([put("k", b"0123456789a")])
    memory.write([put("k", b"0123456789")])
    assert data(memory, "k") == [b"0123456789"]
