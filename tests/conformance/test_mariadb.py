"""The MariaDB store keeps every law."""

import contextlib

import pytest

import qstate
from tests.conformance.sql import SQLConformance


class TestMariaDB(SQLConformance):
    """On a server that the tests share."""

    name = "MariaDB"
    key_column = "`key`"

    @pytest.fixture
    def store(self, mariadb_server):
        self.server = mariadb_server
        with qstate.connect(mariadb_server.url) as self.store:
            yield self.store
            self.store.clear(everything=True)

    def rows(self, sql, *values):
        with self.server.client() as client, client.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    @contextlib.contextmanager
    def unavailable(self):
        self.server.pause()
        yield
        self.server.resume()
