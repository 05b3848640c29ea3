"""Backends on real servers, each with an empty database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from qstate.backend import StateURL
from qstate_backends.redis import RedisBackend, qstate_backend
from tests.servers.redis import RedisServer, any_redis, redis_cluster, redis_server

__all__ = ["any_redis", "backend", "connect", "redis_cluster", "redis_server", "redis_url"]

Connect = Callable[..., RedisBackend]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes backends by URL and options, and closes them after the test."""
    with ExitStack() as opened:

        def connect(url: str, **options: object) -> RedisBackend:
            parsed = StateURL.parse(url)
            backend = qstate_backend(parsed, {**parsed.options, **options})
            assert backend is not None
            opened.callback(backend.close)
            return backend

        yield connect


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    """The URL of a Redis 8 that is emptied after the test."""
    yield redis_server.url
    redis_server.empty()


@pytest.fixture
def backend(any_redis: RedisServer, connect: Connect) -> Iterator[RedisBackend]:
    """A backend on a server of each version, emptied after the test."""
    yield connect(any_redis.url)
    any_redis.empty()
