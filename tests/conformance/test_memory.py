"""The memory store keeps every law."""

import pytest

import qstate
from qstate.backend import Record, Version
from qstate.testing.conformance import BackendConformance


class TestMemory(BackendConformance):
    """`memory://`"""

    @pytest.fixture
    def store(self):
        with qstate.connect("memory://") as store:
            self.backend = store._client.backend
            yield store

    def raw_get(self, key):
        record = self.backend._records.get(key)
        return None if record is None else record.data

    def raw_set(self, key, data):
        self.backend._records.put(key, Record(Version.derived(data), data))
