"""The store keeps every promise that a state store makes."""

import pytest

import qstate
from qstate.testing.conformance import BackendConformance


class TestLMDB(BackendConformance):
    """A new folder for each law."""

    name = "LMDB"

    @pytest.fixture
    def store(self, tmp_path):
        with qstate.connect(f"lmdb://{tmp_path}/state") as self.store:
            yield self.store

    def restart(self):
        """There is no server: the folder is closed, and opened anew."""
        address = self.store._address
        self.store.close()
        self.store.__init__(address)
