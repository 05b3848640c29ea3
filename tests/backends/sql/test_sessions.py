"""Sessions: one connection for each thread, and none left over."""

from __future__ import annotations

import os
import threading
import traceback

import pytest

import qstate
from qstate.backend import ConflictError, Version
from tests.backends.sql.test_records import put
from tests.servers.process import wait_until


def connections(server):
    """How many connections of qstate the server has."""
    with server.client() as client:
        cursor = client.cursor()
        if server.url.startswith("postgresql"):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'qstate'"
            )
        else:
            cursor.execute(
                "SELECT count(*) - 1 FROM information_schema.processlist WHERE user = 'ada'"
            )
        return cursor.fetchone()[0]


def test_a_thread_has_a_connection_as_long_as_it_lives(sql_server, server_url, connect):
    """Each its own; closed when it ends, and all of them when the backend is closed."""
    backend = connect(server_url)
    at_work, done = threading.Barrier(6), threading.Event()

    def work():
        put(backend, "a")
        at_work.wait()
        done.wait()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    at_work.wait()
    put(backend, "a")
    wait_until(lambda: connections(sql_server) == 6)  # those of earlier tests may be ending
    done.set()
    for thread in threads:
        thread.join()
    wait_until(lambda: connections(sql_server) == 1)
    backend.close()
    wait_until(lambda: connections(sql_server) == 0)


def test_closing_ends_the_connections_of_all_threads(sql_server, server_url, connect):
    """Those of threads that still run as well."""
    backend = connect(server_url)
    at_work, done = threading.Barrier(2), threading.Event()
    thread = threading.Thread(target=lambda: (put(backend, "a"), at_work.wait(), done.wait()))
    thread.start()
    at_work.wait()
    backend.close()
    wait_until(lambda: connections(sql_server) == 0)
    done.set()
    thread.join()


def test_a_conflict_leaves_the_connection_in_order(backend):
    """The next call of the same thread begins anew."""
    for _ in range(3):
        with pytest.raises(ConflictError):
            put(backend, "a", require={"a": Version.new(), "b": None})
        put(backend, "c")
    assert backend.read(["a", "b"]) == [None, None]


def test_an_interrupted_call_leaves_the_backend_in_order(backend, monkeypatch):
    """Ctrl-C between two statements undoes the first one."""
    put(backend, "a", b"before")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(backend, "delete_rows", interrupt)
    with pytest.raises(KeyboardInterrupt):
        put(backend, "a", b"after", require={"x": None})
    monkeypatch.undo()
    assert backend.read_data(["a"]) == [b"before"]
    put(backend, "a", b"after")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_and_its_parent_do_not_disturb_each_other(sql_url):
    """The child works by connections of its own; the parent's outlive it."""
    with qstate.connect(sql_url) as store:
        store["n"] = 0
        others = threading.Event()
        thread = threading.Thread(target=lambda: (store.increment("n"), others.wait()))
        thread.start()
        wait_until(lambda: store["n"] == 1)
        child = os.fork()
        if child == 0:
            _end_child(store)
        assert os.waitpid(child, 0)[1] == 0
        assert store["n"] == 2
        assert store.increment("n") == 3
        others.set()
        thread.join()


def _end_child(store):
    """What the child does; it never returns into the tests."""
    try:
        store.increment("n")
        store.close()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - it ends here, whatever it was
        traceback.print_exc()
        os._exit(1)
