"""A Redis that does not answer, refuses, restarts or is not one."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from qstate import connect as connect_store
from qstate.backend import Delete, Put, StoreUnavailableError, Version
from qstate_backends.redis import RedisBackend
from tests.backends.redis.conftest import Connect
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.listeners import saying, silent
from tests.servers.process import free_port, wait_until
from tests.servers.redis import RedisServer

PUT = Put("a", Version.new(), (b"data",))
LARGE = Put("a", Version.new(), (b"data", bytes(50_000_000)))
CALLS = {
    "get": lambda backend: backend.read_data(["a"]),
    "get many": lambda backend: backend.read_data(["a", "b"]),
    "read": lambda backend: backend.read(["a"]),
    "set": lambda backend: backend.write([PUT]),
    "set large": lambda backend: backend.write([LARGE]),
    "set many": lambda backend: backend.write([PUT, Delete("b")]),
    "set if": lambda backend: backend.write([PUT], require={"a": None}),
    "remove": lambda backend: backend.remove(["a"]),
    "scan": lambda backend: backend.scan("", None, 10),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server for one test to ill-treat."""
    with RedisServer("7.0") as server:
        yield server


@every_call
def test_nobody_there_is_told_with_the_address(connect: Connect, call: object) -> None:
    """A refused connection is an error that names where it went; nothing was applied."""
    port = free_port()
    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}.*refused") as caught:
        call(connect(f"redis://127.0.0.1:{port}"))  # type: ignore[operator]
    assert caught.value.outcome == "not applied"
    assert caught.value.__cause__ is not None


@every_call
def test_a_server_that_never_answers_is_given_up(connect: Connect, call: object) -> None:
    """Within the timeout the call ends with an error; as nothing was sent, nothing was applied."""
    with silent() as port:
        backend = connect(f"redis://127.0.0.1:{port}", timeout=0.3)
        with pytest.raises(StoreUnavailableError, match="within the timeout") as caught:
            call(backend)  # type: ignore[operator]
    assert caught.value.outcome == "not applied"


@every_call
def test_a_server_that_stops_answering_is_given_up(
    own_redis: RedisServer, connect: Connect, call: object
) -> None:
    """What was sent whole may have been applied: the outcome is unknown; later calls work."""
    backend = connect(own_redis.url, timeout=0.5)
    backend.read_data(["a"])
    own_redis.pause()
    with pytest.raises(StoreUnavailableError, match="within the timeout") as caught:
        call(backend)  # type: ignore[operator]
    # The large one did not fit into the network's buffers, so its end was never sent.
    assert caught.value.outcome == ("not applied" if call is CALLS["set large"] else "unknown")
    own_redis.resume()
    backend.write([PUT])
    assert backend.read_data(["a"])[0] == b"data"


@every_call
def test_a_restarted_server_is_reached_again(
    own_redis: RedisServer, connect: Connect, call: object
) -> None:
    """A connection that the server has cut is noticed before anything is sent on it."""
    backend = connect(own_redis.url)
    backend.write([PUT])
    own_redis.kill()
    own_redis.start()
    call(backend)  # type: ignore[operator]


def test_an_idle_connection_that_was_cut_is_replaced(
    own_redis: RedisServer, connect: Connect
) -> None:
    """A server that hangs up on idle clients goes unnoticed by the caller."""
    backend = connect(own_redis.url)
    backend.write([PUT])
    with own_redis.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
        assert len(client.client_list()) == 1
    backend.write([PUT], require={"a": PUT.version})


