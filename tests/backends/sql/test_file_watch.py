"""Watching an SQLite file: it is told of any connection's change, and looked at in between."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

import qstate
from qstate.backend import StoreUnavailableError
from tests.backends.sql.test_records import put
from tests.servers.process import wait_until

WRITER = """
import sys, qstate
with qstate.connect(sys.argv[1]) as store:
    store["run/a"] = 1
"""


@pytest.fixture
def path(tmp_path):
    """Where the file is."""
    return str(tmp_path / "state.db")


@pytest.fixture
def url(path):
    """The URL of an empty store."""
    return f"sqlite:///{path}"


@pytest.fixture(autouse=True)
def _no_polling(monkeypatch):
    """A watch that has to be asked would not see anything for an hour."""
    monkeypatch.setattr("qstate.watching.POLL_INTERVAL", 3600)


def test_a_change_by_another_process_is_told(url):
    """Though this process writes nothing."""
    with qstate.connect(url) as store, store.watch("run/") as changes:
        subprocess.run([sys.executable, "-c", WRITER, url], check=True, timeout=60)
        change = changes.next(20)
        assert (change.key, change.kind, change.entry.value) == ("run/a", "set", 1)


def test_changes_round_the_store_are_told(url, path):
    """By SQL, which leaves no other trace."""
    with qstate.connect(url) as store, store.watch() as changes:
        store.update({"a": 1, "b": 2})
        assert {changes.next(20).key, changes.next(20).key} == {"a", "b"}
        with sqlite3.connect(path) as other:
            other.execute("DELETE FROM qstate WHERE key = ?", (b"a",))
        other.close()
        assert (change := changes.next(20)).key == "a"
        assert change.kind == "deleted"


def test_each_of_many_lone_changes_is_told(url):
    """Though nothing follows it."""
    with qstate.connect(url) as store, store.watch("k") as changes:
        for n in range(50):
            store["k"] = n
            assert changes.next(20).entry.value == n


def test_nothing_is_told_where_nothing_changes(url, connect):
    """Reading is no change, nor is what a writer rolled back."""
    backend = connect(url)
    version = put(backend, "a")
    with backend.watch("") as told:
        backend.read(["a"])
        backend.scan("", None, 10)
        with pytest.raises(qstate.ConflictError):
            put(backend, "a", require={"a": None, "b": version})
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(told))
        reader.start()
        reader.join(0.3)
        assert seen == []
        put(backend, "a")
        wait_until(lambda: seen == [""])
    reader.join(5)
    assert not reader.is_alive()


def test_a_writer_that_holds_the_file_keeps_no_watch_from_what_follows(url, path):
    """It is told once it commits."""
    with qstate.connect(url) as store, store.watch() as changes:
        store["a"] = 1
        assert changes.next(20).key == "a"
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            other.execute("DELETE FROM qstate")
            assert changes.next(0.1) is None
            other.execute("COMMIT")
        other.close()
        assert changes.next(20).kind == "deleted"


def test_leaving_closes_the_file(url, path):
    """SQLite keeps one descriptor for the next to open the file, however many were left."""

    def held():
        links = (f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd"))
        return sum(os.path.realpath(link).startswith(path) for link in links)

    with qstate.connect(url) as store:
        store["a"] = 1
        before = held()
        for _ in range(10):
            with store.watch() as changes:
                assert held() > before
                assert changes.next(0.02) is None
        assert held() <= before + 1
    assert held() == 0


def test_a_file_that_can_not_be_opened_is_told(tmp_path, connect):
    """Where the watch begins."""
    backend = connect(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreUnavailableError), backend.watch(""):
        pass


def test_a_busy_file_is_not_looked_at_all_the_time(url):
    """A look that takes long is followed by a pause ten times as long; the last state is told."""
    with qstate.connect(url) as store:
        scan, looks = store._client.backend.scan, []

        def slow(*arguments):
            looks.append(arguments)
            time.sleep(0.02)
            return scan(*arguments)

        store._client.backend.scan = slow
        with store.watch() as changes:
            started = time.monotonic()
            for n in range(200):
                store["k"] = n
                changes.next(0.002)
            store["k"] = "last"
            while changes.next(20).entry.value != "last":
                pass
            assert len(looks) <= 3 + (time.monotonic() - started) / 0.2
