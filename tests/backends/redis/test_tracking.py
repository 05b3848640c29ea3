"""Watching by the server's own tracking, on every version."""

from __future__ import annotations

import pytest

import qstate
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer, ours


@pytest.fixture(autouse=True)
def _emptied(any_redis):
    yield
    any_redis.empty()


def test_changes_are_told_without_being_asked_for(any_redis):
    """Writes, removals and expiries under the prefix come; those elsewhere do not."""
    with qstate.connect(any_redis.url) as store, store.watch("run/") as changes:
        store["other"] = 0
        store["run/a"] = 1
        first = changes.next(5)
        assert (first.key, first.kind, first.entry.value) == ("run/a", "set", 1)
        store.set("run/b", 2, ttl=0.2)
        assert changes.next(5).key == "run/b"
        assert changes.next(5).kind == "expired"
        del store["run/a"]
        assert changes.next(5).kind == "deleted"


def test_what_changed_during_a_cut_is_told_once_the_watch_is_back(any_redis):
    """The server hangs up on everyone; the next change and those meanwhile are told."""
    with qstate.connect(any_redis.url) as store, store.watch("run/") as changes:
        with any_redis.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
            client.client_kill_filter(_type="pubsub", skipme=True)
            store["run/a"] = 1
        change = changes.next(5)
        assert (change.key, change.entry.value) == ("run/a", 1)
        store["run/b"] = 2
        assert changes.next(5).key == "run/b"


def test_a_flush_is_told_as_the_deletion_of_all(any_redis):
    """FLUSHALL names no key; each one that stood is told all the same."""
    with qstate.connect(any_redis.url) as store:
        store.set_many({"run/a": 1, "run/b": 2})
        with store.watch("run/") as changes, any_redis.client() as client:
            client.flushall()
            told = {(change.key, change.kind) for change in (changes.next(5), changes.next(5))}
    assert told == {("run/a", "deleted"), ("run/b", "deleted")}


def test_a_watch_adds_no_connection_that_stays(any_redis):
    """Its connection is gone with the block."""
    with qstate.connect(any_redis.url) as store, any_redis.client() as client:
        store.ping()
        wait_until(lambda: len(ours(client)) == 1)
        with store.watch():
            assert len(ours(client)) == 2
        wait_until(lambda: len(ours(client)) == 1)


def test_a_server_that_is_gone_ends_the_watch_with_an_error():
    """After the timeout, not never."""
    with (
        RedisServer() as server,
        qstate.connect(server.url, timeout=0.5) as store,
        store.watch() as changes,
    ):
        store["a"] = 1
        assert changes.next(5).key == "a"
        server.kill()
        with pytest.raises(qstate.StoreUnavailableError, match=server.address):
            changes.next(20)
