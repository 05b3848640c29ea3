"""Watching a served backend: changes are streamed, and their end is told or asked for."""

from __future__ import annotations

import socket
import threading
import time

import msgpack
import pytest

import qstate
from qstate.backend import Delete, StateLostError, StoreUnavailableError
from qstate_backends import watches, wire
from tests.backends.test_served import client, client_of, memory, put, server  # noqa: F401
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.process import wait_until


def test_changes_under_the_prefix_are_streamed(client, memory):  # noqa: F811
    """Whoever writes; removals too, and no other key."""
    with client.watch("k") as told:
        client.write([put("other"), put("k1")])
        assert next(told) == "k1"
        memory.write([put("k2")])
        assert next(told) == "k2"
        memory.write([Delete("k1")])
        assert next(told) == "k1"
        client.remove(["k2"])
        assert next(told) == "k2"


def test_changes_that_come_faster_than_they_are_taken_are_told_once(memory):  # noqa: F811
    """Each key once, and past a bound that any may have changed."""
    with memory.watch("") as told:
        for _ in range(100):
            memory.write([put("a"), put("b")])
        assert sorted([next(told), next(told)]) == ["a", "b"]
        memory.write([put(f"k{n}") for n in range(watches._MOST + 1)])
        assert next(told) == ""
        memory.write([put("after")])
        assert next(told) == "after"


def test_leaving_from_another_thread_ends_the_iteration_and_what_served_it(
    client,  # noqa: F811
    memory,  # noqa: F811
    server,  # noqa: F811
):
    """Nothing of the watch is left on either side."""
    watch, seen = client.watch(""), []
    reader = threading.Thread(target=lambda: seen.extend(watch))
    with watch:
        reader.start()
        memory.write([put("k")])
        wait_until(lambda: seen == ["k"])
    reader.join(5)
    assert not reader.is_alive()
    wait_until(lambda: not memory._watches and not server._peers)
    assert not [thread for thread in threading.enumerate() if thread.name == "qstate-watch"]


def test_a_silent_watch_stands_for_longer_than_its_timeout(server, memory):  # noqa: F811
    """The server says at every beat that it is there."""
    client = client_of(server, timeout=0.3)  # noqa: F811
    with client.watch("") as told:
        later = threading.Timer(1.2, lambda: memory.write([put("k")]))
        later.start()
        assert next(told) == "k"
        later.join()


def test_a_server_that_falls_silent_is_told_as_unavailable(server, monkeypatch):  # noqa: F811
    """Though its connection stands."""
    client = client_of(server, timeout=0.3)  # noqa: F811
    monkeypatch.setattr("qstate_backends.server._SHORTEST_BEAT", 60)
    with client.watch("") as told, pytest.raises(StoreUnavailableError, match="timed out"):
        next(told)


def test_a_cut_is_told_as_unavailable(client, server):  # noqa: F811
    """So that the watch is made anew."""
    with client.watch("") as told:
        for peer in list(server._peers):
            peer.shutdown(socket.SHUT_RDWR)
        with pytest.raises(StoreUnavailableError):
            next(told)


def test_a_watch_that_is_refused_says_why(client, memory):  # noqa: F811
    """The error crosses as itself, where it begins."""

    def refuse(_):
        raise StateLostError("lost")

    memory.watch = refuse
    with pytest.raises(StateLostError):
        client.watch("")
    assert client.count("") == 0


@pytest.mark.parametrize("arguments", [[], [1, 1.0], ["", "soon"], ["", 1.0, 2], "ab"])
def test_a_watch_with_wrong_arguments_ends_its_connection(server, client, arguments):  # noqa: F811
    """And no other."""
    peer = wire.dial(server.address, server.key, time.monotonic() + 5)
    peer.send(wire.frame(msgpack.packb(["watch", None, arguments])))
    with pytest.raises(OSError, match=r"closed|reset"):
        peer.receive()
    assert client.count("") == 0


def test_a_watcher_that_takes_nothing_keeps_nobody_waiting(server, memory, monkeypatch):  # noqa: F811
    """Writers go on, and after a while the server leaves it."""
    monkeypatch.setattr("qstate_backends.server._STALLED", 0.3)
    client = client_of(server)  # noqa: F811
    watch = client.watch("")

    def flooded():
        memory.write([put(f"{n}{'k' * 1000}") for n in range(2000)])
        return not memory._watches

    wait_until(flooded, 60)
    watch.__exit__()


def test_a_watch_of_a_store_is_resumed_after_cuts_and_misses_nothing():
    """Changes made while it was cut are told."""
    with qstate.connect("memory://") as owner:
        url = qstate.StateURL.parse(owner._client.backend.shared_url())
        host, port = url.options["address"].rsplit(":", 1)
        with CuttingProxy((host, int(port))) as proxy:
            options = {**url.options, "address": f"127.0.0.1:{proxy.port}", "owner": "another"}
            with qstate.connect(url.with_options(options)) as store, store.watch() as changes:
                proxy.share = 0.1
                for n in range(40):
                    owner["k"] = n
                    change = changes.next(10)
                    while change.entry.value != n:
                        change = changes.next(10)
                proxy.share = 0.0
                assert proxy.cuts
