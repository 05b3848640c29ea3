"""A store as a mapping, and that what a dict does in one step is atomic."""

import pytest

from qstate import (
    MissingKeyError,
)
from tests.core.threads import at_once


def test_a_store_is_a_mapping(store):
    """Item access, membership, length, iteration, views."""
    store["a"] = 1
    store["b"] = 2
    assert store["a"] == 1
    assert ("a" in store, "c" in store, len(store)) == (True, False, 2)
    assert sorted(store) == ["a", "b"]
    assert sorted(store.items()) == [("a", 1), ("b", 2)]
    assert sorted(store.values()) == [1, 2]
    assert dict(store) == {"a": 1, "b": 2}
    del store["a"]
    assert "a" not in store


@pytest.mark.parametrize(
    "call", [lambda s: s["a"], lambda s: s.__delitem__("a"), lambda s: s.pop("a")]
)
def test_a_missing_key_is_told_with_key_and_store(store, call):
    """It is a KeyError that reads as a sentence."""
    with pytest.raises(MissingKeyError) as caught:
        call(store)
    assert caught.value.key == "a"
    assert str(caught.value) == f"nothing stands under 'a' [store: {store.info().url}]"
    assert isinstance(caught.value, KeyError)


def test_setdefault_writes_only_where_nothing_stands(store):
    """The value that stands is returned, else the default, which then stands."""
    assert store.setdefault("a", 1) == 1
    assert store.setdefault("a", 2) == 1
    store["b"] = None
    assert store.setdefault("b", 2) is None


def test_pop_returns_what_it_removes(store):
    """The default is for what is absent, and may be None."""
    store["a"] = 1
    assert store.pop("a") == 1
    assert store.pop("a", 2) == 2
    assert store.pop("a", None) is None


def test_popitem_empties_a_store(store):
    """Each key comes once, then there is a KeyError."""
    store.update({"a": 1, "b": 2})
    assert {store.popitem(), store.popitem()} == {("a", 1), ("b", 2)}
    with pytest.raises(MissingKeyError, match="the store is empty"):
        store.popitem()


def test_update_takes_what_dict_takes(store):
    """A mapping, pairs, keywords, another store."""
    store.update({"a": 1}, b=2)
    store.update([("c", 3)])
    (store / "copy").update(store)
    assert dict(store / "copy") == {"a": 1, "b": 2, "c": 3}


def test_setdefault_is_atomic(store):
    """Of threads that set a default at once one wins, and all are told its value."""
    for round_ in range(20):
        got = at_once(6, lambda number, key=f"k{round_}": store.setdefault(key, number))
        assert len(set(got)) == 1
        assert store[f"k{round_}"] == got[0]


def test_pop_is_atomic(store):
    """Of threads that pop a key at once one gets the value."""
    for _ in range(20):
        store["a"] = "value"
        got = at_once(6, lambda number: store.pop("a", None))
        assert sorted(map(str, got)) == ["None"] * 5 + ["value"]


def test_popitem_is_atomic(store):
    """Threads that empty a store together get each item once."""
    written = {f"k{number}": number for number in range(30)}
    store.update(written)
    got = at_once(6, lambda number: [store.popitem() for _ in range(5)])
    assert dict(item for items in got for item in items) == written
    assert not store


def test_delete_tells_one_thread_that_something_was_there(store):
    """Of threads that delete a key at once one is told True."""
    for _ in range(20):
        store["a"] = 1
        assert sorted(at_once(6, lambda number: store.delete("a"))) == [False] * 5 + [True]


@pytest.fixture
def intruded(open_trial):
    """A store into which another writes "theirs" just before our first write arrives."""
    store, backend = open_trial()
    store["a"] = "old"
    intrude(store, backend)
    return store


def intrude(store, backend):
    """From now on, once."""

    def write(method):
        if method == "write":
            backend.before = lambda _: None
            store["a"] = "theirs"

    backend.before = write


def test_pop_returns_what_it_removed_and_not_what_it_read_first(intruded):
    """What is written between reading and removing is not lost."""
    assert intruded.pop("a") == "theirs"
    assert "a" not in intruded


def test_popitem_returns_what_it_removed(intruded):
    """As pop does."""
    assert intruded.popitem() == ("a", "theirs")


def test_setdefault_gives_way_to_who_was_faster(open_trial):
    """A default never overwrites, though nothing stood when it was looked for."""
    store, backend = open_trial()
    intrude(store, backend)
    assert store.setdefault("a", "default") == "theirs"
    assert store["a"] == "theirs"


def test_delete_settles_with_what_stands(intruded):
    """A write between looking and removing is removed with it, and counted once."""
    assert intruded.delete("a") is True
    assert "a" not in intruded
