"""Every store that a machine can run, opened one after another for the same operations."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import qstate
from benchmarks import on_ray
from tests.servers.mariadb import MariaDBServer, program
from tests.servers.postgres import PostgresServer, of_the_wheel
from tests.servers.redis import RedisServer

Urls = Callable[[], AbstractContextManager[str]]


@contextmanager
def _memory() -> Iterator[str]:
    yield f"memory://{uuid.uuid4()}"


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'state.db'}"


@contextmanager
def _postgresql() -> Iterator[str]:
    with PostgresServer(of_the_wheel()) as server:
        yield server.url


@contextmanager
def _mariadb() -> Iterator[str]:
    with MariaDBServer(program()) as server:
        yield server.url


@contextmanager
def _redis() -> Iterator[str]:
    with RedisServer() as server:
        yield server.url


@contextmanager
def _actor() -> Iterator[str]:
    with on_ray.session():
        yield f"actor://{uuid.uuid4()}"


URLS: dict[str, Urls] = {
    "memory": _memory,
    "SQLite": _sqlite,
    "Redis": _redis,
    "PostgreSQL": _postgresql,
    "MariaDB": _mariadb,
    "actor": _actor,
}


def each(but: Container[str] = ()) -> Iterator[tuple[str, qstate.StateStore]]:
    """Each store with its name, empty."""
    for name, running in URLS.items():
        if name in but:
            continue
        with running() as url, qstate.connect(url, timeout=120) as store:
            yield name, store
