"""One backend for each address of a process: shared, forked, closed."""

import copy
import gc
import multiprocessing
import threading

import pytest

from qstate import (
    InvalidURLError,
    StateStore,
    UnreachableStoreError,
    sharing,
)
from tests.core.threads import at_once


@pytest.fixture
def made(install):
    """The backends made for plain stores, in order."""
    install("plain")
    import plain_store

    return plain_store.made


def test_stores_of_one_address_share_a_backend(made):
    """Two stores, their scopes and copies are one client, and see the same values."""
    with StateStore("plain://a") as first, StateStore("plain://a") as second:
        first["x"] = 1
        assert second["x"] == 1
        with second / "run" as scope:
            scope["y"] = 2
        assert first["run/y"] == 2
    assert len(made) == 1


@pytest.mark.parametrize("other", ["plain://b", "plain://a?colour=red", "plain://ada:pw@a"])
def test_stores_of_different_addresses_do_not(made, other):
    """Another URL, another option, another user: another backend."""
    with StateStore("plain://a"), StateStore(other):
        assert len(made) == 2


def test_the_last_to_close_closes_the_backend(made):
    """Closing one store leaves the others of its address working."""
    first, second = StateStore("plain://a"), StateStore("plain://a")
    scope = first / "run"
    first.close()
    second["x"] = 1
    second.close()
    assert not made[0].closed
    assert scope.get("x") is None
    scope.close()
    assert made[0].closed == 1


def test_an_address_can_be_opened_again(made):
    """After the last was closed a new backend is made."""
    StateStore("plain://a").close()
    StateStore("plain://a").close()
    assert [backend.closed for backend in made] == [1, 1]


def test_closing_twice_is_fine(made):
    """A second close does nothing, to this store or to another."""
    first, second = StateStore("plain://a"), StateStore("plain://a")
    first.close()
    first.close()
    assert not made[0].closed
    second.close()
    second.close()
    assert made[0].closed == 1


def test_a_store_that_is_forgotten_is_closed(made):
    """Collecting the last store of an address closes its backend, once."""
    store = StateStore("plain://a")
    scope = store / "run"
    del store
    gc.collect()
    assert not made[0].closed
    del scope
    gc.collect()
    assert made[0].closed == 1


def test_a_collection_inside_a_backend_waits_for_none_of_its_locks(made, monkeypatch):
    """A store that is part of a ring may be collected in any call: another thread closes then."""
    lock, closed = threading.Lock(), threading.Event()

    def close():
        with lock:
            closed.set()

    ring = [StateStore("plain://a")]
    ring.append(ring)
    monkeypatch.setattr(made[0], "close", close)
    del ring
    with lock:  # as in a call of the backend
        gc.collect()
        assert not closed.is_set()
    assert closed.wait(20)


def test_an_interruption_during_a_collection_is_not_lost(run_python):
    """Ctrl-C ends the program that collects at that moment, or any that has stores."""
    code = (
        "import gc, signal, time, qstate\n"
        "store = qstate.connect('memory://')\n"
        "kept = [[] for _ in range(500_000)]\n"  # a collection takes nearly all of the time
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "for attempt in range(10):\n"
        "    until = time.monotonic() + 3\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0.03)\n"
        "        while time.monotonic() < until:\n"
        "            gc.collect()\n"
        "        print('lost')\n"
        "    except KeyboardInterrupt:\n"
        "        pass\n"
        "print('done')"
    )
    assert run_python(code) == "done"


def test_collecting_a_closed_store_changes_nothing(made):
    """A store that was closed holds nothing any more."""
    other = StateStore("plain://a")
    store = StateStore("plain://a")
    store.close()
    del store
    gc.collect()
    other["x"] = 1
    other.close()
    assert made[0].closed == 1


def test_a_collection_while_another_store_opens_waits_for_nothing(made, monkeypatch):
    """A store dropped while the clients are locked is given back later, without a deadlock."""
    store = StateStore("plain://a")
    with sharing._lock:
        store.__del__()
        store._client = None
    StateStore("plain://b").__del__()
    assert made[0].closed == 1


