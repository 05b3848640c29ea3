"""Threads, processes and forks at one store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from qstate.backend import ConflictError, Put, Version
from qstate_backends.redis import RedisBackend, RedisStateHandler
from tests.backends.redis.conftest import Connect
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer, ours

COUNT = """
import sys
from qstate_backends.redis import RedisStateHandler
with RedisStateHandler("127.0.0.1", int(sys.argv[1])) as store:
    for _ in range(int(sys.argv[2])):
        store.increment("count")
"""
FORGET = """
import sys
from qstate_backends.redis import RedisStateHandler
store = RedisStateHandler("127.0.0.1", int(sys.argv[1]))
store["a"] = 1
"""


def _add_one(backend: RedisBackend) -> None:
    """Count up by reading and requiring what was read."""
    while True:
        (record,) = backend.read(["count"])
        number = int(bytes(record.data)) if record else 0
        put = Put("count", Version.new(), (b"%d" % (number + 1),))
        try:
            backend.write([put], require={"count": record.version if record else None})
        except ConflictError:
            continue
        return


def test_threads_that_require_lose_nothing(backend: RedisBackend) -> None:
    """Eight threads count up together; each of their steps is there at the end."""

    def add_many() -> None:
        for _ in range(50):
            _add_one(backend)

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(add_many) for _ in range(8)]:
            done.result()
    assert backend.read_data(["count"]) == (b"400",)


def test_processes_that_increment_lose_nothing(redis_server: RedisServer, redis_url: str) -> None:
    """Three processes count up together; each of their steps is there at the end."""
    command = [sys.executable, "-c", COUNT, str(redis_server.port), "200"]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    with RedisStateHandler("127.0.0.1", redis_server.port) as store:
        assert store["count"] == 600


def test_a_process_that_ends_says_nothing(redis_server: RedisServer, redis_url: str) -> None:
    """A script that never closes its store ends without a warning."""
    code = (
        COUNT.replace("with ", "store = ").replace(" as store:", "").replace("\n    for", "\nfor")
    )
    command = [sys.executable, "-X", "dev", "-c", code, str(redis_server.port), "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""


def test_a_write_of_several_is_never_seen_half_done(backend: RedisBackend) -> None:
    """While two keys are written as one, they are read alike, by each way to write and to read."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            data = (b"%d" % number,)
            ttl = 100.0 if number % 3 == 0 else None
            puts = [Put(key, Version.new(), data, ttl) for key in ("a", "b")]
            backend.write(puts, require={"c": None} if number % 3 == 1 else {})

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        try:
            for _ in range(500):
                a, b = backend.read_data(["a", "b"])
                assert a == b
                first, second = backend.read(["a", "b"])
                assert (first and first.data) == (second and second.data)
        finally:
            stop.set()
        writing.result()


def test_a_thread_that_ends_leaves_no_connection(
    redis_server: RedisServer, redis_url: str, connect: Connect
) -> None:
    """Connections are closed with the thread that used them, and all of them with the store."""
    backend = connect(redis_url)
    backend.read_data(["a"])
    with redis_server.client() as client:
        for _ in range(20):
            thread = threading.Thread(target=backend.read_data, args=(["a"],))
            thread.start()
            thread.join()
        wait_until(lambda: len(ours(client)) <= 2, what="the end of the threads' connections")
        backend.close()
        wait_until(lambda: not ours(client), what="the end of all connections")


def test_a_forked_child_has_connections_of_its_own(
    redis_server: RedisServer, redis_url: str
) -> None:
    """Parent and child use the store they share by fork, at once and without mixing answers."""
    with RedisStateHandler("127.0.0.1", redis_server.port) as store:
        store["parent"] = "parent's"
        store["child"] = "child's"
        child = os.fork()
        if child == 0:
            right = all(store["child"] == "child's" for _ in range(300))
            os._exit(0 if right else 1)
        assert all(store["parent"] == "parent's" for _ in range(300))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store["parent"] == "parent's"
