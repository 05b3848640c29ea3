"""The SQLite store keeps every law."""

import contextlib
import sqlite3

import pytest

import qstate
from tests.conformance.sql import SQLConformance


class TestSQLite(SQLConformance):
    """A new file for each law."""

    name = "SQLite"
    placeholder = "?"

    @pytest.fixture
    def store(self, tmp_path):
        self.path = tmp_path / "state.db"
        # A new file is flushed to a disk that other tests may keep busy for longer than 5 seconds.
        with qstate.connect(f"sqlite:///{self.path}", timeout=20) as self.store:
            yield self.store

    def rows(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def restart(self):
        """There is no server: all handles of this process are closed, and it is opened anew."""
        address = self.store._address
        self.store.close()
        self.store.__init__(address)
