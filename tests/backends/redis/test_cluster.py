"""A cluster: keys go to the servers that have their slots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qstate import connect as connect_store
from qstate.backend import (
    ConflictError,
    Put,
    StoreUnavailableError,
    UnsupportedOperationError,
    Version,
)
from qstate_backends.redis import RedisBackend
from tests.backends.redis.conftest import Connect
from tests.servers.process import free_port
from tests.servers.redis import ClusterNode

KEYS = [f"key {number}" for number in range(60)]


def put(key: str, data: bytes = b"data") -> Put:
    return Put(key, Version.new(), (data,))


@pytest.fixture
def url(redis_cluster: list[ClusterNode]) -> Iterator[str]:
    """The URL of a cluster, emptied after the test; the first host in it is not there."""
    yield f"redis+cluster://127.0.0.1:{free_port()},{redis_cluster[0].address}"
    for node in redis_cluster:
        node.empty()


def all_keys(backend: RedisBackend, prefix: str = "") -> list[str]:
    found, cursor = backend.scan(prefix, None, 10)
    while cursor is not None:
        page, cursor = backend.scan(prefix, cursor, 10)
        found += page
    return found


def test_every_server_has_its_share(
    redis_cluster: list[ClusterNode], url: str, connect: Connect
) -> None:
    """Single keys are written, read, required, scanned and removed, wherever they live."""
    backend = connect(url)
    for key in KEYS:
        first = put(key)
        backend.write([first])
        backend.write([put(key, key.encode())], require={key: first.version})
        with pytest.raises(ConflictError):
            backend.write([put(key)], require={key: first.version})
    assert [backend.read_data([key])[0] for key in KEYS] == [key.encode() for key in KEYS]
    assert sorted(set(all_keys(backend))) == sorted(KEYS)
    for node in redis_cluster:
        with node.client() as client:
            assert client.dbsize() > 0
    assert sum(backend.remove([key]) for key in KEYS) == len(KEYS)


def test_several_keys_are_refused_without_a_hashtag(url: str, connect: Connect) -> None:
    """What can't be done as one is refused before anything is sent, with the way out."""
    backend = connect(url)
    assert not backend.capabilities.several_keys
    for call in (
        lambda: backend.write([put("a"), put("b")]),
        lambda: backend.write([put("a")], require={"b": None}),
        lambda: backend.read(["a", "b"]),
        lambda: backend.read_data(["a", "b"]),
        lambda: backend.remove(["a", "b"]),
    ):
        with pytest.raises(UnsupportedOperationError, match="hashtag"):
            call()


def test_a_hashtag_keeps_all_keys_together(
    redis_cluster: list[ClusterNode], url: str, connect: Connect
) -> None:
    """With one, several keys are written and read as one, and named without it."""
    backend = connect(url, hashtag="lab")
    assert backend.capabilities.several_keys
    backend.write([put(key) for key in KEYS])
    backend.write([put("more")], require={"absent": None})
    assert list(backend.read_data(KEYS)) == [b"data"] * len(KEYS)
    assert all(backend.read(KEYS))
    assert sorted(set(all_keys(backend, "key"))) == sorted(KEYS)
    connect(url).write([put("outside")])
    assert set(all_keys(backend)) == {*KEYS, "more"}
    assert backend.remove(KEYS) == len(KEYS)
    with pytest.raises(ConflictError) as caught:
        backend.write([], require={"more": None})
    assert caught.value.key == "more"


@pytest.mark.parametrize("options", [{}, {"hashtag": "lab"}], ids=["plain", "hashtag"])
def test_a_store_works_on_a_cluster(url: str, options: dict[str, str]) -> None:
    """What users call works there: values, counting, iteration, removal."""
    with connect_store(url, **options) as store:
        store["a"] = {"energy": -1.137}
        assert [store.increment("count") for _ in range(3)] == [1, 2, 3]
        assert sorted(store) == ["a", "count"]
        assert store.pop("a") == {"energy": -1.137}
        store.clear(everything=True)
        assert list(store) == []


def test_a_slot_that_moves_is_followed(
    redis_cluster: list[ClusterNode], url: str, connect: Connect
) -> None:
    """While a slot moves from one server to another its keys are served, and afterwards too."""
    backend = connect(url)
    key = "{moving}1"
    backend.write([put(key)])
    with redis_cluster[0].client() as client:
        slot = int(client.execute_command("CLUSTER KEYSLOT", key))
    owner = next(node for node in redis_cluster if _has(node, key))
    other = next(node for node in redis_cluster if node is not owner)
    with owner.client() as source, other.client() as target:
        names = [_id(node) for node in (owner, other)]
        for there, back in ((0, 1), (1, 0)):
            clients = (source, target)
            clients[back].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[there])
            clients[there].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[back])
            # The key has not moved yet, a new one of its slot is the other server's already.
            assert backend.read_data([key]) == (b"data",)
            backend.write([put("{moving}2", b"new")])
            backend.write([put("{moving}3", b"new")], require={"{moving}3": None})
            assert backend.read_data(["{moving}2"]) == (b"new",)
            to = (other, owner)[there]
            clients[there].execute_command("MIGRATE", "127.0.0.1", to.port, key, 0, 5000)
            for node in redis_cluster:
                with node.client() as client:
                    client.execute_command("CLUSTER SETSLOT", slot, "NODE", names[back])
            assert backend.read_data([key]) == (b"data",)
            assert backend.remove(["{moving}2"]) + backend.remove(["{moving}3"]) == 2


def _has(node: ClusterNode, key: str) -> bool:
    with node.client() as client:
        return key.encode() in client.keys("*")


def _id(node: ClusterNode) -> str:
    with node.client() as client:
        name = client.execute_command("CLUSTER MYID")
    return name.decode() if isinstance(name, bytes) else str(name)


def test_no_server_there_is_told(connect: Connect) -> None:
    """Where none of the hosts answers the error names them."""
    port = free_port()
    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}") as caught:
        connect(f"redis+cluster://127.0.0.1:{port}").write([put("a")])
    assert caught.value.outcome == "not applied"


def test_a_server_without_a_cluster_is_told(redis_url: str, connect: Connect) -> None:
    """A single server under a cluster's URL is an error that says so."""
    with pytest.raises(StoreUnavailableError, match="cluster support disabled"):
        connect(redis_url.replace("redis://", "redis+cluster://").removesuffix("/0")).read(["a"])
