"""The suite on animals of the zoo; run by test_zoo.py, in a process of its own.

An animal is held to the promises of which it breaks a law, a right one to all. Whether any breaks a
law of another promise takes several times as long, and is looked at where more is asked for.
"""

import contextlib
import os

import pytest
import zoo
from breaks import BREAKS

from qstate import StateStore
from qstate.backend import Record, Version
from qstate.testing.conformance import waiting
from qstate.testing.workers import working

waiting.PATIENCE = 6.0  # what some animals never tell is waited for in vain

from qstate.testing.conformance.laws import Laws  # noqa: E402 - after that
from qstate.testing.conformance.suite import BackendConformance  # noqa: E402


class AnimalConformance(Laws):
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


def laws_for(name):
    """The laws of promises that an animal breaks; all, for one that breaks none."""
    broken = BREAKS[name]
    every = not broken or "QSTATE_ALL_LAWS" in os.environ
    return [kind for kind in BackendConformance.__bases__ if every or broken & vars(kind).keys()]


for name in os.environ["QSTATE_ANIMALS"].split():
    bases = (AnimalConformance, *laws_for(name))
    globals()[f"Test{name}"] = type(f"Test{name}", bases, {"name": name})
