"""The store keeps every promise that rests on one key, on old servers and on new ones."""

import contextlib
import itertools

import nats
import pytest

import qstate
from qstate.testing.conformance import BackendConformance
from tests.servers.nats import NATSServer

numbers = itertools.count()


class NATSConformance(BackendConformance):
    """A new bucket for each law."""

    @pytest.fixture
    def store(self, server):
        self.server, self.bucket = server, f"law-{next(numbers)}"
        with qstate.connect(server.url(self.bucket)) as store:
            yield store

    def raw_get(self, key):
        async def get(bucket):
            with contextlib.suppress(nats.js.errors.KeyNotFoundError):
                return (await bucket.get(key)).value

        return self.server.use(self.bucket, get)

    def raw_set(self, key, data):
        self.server.use(self.bucket, lambda bucket: bucket.put(key, data))

    @contextlib.contextmanager
    def unavailable(self):
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()

    def restart(self):
        self.server.stop()
        self.server.start()


class TestNATS214(NATSConformance):
    """The newest."""

    name = "NATS 2.14"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        with NATSServer("2.14") as server:
            yield server


class TestNATS29(NATSConformance):
    """One that does not remove messages after their time."""

    name = "NATS 2.9"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        with NATSServer("2.9") as server:
            yield server
