"""What the SQL stores have in common: rows by a way round the store."""

from qstate.backend import Version
from qstate.testing.conformance import BackendConformance


class SQLConformance(BackendConformance):
    """A database; its subclass says how to run a statement."""

    placeholder = "%s"
    key_column = "key"

    def rows(self, sql, *values):
        """What a statement gives, run by a connection of the driver's own."""
        raise NotImplementedError

    def raw_get(self, key):
        sql = f"SELECT data FROM qstate WHERE {self.key_column} = {self.placeholder}"
        rows = self.rows(sql, key.encode())
        return bytes(rows[0][0]) if rows else None

    def raw_set(self, key, data):
        self.store["made"] = 1  # so that the table is there
        del self.store["made"]
        delete = f"DELETE FROM qstate WHERE {self.key_column} = {self.placeholder}"
        self.rows(delete, key.encode())
        insert = (
            f"INSERT INTO qstate ({self.key_column}, version, data) "
            f"VALUES ({', '.join([self.placeholder] * 3)})"
        )
        self.rows(insert, key.encode(), bytes(Version.derived(data)), data)
