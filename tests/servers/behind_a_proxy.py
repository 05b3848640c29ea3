"""One store reached directly, and by a client whose answers a proxy loses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

import qstate
from qstate import StateURL
from qstate_backends.ray_channel import ActorChannel
from tests.servers.cutting_proxy import CuttingProxy

LOST = "answers lost: "
"""Begins the name of the property in which a test says how many the proxy lost."""

_LOGIN_ANSWERS = 8
"""More than logging in takes: a login that fails so often never comes to the point."""


@pytest.fixture(
    scope="session",
    params=["redis_server", "postgres_server", "mariadb_server", "ray_session", "served_memory"],
)
def store_server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """What serves each kind of store, over connections that can be cut."""
    if request.param == "served_memory":
        with qstate.connect("memory://") as owner:
            yield owner._client.backend.shared_url()
    else:
        yield request.getfixturevalue(request.param)


@pytest.fixture
def store_url(store_server: Any) -> Iterator[StateURL]:
    """Where each store is reached without the proxy."""
    if isinstance(store_server, str):
        yield _as_another_process(StateURL.parse(store_server))
    elif hasattr(store_server, "url"):
        yield StateURL.parse(store_server.url)
    else:
        import ray

        name = uuid.uuid4().hex
        yield StateURL.parse(f"actor://{name}")
        ray.kill(ray.get_actor(name, namespace="qstate"))


@pytest.fixture
def direct(store_url: StateURL) -> Iterator[qstate.StateStore]:
    """A client that nothing comes between."""
    with qstate.connect(store_url) as store, store.scope("behind-a-proxy") as scope:
        scope.clear()
        yield scope
        scope.clear()


@pytest.fixture
def proxy(
    store_url: StateURL,
    direct: qstate.StateStore,
    record_property: Callable[[str, object], None],
) -> Iterator[CuttingProxy]:
    """The proxy before the server; it loses nothing yet."""
    with CuttingProxy(_listening(store_url, direct)) as proxy:
        proxy.spared = 3 if store_url.scheme in ("redis", "memory", "actor") else _LOGIN_ANSWERS
        yield proxy
    record_property(LOST + store_url.scheme, proxy.cuts)


@pytest.fixture
def cut(store_url: StateURL, proxy: CuttingProxy) -> Iterator[qstate.StateStore]:
    """A client behind the proxy."""
    if store_url.scheme == "memory":
        through = _as_another_process(store_url, address=f"127.0.0.1:{proxy.port}")
    elif store_url.scheme == "actor":
        through = store_url
    else:
        through = replace(store_url, hosts=(("127.0.0.1", proxy.port),))
    with qstate.connect(through, timeout=20) as store, store.scope("behind-a-proxy") as scope:
        if store_url.scheme == "actor":
            _lead_through(proxy, scope._client.backend._way)
        scope.ping()
        yield scope


def _listening(url: StateURL, direct: qstate.StateStore) -> tuple[str, int]:
    if url.scheme == "actor":
        return direct._client.backend._way._presence(time.monotonic() + 60).address
    if url.scheme == "memory":
        host, port = url.options["address"].rsplit(":", 1)
        return host, int(port)
    return url.host, url.port


def _lead_through(proxy: CuttingProxy, way: ActorChannel) -> None:
    """Have a client find the proxy where the actor says that it listens."""
    presence = way._presence
    way._presence = lambda deadline: presence(deadline)._replace(address=("127.0.0.1", proxy.port))


def _as_another_process(url: StateURL, **options: str) -> StateURL:
    """A served memory store as a process sees it that is not its owner."""
    return url.with_options({**url.options, **options, "owner": "another"})
