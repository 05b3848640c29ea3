"""Addresses: which store a URL names, what options it takes, and how a handler is shown."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import qstate
from qstate.backend import InvalidURLError
from qstate_backends.sql import SQLStateHandler

SERVERS = ["postgresql://ada:lovelace@127.0.0.1:5999/db", "mariadb://ada:lovelace@127.0.0.1/db"]


def test_a_handler_is_a_store(sql_url):
    """With all that a store has."""
    with SQLStateHandler(sql_url) as store:
        assert isinstance(store, qstate.StateStore)
        store["a"] = {"k": 42}
        assert store.increment("n") == 1
        assert dict(store.items()) == {"a": {"k": 42}, "n": 1}


def test_a_handler_travels_as_its_address(sql_url):
    """A copy is another handle of the same store."""
    with SQLStateHandler(sql_url) as store, pickle.loads(pickle.dumps(store)) as copy:
        store["a"] = 1
        assert type(copy) is SQLStateHandler
        assert copy["a"] == 1
        assert copy == store


def test_a_handler_is_shown_by_its_address_without_its_password(tmp_path, monkeypatch):
    """A relative path as the absolute one that it means."""
    monkeypatch.chdir(tmp_path)
    with SQLStateHandler("sqlite:///state.db") as store:
        assert repr(store) == f"<SQLStateHandler | sqlite:///{tmp_path}/state.db>"
    with SQLStateHandler("postgresql://ada:lovelace@127.0.0.1:5999/db") as store:
        assert repr(store) == "<SQLStateHandler | postgresql://ada:***@127.0.0.1:5999/db>"
        assert b"lovelace" not in pickle.dumps(store)


@pytest.mark.parametrize("url", [*SERVERS, "sqlite:////tmp/state.db"])
def test_an_unknown_option_is_refused_with_those_known(url):
    """Before any connection."""
    with pytest.raises(InvalidURLError, match=r"unknown option 'tabel'.*table.*timeout"):
        SQLStateHandler(url, tabel="x")


@pytest.mark.parametrize("table", ["", "a b", "1a", 'a"b', "a;b", "a.b", "é", "a" * 49])
def test_a_table_is_named_by_a_plain_word(tmp_path, table):
    """Anything else is refused, before it is part of any SQL."""
    with pytest.raises(InvalidURLError, match="table"):
        SQLStateHandler(f"sqlite:///{tmp_path}/state.db", table=table)


@pytest.mark.parametrize("url", SERVERS)
@pytest.mark.parametrize("path", ["", "/"])
def test_a_server_without_a_database_is_refused(url, path):
    """With what to write."""
    with pytest.raises(InvalidURLError, match="names no database"):
        SQLStateHandler(url.removesuffix("/db") + path)


def test_one_host_is_what_mysql_has():
    """More are refused."""
    with pytest.raises(InvalidURLError, match="one host"):
        SQLStateHandler("mysql://ada@one,other/db")


def test_a_handler_is_for_databases():
    """Another store's URL is refused with the schemes that are known."""
    with pytest.raises(InvalidURLError, match="postgresql"):
        SQLStateHandler("redis://localhost")


def test_tls_is_asked_for_by_the_drivers_own_options(postgres_server, mariadb_server):
    """A server that has none is refused then."""
    for url in (
        f"{postgres_server.url}?sslmode=require",
        f"{mariadb_server.url}?ssl_verify_cert=1",
    ):
        store = SQLStateHandler(url)
        with store, pytest.raises(qstate.StoreUnavailableError, match="SSL"):
            store.ping()


def test_a_unix_socket_serves_as_well(postgres_server, mariadb_server):
    """Named by an option."""
    for url, option in (
        (postgres_server.url, f"host={postgres_server.folder}"),
        (mariadb_server.url, f"unix_socket={mariadb_server.folder}/mariadb.sock"),
    ):
        with SQLStateHandler(f"{url}?table=by_socket&{option}") as store:
            store["a"] = 1
            assert store["a"] == 1
    postgres_server.empty()
    mariadb_server.empty()


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [(SERVERS[0], "psycopg", "postgres"), (SERVERS[1], "pymysql", "mysql")],
)
def test_a_missing_driver_is_told_with_what_to_install(url, driver, extra):
    """When the store is opened, and only for the scheme that needs it."""
    program = (
        "import sys, qstate\n"
        f"sys.modules[{driver!r}] = None\n"
        "try:\n"
        f"    qstate.connect({url!r})\n"
        "except qstate.BackendNotFoundError as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert f"pip install 'qstate[{extra}]'" in told
    assert "lovelace" not in told


def test_a_file_needs_no_driver_and_once_made_no_sqlalchemy(tmp_path):
    """Only what a scheme needs is loaded."""
    url = f"sqlite:///{tmp_path}/state.db"
    program = (
        "import sys, qstate\n"
        f"with qstate.connect({url!r}) as store:\n"
        "    store['a'] = 1\n"
        "print([name for name in ('psycopg', 'pymysql', 'sqlalchemy') if name in sys.modules])\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert told == ["['sqlalchemy']", "[]"]
