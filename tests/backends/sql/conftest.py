"""Backends on each kind of database, empty at first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from qstate.backend import StateURL
from qstate_backends.sql import qstate_backend
from qstate_backends.sql.backend import SQLBackend
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer

SERVERS = ("postgres_server", "postgres15_server", "mariadb_server")

Connect = Callable[..., SQLBackend]
Server = PostgresServer | MariaDBServer


@pytest.fixture(scope="session", params=SERVERS)
def sql_server(request: pytest.FixtureRequest) -> Server:
    """Each server that is promised to work."""
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session", params=("sqlite", *SERVERS))
def database(request: pytest.FixtureRequest) -> Server | None:
    """Each server that is promised to work, and None for an SQLite file."""
    return None if request.param == "sqlite" else request.getfixturevalue(request.param)


@pytest.fixture
def sql_url(database: Server | None, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind, emptied again after the test."""
    if database is None:
        yield f"sqlite:///{tmp_path / 'state.db'}"
    else:
        database.empty()  # other tests share the server
        yield database.url
        database.empty()


@pytest.fixture
def server_url(sql_server: Server) -> Iterator[str]:
    """As ``sql_url``, servers only."""
    yield sql_server.url
    sql_server.empty()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes backends by URL and options, and closes them after the test."""
    with ExitStack() as opened:

        def connect(url: str, **options: object) -> SQLBackend:
            backend = make(url, **options)
            opened.callback(backend.close)
            return backend

        yield connect


def make(url: str, **options: object) -> SQLBackend:
    """A backend, to be closed by the caller."""
    parsed = StateURL.parse(url)
    backend = qstate_backend(parsed, {**parsed.options, **options})
    assert isinstance(backend, SQLBackend)
    return backend


@pytest.fixture
def backend(sql_url: str, connect: Connect) -> SQLBackend:
    """A backend on an empty database of each kind."""
    return connect(sql_url, timeout=30)  # the machine may be busy
