"""MemoryBackend and ``memory://``: what threads of one process, and tasks handed a store, see."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref

import psutil
import pytest
from hypothesis import given, strategies as st

import qstate
from qstate.backend import KEEP, ConflictError, Delete, Put, Version
from qstate_backends.memory import MemoryBackend, MemoryStateHandler
from tests.servers.process import wait_until

KINDS = ["spawn", "fork"]


@pytest.fixture
def backend():
    return MemoryBackend()


@pytest.fixture
def store():
    with MemoryStateHandler() as store:
        yield store


def put(key, data=b"data", ttl=None):
    return Put(key, Version.new(), (data,), ttl)


def all_keys(backend, prefix="", limit=3):
    keys, cursor = [], None
    while True:
        page, cursor = backend.scan(prefix, cursor, limit)
        keys += page
        if cursor is None:
            return keys


# -- the backend -------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written(backend):
    """Version and data come back; the pieces of the data are one."""
    version = Version.new()
    backend.write([Put("k", version, (b"da", memoryview(bytearray(b"ta"))))])
    assert backend.read(["k", "other"]) == [(version, b"data", None), None]
    assert list(backend.read_data(["k", "other"])) == [b"data", None]


def test_what_the_writer_changes_afterwards_is_not_stored(backend):
    """A buffer that is written again by its owner leaves the record as it was."""
    buffer = bytearray(b"before")
    backend.write([put("k", memoryview(buffer)), put("l", buffer)])
    buffer[:] = b"after!"
    assert list(backend.read_data(["k", "l"])) == [b"before", b"before"]


def test_a_requirement_that_does_not_hold_leaves_everything_as_it_was(backend):
    """Nothing of a write is applied on a conflict, which tells what stands."""
    standing = put("a")
    backend.write([standing])
    with pytest.raises(ConflictError) as told:
        backend.write([put("b"), Delete("a")], require={"a": None})
    assert (told.value.key, told.value.expected, told.value.actual) == ("a", None, standing.version)
    assert [r and r.version for r in backend.read(["a", "b"])] == [standing.version, None]


def test_several_operations_are_one_step_for_readers_of_several_keys(backend):
    """No reader sees one half of a batch without the other, whichever way it reads."""
    backend.write([put("a", b"0"), put("b", b"0")])
    torn, done = [], threading.Event()

    def look():
        while not done.is_set():
            torn.extend(pair for pair in [tuple(backend.read_data(["a", "b"]))] if len({*pair}) > 1)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for step in range(3000):
        data = b"%d" % step
        backend.write([put("a", data), put("b", data)] if step % 3 else [Delete("a"), Delete("b")])
    done.set()
    for reader in readers:
        reader.join()
    assert not torn


def test_an_expired_record_is_absent_to_every_call(backend):
    """Reads, requirements, scans, counts and removals treat it as not there."""
    backend.write([put("k", ttl=0.05), put("stays")])
    wait_until(lambda: backend.read(["k"]) == [None])
    assert list(backend.read_data(["k"])) == [None]
    assert all_keys(backend) == ["stays"]
    assert backend.count("") == 1
    assert backend.remove(["k"]) == 0
    backend.write([put("k")], require={"k": None})
    assert backend.count("") == 2


def test_an_expiry_is_kept_only_where_that_is_asked_for(backend):
    """KEEP leaves the moment as it is, None removes it, seconds set another."""
    backend.write([put("k", ttl=100)])
    (before,) = backend.read(["k"])
    backend.write([put("k", b"new", ttl=KEEP)])
    assert backend.read(["k"])[0].expires_at == before.expires_at
    assert before.expires_at == pytest.approx(time.time() + 100, abs=5)
    backend.write([put("k", ttl=200)])
    assert backend.read(["k"])[0].expires_at > before.expires_at + 50
    backend.write([put("k")])
    assert backend.read(["k"])[0].expires_at is None
    backend.write([put("other", ttl=KEEP)])
    assert backend.read(["other"])[0].expires_at is None


def test_expired_records_that_nobody_reads_do_not_pile_up(backend):
    """Their memory is free again once something else is written."""
    backend.write([put(f"k{n}", ttl=0.001) for n in range(5000)])

    def freed():
        backend.write([put("other")])
        return len(backend._records) == 1 and len(backend._records._expiries.heap) == 0

    wait_until(freed)


def test_a_key_that_is_written_again_and_again_with_an_expiry_takes_no_more_room(backend):
    """What is noted about its earlier expiries is dropped."""
    for _ in range(5000):
        backend.write([put("k", ttl=1000)])
    assert len(backend._records._expiries.heap) < 500


def test_keys_are_ordered_and_compared_by_code_point(backend):
    """No folding, no trimming; NUL is a character like any other."""
    keys = ["a", "A", "a ", "ä", "a\u0308", "\0internal", "z", "\U0001f600", "a/b", "a%", "a_"]
    backend.write([put(key) for key in keys])
    assert all_keys(backend) == sorted(keys)
    assert all_keys(backend, "a") == sorted(key for key in keys if key.startswith("a"))
    assert backend.count("a") == len(all_keys(backend, "a"))
    assert backend.count("") == len(keys) - 1


def test_a_scan_gives_every_key_that_stays_exactly_once_while_others_come_and_go(backend):
    """Keys written and removed between two pages disturb no other key."""
    backend.write([put(f"stays/{n:03}") for n in range(50)])
    seen, cursor, step = [], None, 0
    while True:
        page, cursor = backend.scan("", cursor, 4)
        seen += page
        step += 1
        backend.write([put(f"comes/{step}"), put(f"stays/0{step}x"), Delete(f"comes/{step - 1}")])
        if cursor is None:
            break
    assert [key for key in seen if key.startswith("stays/") and not key.endswith("x")] == [
        f"stays/{n:03}" for n in range(50)
    ]
    assert len(seen) == len(set(seen))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "delete", "scan", "remove"]),
            st.text("ab\0é", min_size=1, max_size=3),
        )
    )
)
def test_any_history_is_that_of_a_plain_dict(history):
    """Scans and counts agree with a dict after each step."""
    backend, model = MemoryBackend(), {}
    for act, key in history:
        if act == "put":
            backend.write([put(key, key.encode())])
            model[key] = key.encode()
        elif act == "delete":
            backend.write([Delete(key)])
            model.pop(key, None)
        elif act == "remove":
            assert backend.remove([key, key]) == (key in model)
            model.pop(key, None)
        else:
            prefix = key[1:]
            assert all_keys(backend, prefix, 2) == sorted(k for k in model if k.startswith(prefix))
            ours = [k for k in model if k.startswith(prefix) and not k.startswith("\0")]
            assert prefix.startswith("\0") or backend.count(prefix) == len(ours)
    assert list(backend.read_data(list(model))) == list(model.values())


# -- names ---------------------------------------------------------------------------------------


def test_one_name_is_one_store():
    """Whoever opens the name finds what others wrote there, also after all have closed it."""
    with MemoryStateHandler("shared") as one, qstate.connect("memory://shared") as other:
        one["k"] = 1
        assert other["k"] == 1
    with qstate.connect("memory://shared") as again:
        assert again["k"] == 1
        again.clear(everything=True)


def test_different_names_are_different_stores():
    """Nothing written under one name shows under another, however alike they look."""
    names = ["lab", "Lab", "lab ", "lab/a", "a:b", "a,b", "a@b", "läb", "a%2Fb", "1"]
    stores = [MemoryStateHandler(name) for name in names]
    for name, store in zip(names, stores, strict=True):
        store["k"] = name
    assert [MemoryStateHandler(name)["k"] for name in names] == names
    assert [repr(store) for store in stores] == [f"<MemoryStateHandler | {n}>" for n in names]
    for store in stores:
        store.clear(everything=True)
        store.close()


def test_a_store_without_a_name_is_nobody_elses():
    """Each is new, and what it held is freed with it."""
    one, other = qstate.connect("memory://"), MemoryStateHandler()
    one["k"] = 1
    assert "k" not in other
    held = weakref.ref(one._client.backend)
    one.close()
    other.close()
    del one, other
    gc.collect()
    assert held() is None


@pytest.mark.parametrize(
    "url", ["memory://a:80", "memory://u:p@a", "memory://a?colour=red", "memory://a?owner=b"]
)
def test_a_url_that_means_nothing_is_refused(url):
    """Ports, users, and options that are unknown or incomplete."""
    with pytest.raises(qstate.InvalidURLError):
        qstate.connect(url)


# -- other processes -------------------------------------------------------------------------------


def _write_pid(store, key):
    store[key] = os.getpid()


def _count_up(store, times):
    for _ in range(times):
        while True:
            entry = store.entry("n")
            try:
                store.set("n", entry.value + 1, if_version=entry.version)
            except qstate.ConflictError:
                continue
            break


def _run(kind, target, *args):
    process = multiprocessing.get_context(kind).Process(target=target, args=args)
    process.start()
    return process


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [None, "with others"])
def test_a_process_that_is_handed_a_store_writes_to_its_owner(kind, name):
    """There is no copy: what a task writes, the owner reads."""
    with MemoryStateHandler(name) as store:
        process = _run(kind, _write_pid, store, "pid")
        process.join(30)
        assert store["pid"] == process.pid != os.getpid()
        store.clear(everything=True)


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_writes_of_several_processes_lose_nothing(store, kind):
    """Each of many increments by compare-and-set, from several processes and threads, counts."""
    store["n"] = 0
    here = threading.Thread(target=_count_up, args=(store, 100))
    processes = [_run(kind, _count_up, store, 100) for _ in range(3)]
    here.start()
    for process in [here, *processes]:
        process.join(60)
    assert store["n"] == 400


def _hand_on(store):
    _run("spawn", _write_pid, store, "grandchild").join(30)
    _run("fork", _write_pid, store, "forked").join(30)


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_can_be_handed_on(store, kind):
    """A task that was handed a store hands it to tasks of its own; all reach the owner."""
    _run(kind, _hand_on, store).join(60)
    assert sorted(store) == ["forked", "grandchild"]


def _open_by_name():
    with qstate.connect("memory://before-fork") as store:
        store["child"] = store["parent"] + 1
    with qstate.connect("memory://after-fork") as store:
        store["child"] = 1


def test_a_forked_child_finds_the_stores_of_its_parent_by_name():
    """A name that stood before the fork is the parent's; a new one is the child's own."""
    with qstate.connect("memory://before-fork") as store:
        store["parent"] = 1
        _run("fork", _open_by_name).join(30)
        assert store["child"] == 2
        store.clear(everything=True)
    assert list(qstate.connect("memory://after-fork")) == []


def test_a_copy_that_comes_home_is_the_store_itself(store):
    """Unpickled in its owner, it reads the same memory without a connection."""
    copy = pickle.loads(pickle.dumps(store))
    copy["k"] = 1
    assert store["k"] == 1
    assert copy._client.backend is store._client.backend
    copy.close()


def test_no_secret_shows(store):
    """The key that lets others in is in no repr, and in no pickle that a log may show."""
    pickled = pickle.dumps(store)
    key = qstate.StateURL.parse(store._client.backend.shared_url()).options["authkey"]
    copy = pickle.loads(pickled)
    shown = f"{store!r} {copy!r} {copy._address!r} {copy.info()!r}"
    assert key not in shown
    assert key.encode() not in pickled


OWNER = """
import pickle, sys, qstate
store = qstate.connect("memory://lab")
store["k"] = 1
print(pickle.dumps(store).hex(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def owner():
    """Another process, and the store that it owns."""
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        store = pickle.loads(bytes.fromhex(process.stdout.readline()))
        yield process, store
        store.close()
        process.kill()


def test_an_owner_that_was_killed_is_told_as_such(owner):
    """Calls raise within the timeout, and say that the owner has ended; none answers "absent"."""
    process, store = owner
    assert store["k"] == 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    quick = qstate.connect(store._address, timeout=0.5)
    for call in (lambda: quick.get("k"), lambda: quick.set("k", 2), lambda: list(quick)):
        with pytest.raises(qstate.StoreUnavailableError, match="has ended") as told:
            call()
        assert told.value.outcome == "not applied"
    quick.close()


def test_an_owner_that_does_not_answer_is_given_up_after_the_timeout(owner):
    """A stopped process costs the timeout, and what was sent to it may have been applied."""
    process, store = owner
    quick = qstate.connect(store._address, timeout=0.3)
    assert quick["k"] == 1
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    with pytest.raises(qstate.StoreUnavailableError) as told:
        quick.set("k", 2)
    assert told.value.outcome == "unknown"
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: quick["k"] == 2)
    quick.close()


def test_a_large_value_crosses_whole(owner):
    """Values of many packets come back as they were."""
    _, store = owner
    value = os.urandom(20_000_000)
    store["large"] = value
    assert store["large"] == value
