"""A store in hand: opened, compared, copied, pickled, closed."""

import asyncio
import copy
import pickle

import pytest

from qstate import (
    ClosedStoreError,
    StateStore,
    StoreUnavailableError,
    connect,
)


def test_a_store_is_called_by_its_class_and_address(install):
    """The repr has address and scope."""
    install("plain")
    with connect("plain://shelf?colour=red") as store:
        assert repr(store) == "<StateStore | plain://shelf?colour=red>"
        assert repr(store / "run" / "a") == "<StateStore | plain://shelf?colour=red | run/a>"


def test_opening_a_store_asks_it_nothing(open_trial):
    """No call reaches the backend before the first of the user's."""
    store, backend = open_trial()
    _ = store / "run", repr(store), store.info(), hash(store), pickle.dumps(store)
    assert not backend.calls


def test_ping_asks_the_store(open_trial):
    """True once it has answered, else the error of a store that does not."""
    store, backend = open_trial()
    assert store.ping() is True
    assert backend.calls == ["read"]
    other, made = open_trial()
    made.refusals = [StoreUnavailableError("no answer")]
    with pytest.raises(StoreUnavailableError):
        other.ping()


CALLS_AFTER_CLOSE = {
    "get": lambda store: store.get("a", 1),
    "set": lambda store: store.set("a", 1),
    "delete": lambda store: store.delete("a"),
    "entry": lambda store: store.entry("a"),
    "get_many": lambda store: store.get_many([]),
    "set_many": lambda store: store.set_many({}),
    "delete_many": lambda store: store.delete_many([]),
    "[]": lambda store: store["a"],
    "in": lambda store: "a" in store,
    "iter": iter,
    "len": len,
    "setdefault": lambda store: store.setdefault("a", 1),
    "pop": lambda store: store.pop("a", 1),
    "popitem": lambda store: store.popitem(),
    "clear": lambda store: store.clear(everything=True),
    "reset": lambda store: store.reset(),
    "update": lambda store: store.update({"a": 1}),
    "items": lambda store: list(store.items()),
    "scan": lambda store: list(store.scan()),
    "touch": lambda store: store.touch("a", 1),
    "modify": lambda store: store.modify("a", str, 1),
    "increment": lambda store: store.increment("a"),
    "transaction": lambda store: store.transaction(),
    "transact": lambda store: store.transact(print),
    "watch": lambda store: store.watch(),
    "wait_for": lambda store: store.wait_for("a", timeout=0),
    "lock": lambda store: store.lock("a"),
    "aio": lambda store: asyncio.run(store.aio.get("a")),
    "scope": lambda store: store.scope("a"),
    "info": lambda store: store.info(),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", CALLS_AFTER_CLOSE)
def test_a_closed_store_says_so(open_trial, call):
    """Every call on it is a ClosedStoreError, a RuntimeError, with what to do."""
    store, _ = open_trial()
    store.close()
    with pytest.raises(ClosedStoreError, match=r"open it anew with connect\(\)") as caught:
        CALLS_AFTER_CLOSE[call](store)
    assert isinstance(caught.value, RuntimeError)
    assert "trial://" in caught.value.store


def test_with_closes_a_store(install):
    """Leaving the block closes it, by an error too, which passes."""
    install("plain")
    with pytest.raises(ZeroDivisionError), connect("plain://shelf") as store:
        _ = 1 / 0
    with pytest.raises(ClosedStoreError):
        store.get("a")


def test_a_scope_outlives_the_store_it_came_from(open_trial):
    """Each handle is closed by itself."""
    store, backend = open_trial()
    scope = store / "run"
    store.close()
    scope["a"] = 1
    assert scope["a"] == 1
    scope.close()
    assert backend.closed == 1


# -- equality, copies, pickles ----------------------------------------------------------------


def test_stores_are_equal_by_address_and_scope(install):
    """Two that mean the same are equal, and hash alike."""
    install("plain")
    with connect("plain://a") as one, connect("plain://a") as same, connect("plain://b") as other:
        assert one == same
        assert hash(one) == hash(same)
        assert one / "run" == same / "run"
        assert one / "run" / "x" == same / "run/x"
        assert one != other
        assert one != one / "run"
        assert one != {}
        assert len({one, same, other, one / "run"}) == 3


@pytest.mark.parametrize(
    "way", [copy.copy, copy.deepcopy, lambda store: pickle.loads(pickle.dumps(store))]
)
def test_a_copy_is_the_same_store(open_trial, way):
    """A copy has address, scope and options, shares the client, and is closed by itself."""
    store, backend = open_trial(timeout=2)
    scope = store / "run"
    copied = way(scope)
    assert copied == scope
    assert type(copied) is StateStore
    copied["a"] = 1
    assert store["run/a"] == 1
    assert copied.info() == scope.info()
    copied.close()
    scope["b"] = 2
    assert not backend.closed
    scope.close()


def test_a_store_works_in_another_process(filed, run_python, tmp_path):
    """What the other process writes is read here, and the other way round."""
    filed["from"] = "here"
    (tmp_path / "pickle").write_bytes(pickle.dumps(filed / "run"))
    code = (
        "import pickle, sys\n"
        "store = pickle.load(open(sys.argv[1], 'rb'))\n"
        "store.increment('count', 41)\n"
        "store['there'] = (1, {2})\n"
        "print(repr(store), sorted(store), store.increment('count'))"
    )
    said = run_python(code, tmp_path / "pickle")
    assert said == f"<StateStore | filed://{tmp_path}/state | run> ['count', 'there'] 42"
    assert dict(filed) == {"from": "here", "run/count": 42, "run/there": (1, {2})}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_will_do(store, protocol):
    """A store is pickled by each protocol of this Python that Ray may use."""
    assert pickle.loads(pickle.dumps(store, protocol)) == store


def test_a_subclass_travels_as_its_class(install):
    """A store of a class of its own is of that class on arrival, without its constructor."""
    install("plain")
    with Shelf("a") as shelf:
        arrived = pickle.loads(pickle.dumps(shelf / "run"))
        assert type(arrived) is Shelf
        assert repr(arrived) == "<Shelf | plain://a | run>"


class Shelf(StateStore):
    """A store with a constructor of its own."""

    def __init__(self, name):
        super().__init__(f"plain://{name}")


def test_an_arrived_store_opens_when_it_is_used(install):
    """Unpickling makes no backend; the first call does."""
    install("plain")
    import plain_store

    with connect("plain://a") as store:
        travelling = pickle.dumps(store)
    arrived = pickle.loads(travelling)
    assert len(plain_store.made) == 1
    arrived["a"] = 1
    assert len(plain_store.made) == 2
    arrived.close()
