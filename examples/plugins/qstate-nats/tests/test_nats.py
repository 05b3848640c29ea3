"""What is NATS's own: history, subjects, messages that expire, connections that are lost."""

import asyncio
import itertools
import threading
import time

import pytest
from qstate_nats import NATSStateHandler
from qstate_nats.subjects import filter_of, key_of, subject_of

import qstate
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.nats import NATSServer
from tests.servers.process import wait_until

numbers = itertools.count()


@pytest.fixture
def bucket():
    return f"test-{next(numbers)}"


@pytest.fixture
def store(nats_server, bucket):
    with qstate.connect(nats_server.url(bucket)) as store:
        yield store


def test_a_bucket_tells_what_a_key_has_held(nats_server, bucket):
    """Oldest first, as many values as the bucket was made to keep."""
    with NATSStateHandler(nats_server.address, bucket, history=3) as store:
        for number in range(5):
            store["run/step"] = number
        assert [entry.value for entry in store.history("run/step")] == [2, 3, 4]
        assert [entry.value for entry in store.scope("run").history("step")] == [2, 3, 4]
        assert store.history("run/step")[-1] == store.entry("run/step")
        assert store.history("absent") == []


def test_a_removed_or_expired_value_does_not_come_to_light_again(nats_server, bucket):
    """What a key held before is gone with it, however much history the bucket keeps."""
    with NATSStateHandler(nats_server.address, bucket, history=5) as store:
        store["removed"] = store["expired"] = 1
        del store["removed"]
        store.set("expired", 2, ttl=0.1)
        assert store.history("removed") == []

        def is_taken_away():
            return "expired" not in store and not store.history("expired")

        wait_until(is_taken_away, what="the server's removal of the expired message")
        assert "removed" not in store


def test_the_server_takes_expired_messages_away(store, nats_server, bucket):
    """Nobody has to read or sweep; nothing of them stays in the stream."""
    for number in range(10):
        store.set(f"k{number}", number, ttl=0.1)

    async def count(bucket):
        return (await bucket.status()).values

    wait_until(lambda: nats_server.use(bucket, count) == 0, what="an empty stream")


def test_a_key_is_read_by_the_tools_of_nats(store, nats_server, bucket):
    """A path is a subject with dots, and a scope one wildcard."""
    store["run-42/energy"] = "ground state"

    async def get(bucket):
        return (await bucket.get("run-42.energy")).value

    assert b"ground state" in nats_server.use(bucket, get)


def test_what_the_tools_of_nats_write_is_read_as_json_or_not_at_all(store, nats_server, bucket):
    """Under the name of a key it is a foreign value; under another it is not this store's."""

    async def put(bucket):
        await bucket.put("run-42.energy", b"-1.137")
        await bucket.put("a/b", b"1")

    nats_server.use(bucket, put)
    assert dict(store.items()) == {"run-42/energy": -1.137}
    with pytest.raises(qstate.ValueTypeError):
        store.increment("run-42/energy")
    store.clear(everything=True)

    async def get(bucket):
        return (await bucket.get("a/b")).value

    assert nats_server.use(bucket, get) == b"1"


@pytest.mark.parametrize(
    "key", ["a", "a/b", "/", "a//b/", "é", "=41", "a.b", "a*>", " ", "\0x", "%41"]
)
def test_each_key_has_a_subject_of_its_own(key):
    """Of the signs that NATS allows; what it may begin with is matched by its filter."""
    assert key_of(subject_of(key)) == key
    for length in range(len(key)):
        fixed = filter_of(key[:length]).removesuffix(">")
        assert subject_of(key).startswith(fixed)


def test_operations_whose_answers_are_lost_are_applied_once(nats_server, bucket):
    """Cut off after the server has written: its memory of message ids tells what happened."""
    with (
        qstate.connect(nats_server.url(bucket)) as direct,
        CuttingProxy(("127.0.0.1", nats_server.port)) as proxy,
        qstate.connect(f"nats://127.0.0.1:{proxy.port}/{bucket}", timeout=20) as cut,
    ):
        cut.ping()
        others = threading.Thread(target=lambda: [direct.increment("n") for _ in range(60)])
        others.start()
        with proxy.losing(0.1):
            version = cut.set("chain", 0)
            for step in range(1, 60):
                cut.increment("n")
                version = cut.set("chain", step, if_version=version)
                direct["k"] = step
                assert cut.pop("k") == step
        others.join()
        assert (direct["n"], direct["chain"]) == (119, 59)
        assert proxy.cuts > 10


def test_a_watch_goes_on_after_the_server_was_away():
    """What changed meanwhile is told."""
    with NATSServer() as server, qstate.connect(server.url()) as store:
        store["before"] = 1
        with store.watch() as changes:
            server.stop()
            server.start()
            with qstate.connect(server.url(), timeout=4) as other:
                other["after"] = 2
            change = changes.next(30)
            assert (change.key, change.entry.value) == ("after", 2)
            store["again"] = 3
            assert changes.next(30).key == "again"


def test_a_server_that_does_not_answer_keeps_nobody_longer_than_the_timeout():
    """Whether it stands still before the connection or after, and it is used again after."""
    with NATSServer() as server, qstate.connect(server.url(), timeout=0.5) as store:
        for expected in (None, 1):
            server.pause()
            began = time.monotonic()
            with pytest.raises(qstate.StoreUnavailableError, match=server.address):
                store.get("k")
            assert time.monotonic() - began < 3
            server.resume()
            wait_until(lambda: store.get("k", "absent"), what="an answer")
            assert store.get("k") == expected
            store["k"] = 1


def test_a_wrong_password_is_told_without_it():
    """And a right one lets in."""
    with NATSServer("2.14", "--user", "ada", "--pass", "lovelace") as server:
        with pytest.raises(qstate.StoreUnavailableError) as refused:
            qstate.connect(f"nats://ada:hunter2@{server.address}/b").get("k")
        assert "hunter2" not in str(refused.value) + repr(refused.value.__cause__)
        with qstate.connect(f"nats://ada:lovelace@{server.address}/b") as store:
            store["k"] = 1
            assert "lovelace" not in repr(store) + repr(store._client.backend._address)


def test_a_server_that_takes_smaller_messages_refuses_a_value_before_it_is_sent():
    """Though the store was not told of its limit."""
    with NATSServer(settings="max_payload: 16384") as server:
        with qstate.connect(server.url()) as store, pytest.raises(qstate.ValueTooLargeError):
            store["k"] = bytes(20_000)
        with qstate.connect(server.url(), max_payload=16384) as store:
            assert store.info().max_value_bytes < 16384
            store["k"] = bytes(15_000)
            assert store["k"] == bytes(15_000)


def test_async_code_needs_no_threads(nats_server, bucket):
    """Its calls run on the event loop itself."""

    async def run():
        async with qstate.connect(nats_server.url(bucket)).aio as store:
            before = threading.active_count()
            await store.set("k", 1)
            await store.increment("k")
            assert (await store.get("k"), [key async for key in store]) == (2, ["k"])
            assert threading.active_count() == before

    asyncio.run(run())


@pytest.mark.parametrize("given", ["a b", "a.b", "b?history=65", "b?history=x", "b?unknown=1"])
def test_a_url_that_means_nothing_to_nats_is_refused(given):
    """When the store is made, before any connection."""
    with pytest.raises(qstate.InvalidURLError):
        qstate.connect(f"nats://localhost/{given}").ping()
