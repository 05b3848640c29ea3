"""The Redis store keeps every law on each version that is promised, on a cluster, and on a fake."""

import contextlib
import uuid

import pytest

import qstate
from qstate.testing.conformance import BackendConformance
from tests.servers.redis import RedisServer


class RedisConformance(BackendConformance):
    """On a server that the tests share."""

    @pytest.fixture
    def store(self, server):
        self.server = server
        with qstate.connect(server.url) as store:
            store.clear(everything=True)  # other tests use the server too
            yield store
            store.clear(everything=True)

    def raw_get(self, key):
        with self.server.client() as client:
            return client.get(key.encode())

    def raw_set(self, key, data):
        with self.server.client() as client:
            client.set(key.encode(), data)

    @contextlib.contextmanager
    def unavailable(self):
        self.server.pause()
        yield
        self.server.resume()


class TestRedis8(RedisConformance):
    """The newest."""

    name = "Redis 8"

    @pytest.fixture
    def server(self, redis_server):
        return redis_server


class TestRedis70(RedisConformance):
    """The machine's own."""

    name = "Redis 7.0"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        with RedisServer("7.0") as server:
            yield server


class TestRedis62(RedisConformance):
    """The oldest."""

    name = "Redis 6.2"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        with RedisServer("6.2") as server:
            yield server


class TestRedisCached(RedisConformance):
    """Reads of what was read lately need no server."""

    name = "Redis 8, cached"

    @pytest.fixture
    def store(self, redis_server):
        self.server = redis_server
        with qstate.connect(redis_server.url, cache=1000) as store:
            store.clear(everything=True)
            yield store
            store.clear(everything=True)


class TestFakeRedis(BackendConformance):
    """fakeredis, a new one for each law: what rests on a server that tells is polled here."""

    name = "fakeredis"

    @pytest.fixture
    def store(self):
        with qstate.connect(f"fakeredis://{uuid.uuid4().hex}") as store:
            yield store
