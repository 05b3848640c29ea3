"""Remembering: an operation that is asked for again is not applied again."""

from __future__ import annotations

import pytest

from qstate.backend import ConflictError, Delete, Put, Version
from tests.backends.sql.test_records import put, scan


@pytest.fixture
def server(server_url, connect):
    """A backend on each server."""
    return connect(server_url)


def test_a_write_that_is_asked_for_again_is_done_already(server):
    """Though its requirement no longer holds."""
    version = put(server, "a")
    for operations, require in (
        ([Put("a", Version.new(), (b"2",))], {"a": version}),
        ([Put("b", Version.new(), (b"2",))], {"b": None}),
        ([Put("a", Version.new(), (b"3",)), Delete("b")], {"x": None}),
        ([Delete("a")], None),
    ):
        once = Version.new()
        if require is None:
            require = {"a": server.read(["a"])[0].version}
        for _ in range(3):
            server.write_once(once, operations, require=require)
    assert server.read(["a", "b"]) == [None, None]


def test_what_others_wrote_after_a_write_stays_when_it_is_asked_for_again(server):
    """Absence that was required may be there again; the write is not."""
    once, operation = Version.new(), Put("a", Version.new(), (b"mine",))
    server.write_once(once, [operation], require={"a": None})
    server.remove(["a"])
    server.write_once(once, [operation], require={"a": None})
    assert server.read(["a"]) == [None]
    put(server, "a", b"theirs")
    server.write_once(once, [operation], require={"a": None})
    assert server.read_data(["a"]) == [b"theirs"]


def test_a_conflict_is_not_remembered(server):
    """What was not applied may be, when its requirement holds."""
    once, operation = Version.new(), Put("a", Version.new(), (b"mine",))
    version = put(server, "a")
    for require in ({"a": None}, {"a": None, "b": None}):
        with pytest.raises(ConflictError) as raised:
            server.write_once(once, [operation], require=require)
        assert raised.value.actual == version
    server.remove(["a"])
    server.write_once(once, [operation], require={"a": None})
    assert server.read_data(["a"]) == [b"mine"]


def test_a_removal_that_is_asked_for_again_tells_the_same_count(server):
    """Of one key and of several, though something stands there again."""
    for keys in (["a"], ["a", "b", "x"]):
        for key in "ab":
            put(server, key)
        once = Version.new()
        count = server.remove_once(once, keys)
        assert count == min(len(keys), 2)
        put(server, "a", b"theirs")
        assert server.remove_once(once, keys) == count
        assert server.read_data(["a"]) == [b"theirs"]


def test_a_removal_of_nothing_counts_nothing(server):
    """Each time."""
    once = Version.new()
    assert [server.remove_once(once, ["x"]) for _ in range(2)] == [0, 0]
    assert [server.remove_once(once, ["x", "y"]) for _ in range(2)] == [0, 0]


def test_what_is_remembered_shows_nowhere(server):
    """Neither in scans nor in counts."""
    server.write_once(Version.new(), [Put("a", Version.new(), (b"",))], require={"a": None})
    server.remove_once(Version.new(), ["a"])
    assert scan(server) == []
    assert server.count("") == 0
