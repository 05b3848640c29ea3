"""A database that can't be reached, or goes away, is told in time, and what became of a call."""

from __future__ import annotations

import math
import socket
import threading
import time
from dataclasses import replace

import pytest

import qstate
from qstate.backend import Delete, Put, StateURL, StoreUnavailableError, Version
from qstate_backends.sql.database import Database
from tests.backends.sql.test_records import put
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.process import free_port, wait_until

SECRET = "correct-horse"


@pytest.fixture(params=["own_postgres", "own_mariadb"])
def own_server(request):
    """A server that may be killed."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["postgresql", "mariadb"])
def scheme(request):
    """The scheme of each kind of server."""
    return request.param


@pytest.fixture
def silent_port():
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def unavailable(call, *arguments, within=3.0, **options):
    """The error of a call that finds no store; it comes in time."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError) as raised:
        call(*arguments, **options)
    assert time.monotonic() - started < within
    return raised.value


def test_a_wrong_password_is_told_at_once_and_not_shown(server_url, connect):
    """With the address and the server's words; the password is nowhere."""
    url = replace(StateURL.parse(server_url), password=SECRET)
    error = unavailable(connect(url.plain()).read, ["a"])
    assert error.outcome == "not applied"
    assert f"{url.host}:{url.port}" in str(error)
    assert "ada" in str(error)
    assert str(error.__cause__) in str(error)
    assert SECRET not in f"{error!r} {error} {error.__cause__!r} {vars(error)}"


def test_an_unknown_database_is_told_by_name(server_url, connect):
    """In the server's words."""
    url = replace(StateURL.parse(server_url), path="/nowhere")
    error = unavailable(connect(url.plain()).write, [Delete("a")])
    assert "nowhere" in str(error.__cause__)
    assert error.outcome == "not applied"


def test_a_port_where_nothing_listens_is_told_at_once(scheme, connect):
    """With its number."""
    port = free_port()
    backend = connect(f"{scheme}://ada:{SECRET}@127.0.0.1:{port}/qstate", timeout=20)
    error = unavailable(backend.read_data, ["a"])
    assert str(port) in str(error)
    assert SECRET not in str(error)


def test_a_host_without_a_name_is_told(scheme, connect):
    """As the system tells it."""
    backend = connect(f"{scheme}://ada:{SECRET}@nowhere.invalid/qstate", timeout=20)
    error = unavailable(backend.read_data, ["a"], within=15)
    assert "nowhere.invalid" in str(error)


@pytest.mark.parametrize("call", ["read", "read_data", "remove"])
def test_a_server_that_never_answers_is_told_within_the_timeout(scheme, silent_port, connect, call):
    """Though it takes the connection."""
    backend = connect(f"{scheme}://ada:{SECRET}@127.0.0.1:{silent_port}/qstate?timeout=0.5")
    error = unavailable(getattr(backend, call), ["a"], within=1.5)
    assert error.outcome == "not applied"
    assert SECRET not in str(error)


def test_a_server_that_stops_answering_is_told_within_the_timeout(own_server, connect):
    """What was to be written may have been; what was to be read was not changed by that."""
    put(connect(own_server.url, timeout=60), "a", b"before")  # to make the table takes its time
    backend = connect(own_server.url, timeout=0.7)
    wait_until(lambda: answers(backend))
    backend._reap_at = math.inf  # what is sent before the write itself would not be unknown
    own_server.pause()
    try:
        assert unavailable(backend.read, ["a"], within=2).outcome == "not applied"
        assert unavailable(put, backend, "a", within=2).outcome == "not applied"  # not connected
    finally:
        own_server.resume()
    wait_until(lambda: answers(backend))
    own_server.pause()
    try:
        assert unavailable(put, backend, "a", b"after", within=2).outcome == "unknown"
    finally:
        own_server.resume()
    wait_until(lambda: answers(backend))


def answers(backend):
    """Whether the server answers."""
    try:
        backend.read(["a"])
    except StoreUnavailableError:
        return False
    return True


def test_what_was_acknowledged_survives_the_killing_of_the_server(own_server, connect):
    """And the connection, found dead, is made anew without an error being told."""
    backend = connect(own_server.url)
    versions = {f"key/{number}": put(backend, f"key/{number}") for number in range(50)}
    own_server.kill()
    error = unavailable(put, backend, "a")
    assert error.outcome == "not applied"
    own_server.start()
    assert [record.version for record in backend.read(list(versions))] == list(versions.values())
    put(backend, "a")


