"""RedisStateHandler, fakeredis, and addresses: what users of stores in Redis see."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading

import pytest

import qstate
from qstate.backend import InvalidURLError, Put, Version
from qstate_backends.redis import RedisStateHandler
from tests.backends.redis.conftest import Connect
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer, ours

WITHOUT = """
import sys
sys.modules[{module!r}] = None
import qstate
for call in (
    lambda: qstate.connect("redis://localhost"),
    lambda: __import__("qstate_backends.redis", fromlist=["RedisStateHandler"]),
):
    try:
        call()
    except (ImportError, qstate.BackendNotFoundError) as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, "<RedisStateHandler | localhost:6379>"),
        ({"host": "r1", "port": 7000, "db": 3}, "<RedisStateHandler | r1:7000>"),
        ({"password": "s3cret"}, "<RedisStateHandler | localhost:6379>"),
        (
            {"username": "ada", "password": "s3cret", "ssl": True},
            "<RedisStateHandler | localhost:6379>",
        ),
        ({"host": "::1"}, "<RedisStateHandler | ::1:6379>"),
    ],
)
def test_it_shows_where_it_is_and_no_secret(arguments: dict[str, object], shown: str) -> None:
    """Its repr is host and port; making it connects to nothing."""
    with RedisStateHandler(**arguments) as store:  # type: ignore[arg-type]
        assert repr(store) == shown
        assert "s3cret" not in f"{store!r} {store} {store.info()} {vars(type(store))}"
        assert b"s3cret" not in pickle.dumps(store)


def test_the_first_arguments_may_go_without_names(redis_server: RedisServer) -> None:
    """Host and port stand first, as in older programs."""
    with RedisStateHandler("127.0.0.1", redis_server.port) as store:
        store.set("answer", {"a": 42})
        assert store.get("answer") == {"a": 42}
        store.clear(everything=True)


def test_it_travels_by_pickle(redis_server: RedisServer, redis_url: str) -> None:
    """A copy of it in this process or another is the same store, of the same class."""
    with RedisStateHandler("127.0.0.1", redis_server.port, db=1) as store:
        store["a"] = 1
        for again in (pickle.loads(pickle.dumps(store)), copy.copy(store), store.scope("x")):
            assert type(again) is RedisStateHandler
        assert pickle.loads(pickle.dumps(store))["a"] == 1
        code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)['a'])"
        done = subprocess.run(
            [sys.executable, "-c", code], input=pickle.dumps(store), capture_output=True, check=True
        )
        assert done.stdout.split() == [b"1"]


def test_one_address_is_one_store(redis_server: RedisServer, redis_url: str) -> None:
    """However it is written, an address shares one connection in a thread."""
    with (
        RedisStateHandler("127.0.0.1", redis_server.port) as first,
        qstate.connect(f"redis://127.0.0.1:{redis_server.port}") as second,
        qstate.connect(redis_url) as third,
    ):
        first["a"] = 1
        assert second["a"] == third["a"] == 1
        with redis_server.client() as client:
            wait_until(lambda: len(ours(client)) == 1)


@pytest.mark.parametrize("arguments", [{"port": 70000}, {"port": "x"}, {"db": -1}])
def test_an_argument_that_means_nothing_is_refused(arguments: dict[str, object]) -> None:
    """A mistake is told when it is made, not when it is used."""
    with pytest.raises(InvalidURLError):
        RedisStateHandler(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", ["redis", "hiredis"])
def test_a_missing_driver_is_told_with_what_to_install(module: str) -> None:
    """Without redis-py or hiredis both doors name the extra that brings them."""
    code = WITHOUT.format(module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = done.stdout.strip().splitlines()
    assert len(told) == 2
    assert all("pip install 'qstate[redis]'" in line for line in told)


def test_values_too_large_for_redis_are_told_beforehand() -> None:
    """The limit of 512 MiB is declared, so that nothing of such a value is sent."""
    with RedisStateHandler("localhost", 1) as store:
        assert store.info().max_value_bytes == 512 * 1024 * 1024 - 18


def test_fakeredis_is_one_server_for_each_name(connect: Connect) -> None:
    """Stores of one name share what they hold, in all threads; other names and databases do not."""
    first, second = connect("fakeredis://lab"), connect("fakeredis://lab/0")
    other, database = connect("fakeredis://other"), connect("fakeredis://lab/1")
    thread = threading.Thread(
        target=first.write, args=([Put("a", Version.new(), (b"x", bytes(100_000)))],)
    )
    thread.start()
    thread.join()
    assert second.read_data(["a"]) == (b"x" + bytes(100_000),)
    assert other.read_data(["a"]) == database.read_data(["a"]) == (None,)
    assert second.remove(["a"]) == 1


def test_fakeredis_serves_a_store() -> None:
    """What users call works there as on a real server."""
    with qstate.connect("fakeredis://test") as store:
        store["a"] = {"energy": -1.137}
        version = store.set("b", 1)
        assert [store.increment("count") for _ in range(3)] == [1, 2, 3]
        assert sorted(store) == ["a", "b", "count"]
        with pytest.raises(qstate.ConflictError):
            store.set("b", 2, if_version=qstate.ABSENT)
        store.set("b", 2, if_version=version, ttl=100)
        assert store.entry("b").expires_at is not None
        with store.transaction() as tx:
            tx.set("b", tx.get("b") + 1)
            tx.delete("a")
        assert store.get_many(["a", "b"]) == {"b": 3}
        store.clear(everything=True)
        assert len(store) == 0
