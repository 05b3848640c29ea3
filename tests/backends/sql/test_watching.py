"""Watching: PostgreSQL tells of changes; other databases are looked at."""

from __future__ import annotations

import threading

import pytest

import qstate
from qstate.backend import Delete, Put, StoreUnavailableError, Version
from tests.backends.sql.test_records import put
from tests.backends.sql.test_sessions import connections
from tests.servers.process import wait_until


@pytest.fixture(scope="session", params=["postgres_server", "postgres15_server"])
def telling_server(request):
    """Each server that tells of changes."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def backend(telling_server, connect):
    """A backend whose table is there."""
    backend = connect(telling_server.url)
    put(backend, "before")
    yield backend
    telling_server.empty()


def told(backend, watch, last="the last"):
    """All keys told until one that is written now."""
    put(backend, last)
    keys = []
    while (key := next(watch)) != last:
        keys.append(key)
    return keys


def test_each_way_of_changing_is_told(backend):
    """Writing anew, over, with a new expiry, in batches; removing one and many."""
    with backend.watch("") as watch:
        version = put(backend, "a")
        assert told(backend, watch) == ["a"]
        backend.write([Put("a", version, (b"data",), 100)])
        assert told(backend, watch) == ["a"]
        put(backend, "a", require={"a": version})
        assert told(backend, watch) == ["a"]
        backend.write([Put("b", Version.new(), (b"",)), Delete("a")], require={"x": None})
        assert sorted(told(backend, watch)) == ["a", "b"]
        backend.write([Put("c", Version.new(), (b"",)), Put("d", Version.new(), (b"",))])
        assert sorted(told(backend, watch)) == ["c", "d"]
        backend.remove(["b"])
        assert told(backend, watch) == ["b"]
        backend.remove(["c", "d", "x"])
        assert sorted(told(backend, watch)) == ["c", "d"]


def test_what_changes_nothing_is_not_told(backend):
    """Requirements, conflicts, what is remembered, and what was not there."""
    version = put(backend, "a")
    with backend.watch("") as watch:
        backend.write([], require={"a": version})
        backend.remove(["x"])
        backend.remove(["x", "y"])
        with pytest.raises(qstate.ConflictError):
            put(backend, "b", require={"a": None, "x": None})
        assert told(backend, watch) == []
        operation = Put("b", Version.new(), (b"",))
        backend.write_once(Version.new(), [operation], require={"a": version, "x": None})
        assert told(backend, watch) == ["b"]


def test_only_keys_under_the_prefix_are_told(backend):
    """Whatever characters are in it."""
    with backend.watch("a%/\0é") as watch:
        for key in ["a%/\0é", "a%/\0e", "b", "a%/\0é🔑"]:
            put(backend, key)
        assert [next(watch), next(watch)] == ["a%/\0é", "a%/\0é🔑"]


def test_leaving_ends_the_iteration_in_another_thread(backend, telling_server):
    """And the connection."""
    keys = []
    with backend.watch("") as watch:
        thread = threading.Thread(target=lambda: keys.extend(watch))
        thread.start()
        put(backend, "a")
        wait_until(lambda: keys == ["a"])
        wait_until(lambda: connections(telling_server) == 2)
    thread.join()
    wait_until(lambda: connections(telling_server) == 1)
    assert list(watch) == []


def test_a_lost_connection_is_told(own_postgres, connect):
    """So that the core watches anew."""
    backend = connect(own_postgres.url)
    put(backend, "a")
    with backend.watch("") as watch:
        own_postgres.kill()
        with pytest.raises(StoreUnavailableError):
            next(watch)
    with pytest.raises(StoreUnavailableError), backend.watch(""):
        pass


def test_watchers_of_a_store_see_every_last_state(sql_url):
    """On every database, told or not: sets, deletions and expiries."""
    with qstate.connect(sql_url) as store, store.watch("run/") as changes:
        store["run/a"] = 1
        store["other"] = 1
        assert next(changes).entry.value == 1
        del store["run/a"]
        assert next(changes).kind == "deleted"
        store.set("run/b", 2, ttl=0.3)
        assert (change := next(changes)).entry.value == 2
        assert change.key == "run/b"
        assert next(changes).kind == "expired"
