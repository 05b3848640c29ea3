"""A backend served to other processes: what its clients get, and what strangers do not."""

from __future__ import annotations

import gc
import os
import pickle
import socket
import struct
import threading
import time

import msgpack
import psutil
import pytest

from qstate.backend import (
    KEEP,
    Capabilities,
    ConflictError,
    Delete,
    Put,
    Record,
    SerializationError,
    StateError,
    StateLostError,
    StoreUnavailableError,
    UnreachableStoreError,
    UnsupportedOperationError,
    ValueTooLargeError,
    ValueTypeError,
    Version,
    deadline,
)
from qstate_backends import wire
from qstate_backends.channels import SocketChannel
from qstate_backends.memory import MemoryBackend
from qstate_backends.served import ServedBackend
from qstate_backends.server import BackendServer
from qstate_backends.service import Service
from tests.servers.process import wait_until

TIMEOUT = 5.0


@pytest.fixture
def memory():
    return MemoryBackend()


@pytest.fixture
def server(memory):
    server = BackendServer(Service(memory), "127.0.0.1")
    server.start()
    yield server
    server.close()


@pytest.fixture
def client(server):
    client = client_of(server)
    yield client
    client.close()


def client_of(server, key=None, timeout=TIMEOUT):
    channel = SocketChannel(server.address, server.key if key is None else key, "the store")
    return ServedBackend(channel, Capabilities(reach="host"), timeout)


def put(key, data=b"data", ttl=None):
    return Put(key, Version.new(), (data,), ttl)


def connections(server):
    """How many connections this process has to the server."""
    found = psutil.Process().net_connections("tcp")
    return sum(c.raddr == server.address and c.status == "ESTABLISHED" for c in found)


def test_a_client_reads_what_stands_and_writes_what_it_wants(client, memory):
    """All that a backend does crosses: versions, pieces, expiries, keys with any character."""
    version = Version.new()
    parts = (b"da", memoryview(bytearray(b"ta")))
    client.write([Put("\0k ä", version, parts, 100.0), put("l"), put("m")])
    (record, none) = client.read(["\0k ä", "none"])
    assert record == memory.read(["\0k ä"])[0]
    assert (type(record), type(record.version), none) == (Record, Version, None)
    assert list(client.read_data(["l", "none", "m"])) == [b"data", None, b"data"]
    client.write([put("\0k ä", b"new", KEEP), Delete("l")], require={"m": memory.read(["m"])[0][0]})
    assert memory.read(["\0k ä"])[0].expires_at == record.expires_at
    assert client.scan("", None, 1) == (["\0k ä"], "\0k ä".encode())
    assert client.count("") == 1
    assert client.remove(["m", "none"]) == 1
    assert memory.read(["l", "m"]) == [None, None]


@pytest.mark.parametrize("size", [0, 1, 65_000, 66_000, 5_000_000])
def test_data_of_any_size_crosses_whole(client, size):
    """Frames of less, about, and far more than one packet."""
    data = os.urandom(size)
    client.write([put("a", data), put("b", memoryview(data)), put("c")])
    assert list(client.read_data(["b", "a", "c"])) == [data, data, b"data"]


def test_a_conflict_crosses_with_what_it_tells(client):
    """Key, expected and actual version are those that the serving process told of."""
    standing = put("k")
    client.write([standing])
    wanted = Version.new()
    with pytest.raises(ConflictError) as told:
        client.write([put("k")], require={"k": wanted})
    assert (told.value.key, told.value.expected, told.value.actual) == (
        "k",
        wanted,
        standing.version,
    )
    assert type(told.value.actual) is Version


@pytest.mark.parametrize(
    "error",
    [
        StateLostError("lost"),
        StoreUnavailableError("away", outcome="not applied"),
        SerializationError("unreadable"),
        UnreachableStoreError("far"),
        UnsupportedOperationError("no"),
        ValueTooLargeError("large"),
        ValueTypeError("type"),
        StateError("other"),
    ],
)
def test_errors_of_qstate_cross_as_themselves(memory, client, error):
    """Kind, message and outcome are the same on this side."""

    def fail(*_, **__):
        raise error

    memory.read = memory.write = fail
    for call in (lambda: client.read(["k"]), lambda: client.write([put("k")])):
        with pytest.raises(type(error)) as told:
            call()
        assert (type(told.value), str(told.value)) == (type(error), str(error))
        assert getattr(told.value, "outcome", None) == getattr(error, "outcome", None)


def test_any_other_failure_of_the_backend_is_told_and_ends_nothing(memory, client, caplog):
    """The caller gets an error that names it; the connection works on."""
    memory.read = lambda keys: 1 / 0
    with pytest.raises(StateError, match="ZeroDivisionError"):
        client.read(["k"])
    assert "a served backend failed" in caplog.text
    assert client.count("") == 0


def test_a_change_with_the_same_operation_id_is_applied_once(client, memory):
    """Asked again it answers as before, whatever has happened since."""
    operation, write = Version.new(), put("k", b"first")
    client.write_once(operation, [write], require={"k": None})
    memory.write([put("k", b"theirs")])
    client.write_once(operation, [write], require={"k": None})
    assert list(client.read_data(["k"])) == [b"theirs"]
    removal = Version.new()
    assert client.remove_once(removal, ["k"]) == 1
    memory.write([put("k", b"again")])
    assert client.remove_once(removal, ["k"]) == 1
    assert list(client.read_data(["k"])) == [b"again"]