@pytest.mark.parametrize(
    ("user", "advice"),
    [
        ("", "check the user and the password"),
        (":wrong-secret@", "check the user and the password"),
        ("nobody:wrong-secret@", "check the user and the password"),
        ("reader:right-secret@", "check what the user"),
    ],
)
def test_who_may_not_is_told_what_to_check(connect: Connect, user: str, advice: str) -> None:
    """A refused user learns what to look at; no message shows the password."""
    with RedisServer("7.0", password="right-secret") as server:
        with server.client() as client:
            client.acl_setuser("reader", True, ["+right-secret"], keys=["*"], commands=["+get"])
        backend = connect(f"redis://{user}{server.address}")
        for require in ({}, {"b": None}):
            with pytest.raises(StoreUnavailableError, match=advice) as caught:
                backend.write([PUT], require=require)
            assert caught.value.outcome == "not applied"
            chain: BaseException | None = caught.value
            while chain is not None:
                assert "secret" not in f"{chain} {chain!r}"
                chain = chain.__cause__


def test_the_right_password_opens(connect: Connect) -> None:
    """With and without the user's name, and with signs that a URL has to encode."""
    with RedisServer("8", password="pass:w@rd/é") as server:
        for user in ("", "default"):
            backend = connect(f"redis://{user}:pass%3Aw%40rd%2F%C3%A9@{server.address}")
            backend.write([PUT])
            assert backend.read_data(["a"])[0] == b"data"


@pytest.mark.parametrize("version", ["6.2", "7.0", "8"])
def test_a_full_server_applies_nothing(connect: Connect, version: str) -> None:
    """Out of memory is told as that; no write of several is half applied."""
    with RedisServer(version, "--maxmemory-policy", "noeviction") as server:
        backend = connect(server.url)
        backend.write([PUT, Put("b", Version.new(), (b"data",))])
        with server.client() as client:
            client.config_set("maxmemory", 1)
        for operations, require in (
            ([PUT], {}),
            ([PUT, Put("c", Version.new(), (b"data",), 10.0)], {}),
            ([PUT, Put("c", Version.new(), (b"data",))], {"a": PUT.version}),
        ):
            with pytest.raises(StoreUnavailableError, match="out of memory") as caught:
                backend.write(operations, require=require)  # type: ignore[arg-type]
            assert caught.value.outcome == "not applied"
        assert backend.read_data(["c"])[0] is None
        assert backend.remove(["b"]) == 1


@pytest.mark.parametrize("version", ["6.2", "7.0", "8"])
def test_a_replica_applies_nothing(connect: Connect, version: str) -> None:
    """Writing to a read-only replica is refused with what to do."""
    with ExitStack() as running:
        master = running.enter_context(RedisServer(version))
        option = ("--replicaof", "127.0.0.1", str(master.port))
        backend = connect(running.enter_context(RedisServer(version, *option)).url)
        for require in ({}, {"b": None}):
            with pytest.raises(StoreUnavailableError, match="replica") as caught:
                backend.write([PUT], require=require)
            assert caught.value.outcome == "not applied"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not Redis"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "still loading"),
        (b"-ERR max number of clients reached\r\n", "max number of clients"),
        (b"-DENIED Redis is running in protected mode\r\n", "protected mode"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "RDB snapshots"),
        (b"\r\n\r\n", "is not Redis"),
        (b"*1\r\n*1\r\n" * 3, "within the timeout"),
    ],
)
def test_a_strange_answer_is_an_error(connect: Connect, answer: bytes, told: str) -> None:
    """Whatever a server says, it is told as what it is, and nothing was applied."""
    with saying(answer) as port:
        backend = connect(f"redis://127.0.0.1:{port}", timeout=0.5)
        with pytest.raises(StoreUnavailableError, match=told) as caught:
            backend.write([PUT])
        assert caught.value.outcome == "not applied"


def test_an_unknown_database_is_told(redis_url: str, connect: Connect) -> None:
    """A database number that the server has not is an error at first use."""
    backend = connect(redis_url.replace("/0", "/99"))
    with pytest.raises(StoreUnavailableError, match="DB index is out of range"):
        backend.read_data(["a"])


