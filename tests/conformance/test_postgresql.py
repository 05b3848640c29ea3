"""The PostgreSQL store keeps every law, on the oldest and the newest server that is promised."""

import contextlib

import psutil
import pytest

import qstate
from tests.conformance.sql import SQLConformance
from tests.servers.process import wait_until


class PostgreSQLConformance(SQLConformance):
    """On a server that the tests share."""

    @contextlib.contextmanager
    def opened(self, server):
        self.server = server
        with qstate.connect(server.url) as self.store:
            yield self.store
            self.store.clear(everything=True)

    def rows(self, sql, *values):
        with self.server.client() as client:
            found = client.execute(sql, values)
            return found.fetchall() if found.description else []

    @contextlib.contextmanager
    def unavailable(self):
        """None of its processes answers, nor refuses."""
        server = psutil.Process(self.server.pid)
        family = [server, *server.children(recursive=True)]
        for process in family:
            process.suspend()
        yield
        for process in reversed(family):
            process.resume()

    def restart(self):
        """One of its processes is killed, so that it ends all others and recovers from its log."""
        with self.server.client() as client:
            [(pid,)] = client.execute("SELECT pg_backend_pid()").fetchall()
            psutil.Process(pid).kill()
        wait_until(self.answers, what="the recovery")

    def answers(self):
        with self.server.client() as client:
            return client.execute("SELECT 1").fetchall()


class TestPostgreSQL18(PostgreSQLConformance):
    """The newest."""

    name = "PostgreSQL 18"

    @pytest.fixture
    def store(self, postgres_server):
        with self.opened(postgres_server) as store:
            yield store


class TestPostgreSQL15(PostgreSQLConformance):
    """The oldest."""

    name = "PostgreSQL 15"

    @pytest.fixture
    def store(self, postgres15_server):
        with self.opened(postgres15_server) as store:
            yield store