def test_threads_that_open_at_once_share_one_backend(made):
    """However many threads open an address, one backend is made."""
    opened = at_once(8, lambda _: StateStore("plain://a"))
    assert len(made) == 1
    for store in opened:
        store.close()
    assert made[0].closed == 1


def test_threads_that_use_one_arrived_store_open_it_once(made):
    """A copy opens when it is first used, though many threads use it at once."""
    with StateStore("plain://a") as store:
        arrived = copy.copy(store)
        at_once(8, lambda _: arrived.get("x"))
        arrived.close()
        assert not made[0].closed
    assert made[0].closed == 1


@pytest.mark.parametrize("timeout", ["soon", "0", -1, "nan", "inf", None])
def test_a_timeout_that_means_nothing_is_refused(install, timeout):
    """The timeout is a number of seconds above 0."""
    install("plain")
    with pytest.raises(InvalidURLError, match="timeout"):
        StateStore("trial://a", timeout=timeout)


# -- forked children --------------------------------------------------------------------------


def in_forked_child(call):
    """What ``call`` returns in a forked child, or the error it raises there."""
    receiving, sending = multiprocessing.get_context("fork").Pipe(duplex=False)

    def run():
        try:
            sending.send(call())
        except Exception as error:  # noqa: BLE001 - told in the parent
            sending.send(error)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    sending.close()
    try:
        return receiving.recv()
    finally:
        child.join()
        child.close()
        receiving.close()


def test_a_forked_child_gets_a_backend_of_its_own(open_trial):
    """What the child does goes through another client; the parent's is untouched."""
    import trial_store

    store, made = open_trial()
    store["a"] = "parent"

    def child():
        store["a"] = "child"
        return len(trial_store.made), made.calls, store["a"]

    assert in_forked_child(child) == (2, ["write"], "child")
    assert store["a"] == "parent"


def test_a_forked_child_never_closes_the_parents_backend(open_trial):
    """Neither closing nor collecting stores in the child says goodbye on the parent's sockets."""
    store, made = open_trial()
    scope = store / "run"

    def child():
        nonlocal scope
        store.get("a")
        store.close()
        scope = None
        gc.collect()
        return made.closed

    assert in_forked_child(child) == 0
    store["a"] = 1
    assert store["a"] == 1


def test_a_forked_child_can_open_what_its_parent_was_opening(open_trial):
    """A lock that another thread of the parent held does not stop the child."""
    store, _ = open_trial()
    with sharing._lock, store._opening:
        assert in_forked_child(lambda: store.get("a", "free")) == "free"


def test_a_store_of_one_process_is_refused_in_a_forked_child(open_trial):
    """The child's memory is a copy: it is told, not silently used."""
    store, _ = open_trial(reach="process")
    store["a"] = 1
    assert isinstance(in_forked_child(lambda: store["a"]), UnreachableStoreError)


def test_a_closed_store_stays_closed_in_a_forked_child(open_trial):
    """Being forked does not open a store."""
    store, _ = open_trial()
    store.close()
    assert type(in_forked_child(lambda: store["a"])).__name__ == "ClosedStoreError"


def test_leaving_stores_open_at_the_end_is_silent(install, run_python):
    """A program may end without closing anything."""
    install("plain")
    code = "import qstate; s = qstate.connect('plain://a'); s['a'] = 1; t = s / 'b'; print(s['a'])"
    assert run_python(code) == "1"


def test_what_is_left_open_is_closed_when_the_process_ends(tmp_path, run_python):
    """A store that something still holds at the end is closed in time, without a word."""
    url = f"sqlite:///{tmp_path}/state.db"
    code = (
        "import os, sys, qstate\n"
        "os.kept = qstate.connect(sys.argv[1])\n"  # what is in os is forgotten late
        "os.kept['a'] = 1\n"
        "print(dict(os.kept))"
    )
    assert run_python(code, url) == "{'a': 1}"
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"]