def test_an_interrupted_call_leaves_nothing_of_its_answer(
    own_redis: RedisServer, connect: Connect
) -> None:
    """After Ctrl-C in the middle of a call the next call gets its own answer."""
    backend = connect(own_redis.url, timeout=30)
    backend.write([PUT, Put("b", Version.new(), (b"of b",))])
    own_redis.pause()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            backend.read_data(["a"])
    finally:
        signal.signal(signal.SIGALRM, before)
        own_redis.resume()
    assert backend.read_data(["b"]) == (b"of b",)


def test_a_call_inside_a_call_gets_its_own_answer(own_redis: RedisServer, connect: Connect) -> None:
    """A signal handler may use the store that it interrupts."""
    backend = connect(own_redis.url, timeout=30)
    backend.write([PUT, Put("b", Version.new(), (b"of b",))])
    found = []

    def look(*_: object) -> None:
        own_redis.resume()
        found.append(backend.read_data(["b"]))

    before = signal.signal(signal.SIGALRM, look)
    try:
        own_redis.pause()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert backend.read_data(["a"]) == (b"data",)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found == [(b"of b",)]


def test_closing_ends_a_call_that_waits(own_redis: RedisServer, connect: Connect) -> None:
    """A thread that waits for an answer gets an error when the store is closed."""
    backend = connect(own_redis.url, timeout=30)
    connected, paused = threading.Event(), threading.Event()

    def wait() -> StoreUnavailableError:
        backend.write([PUT])
        connected.set()
        paused.wait()
        with pytest.raises(StoreUnavailableError) as caught:
            backend.read_data(["a"])
        return caught.value

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait)
        connected.wait()
        own_redis.pause()
        paused.set()
        try:
            wait_until(lambda: _waits(backend), what="the call to wait")
            backend.close()
            assert "closed" in str(waiting.result(10))
        finally:
            own_redis.resume()


def _waits(backend: RedisBackend) -> bool:
    return any(link.sent for link in list(backend._server._all))


def test_a_slow_answer_does_not_outlast_the_timeout(
    own_redis: RedisServer, connect: Connect
) -> None:
    """An answer that comes in drops is given up when the whole call has taken too long."""
    with _dropping(own_redis.port) as port:
        backend = connect(f"redis://127.0.0.1:{port}", timeout=1.0)
        backend.read_data(["a"])
        with own_redis.client() as client:
            client.set("a", bytes(500))
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="within the timeout of 1 s"):
            backend.read_data(["a"])
        assert time.monotonic() - started < 10  # by drops it would take 25 s


@contextlib.contextmanager
def _dropping(target: int) -> Iterator[int]:
    """A way to a server whose long answers come in drops."""
    with CuttingProxy(("127.0.0.1", target)) as proxy:
        proxy._pass_on = _pass_on_in_drops  # type: ignore[method-assign]
        yield proxy.port


def _pass_on_in_drops(client: socket.socket, server: socket.socket, answers: int) -> int | None:
    ready, _, _ = select.select([client, server], [], [])
    for side in ready:
        data = side.recv(1 << 20)
        if not data:
            return None
        size = len(data) if len(data) < 100 else 10
        for start in range(0, len(data), size):
            (server if side is client else client).sendall(data[start : start + size])
            time.sleep(0.5 if size == 10 else 0)
    return int(server in ready)


def test_lost_answers_lose_and_double_nothing(own_redis: RedisServer) -> None:
    """With a third of all answers lost, counting and removing through a store stay exact."""
    with CuttingProxy(("127.0.0.1", own_redis.port), seed=7) as proxy:
        store = connect_store(f"redis://127.0.0.1:{proxy.port}", timeout=20)
        store["count"] = 0
        removed = 0
        with proxy.losing(0.3):
            for number in range(60):
                store.increment("count")
                store[f"k{number}"] = number
                removed += store.delete(f"k{number}")
        assert proxy.cuts > 30
        assert (store["count"], removed, list(store)) == (60, 60, ["count"])
        store.close()