def test_a_restart_between_two_calls_is_not_noticed(own_server, connect):
    """The dead connection is found before anything is sent."""
    backend = connect(own_server.url)
    put(backend, "a")
    own_server.stop()
    own_server.start()
    put(backend, "a", b"again")
    assert backend.read_data(["a"]) == [b"again"]


def test_a_store_rides_over_a_restart_during_its_calls(own_server):
    """What the core repeats after a restart is applied once."""
    with qstate.connect(own_server.url, timeout=20) as store:
        store.set("n", 0)
        restarting = threading.Thread(target=lambda: (own_server.kill(), own_server.start()))
        restarting.start()
        counted = 0
        while restarting.is_alive() or counted < 50:
            assert store.increment("n") == counted + 1
            counted += 1
        restarting.join()
        assert store["n"] == counted


@pytest.mark.parametrize("operations", [1, 3], ids=["one statement", "a transaction"])
def test_an_answer_that_was_lost_leaves_the_outcome_unknown(server_url, connect, operations):
    """Whether it was the answer to a statement or to COMMIT."""
    url = StateURL.parse(server_url)
    direct = connect(server_url)
    with CuttingProxy((url.host, url.port)) as proxy:
        through = connect(replace(url, hosts=(("127.0.0.1", proxy.port),)).plain())
        assert through.read(["key/0"]) == [None]
        outcomes = set()
        for _ in range(40):
            puts = [Put(f"key/{n}", Version.new(), (b"",)) for n in range(operations)]
            outcome = "applied"
            try:
                with proxy.losing(0.3):
                    through.write(puts, require={"absent": None} if operations > 1 else {})
            except StoreUnavailableError as error:
                outcome = error.outcome
            record = direct.read(["key/0"])[0]
            outcomes.add((outcome, record is not None and record.version == puts[0].version))
            through.read(["key/0"])
    assert ("applied", True) in outcomes
    assert ("unknown", True) in outcomes
    assert outcomes.isdisjoint({("applied", False), ("not applied", True)})


def test_a_lock_held_by_someone_else_ends_the_call_in_time_and_unapplied(
    sql_server, server_url, connect
):
    """A transaction of another client that does not end is waited for, and then told."""
    backend = connect(server_url, timeout=1.5)
    put(backend, "a", b"before")
    with sql_server.client() as client:
        cursor = client.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM qstate FOR UPDATE")
        assert unavailable(put, backend, "a").outcome == "not applied"
        both = [Put(key, Version.new(), (b"after",)) for key in "ab"]
        assert unavailable(backend.write, both, require={"c": None}).outcome == "not applied"
        assert backend.read_data(["a", "b"]) == [b"before", None]
        cursor.execute("ROLLBACK")
    put(backend, "a", b"after")


def test_errors_of_a_statement_are_told_with_their_cause(sql_server, server_url, connect):
    """A table of that name that is something else."""
    with sql_server.client() as client:
        client.cursor().execute("CREATE TABLE qstate (something INTEGER)")
    backend = connect(server_url)
    error = unavailable(put, backend, "a")
    assert error.outcome == "not applied"
    assert str(error.__cause__) in str(error)


def test_every_error_class_of_the_drivers_leaves_as_an_error_of_qstate():
    """Whatever a driver, or the socket under it, raises."""
    import sqlite3

    import psycopg
    import pymysql

    from qstate.backend import StateError, translate_errors
    from qstate_backends.sql.mysql import MySQLBackend
    from qstate_backends.sql.postgresql import PostgreSQLBackend
    from qstate_backends.sql.sqlite import SQLiteBackend

    drivers = {
        SQLiteBackend: (sqlite3.Error, sqlite3.Warning, OSError),
        PostgreSQLBackend: (psycopg.Error, psycopg.Warning, OSError),
        MySQLBackend: (pymysql.err.MySQLError, pymysql.err.Warning, OSError),
    }
    for backend, roots in drivers.items():
        assert issubclass(backend, Database)
        for kind in {each for root in roots for each in with_descendants(root)}:
            if kind.__module__.partition(".")[0] not in DRIVERS:
                continue  # others derive from OSError too, and no driver raises those
            with pytest.raises(StateError), translate_errors("somewhere", backend.errors):
                raise kind.__new__(kind)


DRIVERS = ("builtins", "psycopg", "pymysql", "socket", "sqlite3", "ssl")


def with_descendants(kind):
    """A class and all that derive from it."""
    return {kind}.union(*(with_descendants(each) for each in kind.__subclasses__()))
