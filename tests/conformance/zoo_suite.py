"""The suite on animals of the zoo; run by test_zoo.py, in a process of its own."""

import contextlib
import os

import pytest
import zoo

from qstate import StateStore
from qstate.backend import Record, Version
from qstate.testing.conformance import waiting
from qstate.testing.workers import working

waiting.PATIENCE = 6.0  # what some animals never tell is waited for in vain

from qstate.testing.conformance import BackendConformance  # noqa: E402 - after that


class AnimalConformance(BackendConformance):
    """One animal; its class is made below."""

    limit = 40.0

    @pytest.fixture(scope="class")
    @classmethod
    def workers(cls):
        if zoo.ANIMALS[cls.name].capabilities.reach == "process":
            yield []
        else:
            with working(3) as workers:
                yield workers

    @pytest.fixture
    def store(self):
        with StateStore(zoo.url_of(self.name)) as store:
            self.backend = store._client.backend
            self.restart = self.backend.restart
            yield store

    def raw_get(self, key):
        with self.backend.lock:
            record = self.backend.standing(key)
            return record and record.data

    def raw_set(self, key, data):
        with self.backend.lock:
            self.backend.records[key] = Record(Version.derived(data), data)

    @contextlib.contextmanager
    def unavailable(self):
        self.backend.down = True
        yield
        self.backend.down = False


for name in os.environ["QSTATE_ANIMALS"].split():
    globals()[f"Test{name}"] = type(f"Test{name}", (AnimalConformance,), {"name": name})