def test_a_conditional_change_that_met_a_conflict_may_be_asked_again(client, memory):
    """Only what was applied is remembered."""
    operation = Version.new()
    memory.write([put("k")])
    with pytest.raises(ConflictError):
        client.write_once(operation, [put("k", b"new")], require={"k": None})
    memory.remove(["k"])
    client.write_once(operation, [put("k", b"new")], require={"k": None})
    assert list(client.read_data(["k"])) == [b"new"]


def test_each_thread_has_a_connection_which_ends_with_it(client, server):
    """Threads do not wait for one another, and leave nothing behind."""
    client.count("")
    barrier = threading.Barrier(4)

    def use():
        client.count("")
        barrier.wait(10)
        barrier.wait(10)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    barrier.wait(10)
    assert connections(server) == 4
    barrier.wait(10)
    for thread in threads:
        thread.join()
    gc.collect()
    wait_until(lambda: connections(server) == 1)
    client.close()
    wait_until(lambda: connections(server) == 0)


def test_a_client_with_another_key_is_refused(server, client):
    """It is told so, nothing is applied, and others are served on."""
    stranger = client_of(server, b"another key")
    with pytest.raises(StoreUnavailableError, match="did not let this process in") as told:
        stranger.write([put("k")])
    assert told.value.outcome == "not applied"
    assert client.read(["k"]) == [None]


def test_a_server_that_does_not_know_the_key_is_not_believed(memory):
    """A process that took the owner's port can't pass for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        impostor = threading.Thread(target=_pose, args=(listener,))
        impostor.start()
        channel = SocketChannel(listener.getsockname(), b"key", "the store")
        client = ServedBackend(channel, Capabilities(reach="host"), TIMEOUT)
        with pytest.raises(StoreUnavailableError, match="does not know the store's key"):
            client.read(["k"])
        impostor.join()


def _pose(listener):
    peer, _ = listener.accept()
    with peer:
        peer.sendall(b"qst1" + bytes(32))
        peer.recv(1000)
        peer.sendall(bytes(32))


def _admitted(server):
    return wire.dial(server.address, server.key, time.monotonic() + TIMEOUT)


def _raw(connection, *parts):
    connection.send([b"".join(parts)])


def _head(value):
    return msgpack.packb(value)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        struct.pack(">4sIQ", b"qst1", 1 << 31, 0),
        struct.pack(">4sIQ", b"qst1", 1, 1 << 60),
        b"".join(wire.frame(b"\xc1")),
        b"".join(wire.frame(_head(["close", None, []]))),
        b"".join(wire.frame(_head(["__class__", None, []]))),
        b"".join(wire.frame(_head([["read"], None, []]))),
        b"".join(wire.frame(_head(7))),
        b"".join(wire.frame(pickle.dumps(os.getpid))),
        b"".join(wire.frame(_head(["count", None, [""]]))) * 2,
    ],
)
def test_what_is_no_request_ends_its_own_connection_and_no_other(server, client, sent):
    """Broken and hostile frames get no answer; the backend is not called."""
    client.count("")
    hostile = _admitted(server)
    _raw(hostile, sent)
    with pytest.raises(OSError, match=r"closed|reset"):
        hostile.receive(time.monotonic() + TIMEOUT)
    hostile.close()
    assert client.count("") == 0


@pytest.mark.parametrize("arguments", [[], [1, 2, 3], [None], [[["k", b"v", 5, "soon"]], {}]])
def test_a_request_with_wrong_arguments_is_told_as_an_error(server, client, memory, arguments):
    """It changes nothing."""
    peer = _admitted(server)
    peer.send(wire.frame(_head(["write", None, arguments])))
    head, _ = peer.receive(time.monotonic() + TIMEOUT)
    assert msgpack.unpackb(head)[0] is False
    peer.close()
    assert all(record is None for record in memory.read(["k"]))


def test_who_says_nothing_is_shut_out_and_keeps_nobody_waiting(server, client, monkeypatch):
    """A peer that does not prove in time that it knows the key loses its connection."""
    monkeypatch.setattr(wire, "HANDSHAKE_TIMEOUT", 0.2)
    with socket.create_connection(server.address) as silent:
        assert client.count("") == 0
        silent.settimeout(TIMEOUT)
        assert silent.recv(100)
        assert silent.recv(100) == b""


def test_a_server_that_does_not_answer_costs_the_timeout_and_no_more(memory):
    """Both while connecting and while waiting for the answer; and less where less is left."""
    server = BackendServer(Service(memory), "127.0.0.1")  # listens, but does not answer
    client = client_of(server, timeout=0.2)
    with pytest.raises(StoreUnavailableError) as told:
        client.count("")
    assert told.value.outcome == "not applied"
    server.start()
    client = client_of(server, timeout=60)
    client.count("")
    answer, going_on = memory.count, threading.Event()
    memory.count = lambda prefix: going_on.wait() and answer(prefix)
    with deadline(time.monotonic() + 0.2), pytest.raises(StoreUnavailableError) as told:
        client.count("")
    assert told.value.outcome == "unknown"
    going_on.set()
    assert client.count("") == 0
    server.close()


def test_a_connection_that_was_cut_between_calls_is_made_anew(server, client):
    """A call that finds its connection dead has sent nothing, and connects again."""
    client.count("")
    for peer in list(server._peers):
        peer.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not server._peers)
    client.write([put("k")])
    assert list(client.read_data(["k"])) == [b"data"]


def test_a_server_that_was_closed_is_told_as_ended(server, client):
    """Nothing was applied, and the message says what happened."""
    client.count("")
    server.close()
    with pytest.raises(StoreUnavailableError, match="has ended") as told:
        client.write([put("k")])
    assert told.value.outcome == "not applied"
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == server._thread.name])
