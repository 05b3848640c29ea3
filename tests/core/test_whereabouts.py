"""Reach: a store that means another one elsewhere is refused there, never silently empty."""

import multiprocessing
import pickle

import pytest

from qstate import UnreachableStoreError, whereabouts
from qstate.whereabouts import Origin

READ = """
import pickle, sys
from qstate import UnreachableStoreError
store = pickle.load(open(sys.argv[1], 'rb'))
try:
    print(store.get('a'))
except UnreachableStoreError as error:
    print(error)
"""


@pytest.fixture
def on_another_host(monkeypatch):
    """From when it is called, this process is on another host."""
    return lambda: monkeypatch.setattr(whereabouts, "_host", lambda: "elsewhere 0123")


@pytest.mark.parametrize("reach", ["process", "host", "cluster"])
def test_a_store_reaches_the_process_that_opened_it(open_trial, reach):
    """A copy that stays at home works, whatever the reach."""
    store, _ = open_trial(reach=reach)
    store["a"] = 1
    assert pickle.loads(pickle.dumps(store))["a"] == 1


def test_a_process_store_is_refused_in_another_process(open_trial, run_python, tmp_path):
    """The message names the store, where it was opened, and what would reach so far."""
    store, _ = open_trial(reach="process")
    store["a"] = 1
    (tmp_path / "pickle").write_bytes(pickle.dumps(store / "run"))
    said = run_python(READ, tmp_path / "pickle")
    assert "trial://" in said
    assert "was opened in another process" in said
    assert "redis://" in said


def test_a_host_store_is_served_to_another_process(open_trial, run_python, tmp_path):
    """A process of the same host may open the address, and what it finds is its own affair."""
    store, _ = open_trial(reach="host")
    (tmp_path / "pickle").write_bytes(pickle.dumps(store))
    assert run_python(READ, tmp_path / "pickle") == "None"


def test_a_host_store_is_refused_on_another_host(open_trial, on_another_host):
    """Never a new empty store there: both hosts are named."""
    store, _ = open_trial(reach="host")
    travelled = pickle.loads(pickle.dumps(store))
    on_another_host()
    with pytest.raises(UnreachableStoreError) as caught:
        travelled.get("a", "default")
    assert "and this is elsewhere; such a store is not shared that far" in str(caught.value)
    with pytest.raises(UnreachableStoreError):
        travelled.set("a", 1)


def test_a_cluster_store_is_served_everywhere(open_trial, on_another_host):
    """A store for all machines is opened on any."""
    store, _ = open_trial(reach="cluster")
    store["a"] = 1
    travelled = pickle.loads(pickle.dumps(store))
    on_another_host()
    assert travelled["a"] == 1


def test_a_refused_store_keeps_nothing_open(open_trial, on_another_host):
    """What was made to ask for its reach is closed again."""
    store, backend = open_trial(reach="host")
    travelled = pickle.loads(pickle.dumps(store))
    store.close()
    on_another_host()
    for _ in range(2):
        with pytest.raises(UnreachableStoreError):
            travelled.get("a")
    assert backend.closed == 1
    from trial_store import made

    assert all(other.closed == 1 for other in made)


def test_a_forked_child_is_another_process():
    """A child has the host of its parent, and a process of its own."""
    parent = Origin.here()
    reading, writing = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(
        target=lambda: writing.send(pickle.dumps(Origin.here()))
    )
    child.start()
    origin = pickle.loads(reading.recv())
    child.join()
    reading.close()
    writing.close()
    assert origin.host == parent.host
    assert origin.process != parent.process
    assert Origin.here() == parent
