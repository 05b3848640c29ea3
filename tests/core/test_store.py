"""StateStore: what each call on a store does, on a backend of five methods."""

import copy
import pickle
from datetime import timedelta

import pytest

from qstate import (
    ABSENT,
    KEEP,
    ConflictError,
    InvalidKeyError,
    MissingKeyError,
    UnsupportedOperationError,
    Version,
)

BAD_TTLS = [0, -1, 0.0, -0.5, float("nan"), float("inf"), "60", True, timedelta(0), timedelta(-1)]


# -- one key ----------------------------------------------------------------------------------


def test_a_value_is_read_as_it_was_written(store):
    """What was set is what get gives."""
    store.set("energy", {"value": -1.137, "steps": [1, 2]})
    assert store.get("energy") == {"value": -1.137, "steps": [1, 2]}


def test_an_absent_key_gives_the_default(store):
    """None, or what the caller says."""
    assert store.get("energy") is None
    assert store.get("energy", 0.5) == 0.5


def test_none_is_a_value(store):
    """A None that was written is not an absence."""
    store.set("energy", None)
    assert store.get("energy", "default") is None
    assert "energy" in store


def test_what_was_read_is_the_readers_own(store):
    """Changing a value, before or after, changes nothing stored."""
    value = {"steps": [1]}
    store["a"] = value
    value["steps"].append(2)
    read = store["a"]
    read["steps"].append(3)
    assert store["a"] == {"steps": [1]}


def test_each_write_has_a_version_of_its_own(store):
    """The version that set returns is the one that stands."""
    first = store.set("a", 1)
    second = store.set("a", 1)
    assert type(first) is Version
    assert first != second == store.entry("a").version


def test_a_write_over_the_version_that_stands_is_done(store):
    """if_version holds: written, with a new version."""
    first = store.set("a", 1)
    second = store.set("a", 2, if_version=first)
    assert store.set("a", 3, if_version=bytes(second)) == store.entry("a").version
    assert store["a"] == 3


def test_a_write_over_another_version_is_a_conflict(store):
    """Nothing is written, and the error has key, both versions and store."""
    first = store.set("a", 1)
    second = store.set("a", 2)
    with pytest.raises(ConflictError) as caught:
        store.set("a", 3, if_version=first)
    error = caught.value
    assert (error.key, error.expected, error.actual) == ("a", first, second)
    assert f"[store: {store.info().url}]" in str(error)
    assert store["a"] == 2


def test_a_write_where_nothing_may_stand(store):
    """ABSENT writes only where nothing stands."""
    first = store.set("a", 1, if_version=ABSENT)
    with pytest.raises(ConflictError) as caught:
        store.set("a", 2, if_version=ABSENT)
    assert (caught.value.expected, caught.value.actual) == (None, first)
    assert store["a"] == 1


def test_a_conflict_in_a_scope_names_the_key_as_the_caller_did(store):
    """The scope's prefix is not part of the key that is told."""
    with pytest.raises(ConflictError) as caught:
        (store / "run").set("a", 1, if_version=Version.new())
    assert caught.value.key == "a"
    assert caught.value.actual is None


@pytest.mark.parametrize("version", ["1", 1, object()])
def test_what_is_no_version_is_refused(open_trial, version):
    """if_version takes a version or ABSENT, before anything is sent."""
    store, backend = open_trial()
    with pytest.raises(TypeError, match="if_version is a Version"):
        store.set("a", 1, if_version=version)
    assert not backend.calls


def test_absent_is_one_object():
    """ABSENT survives copying and pickling as itself."""
    assert pickle.loads(pickle.dumps(ABSENT)) is copy.deepcopy(ABSENT) is ABSENT
    assert repr(ABSENT) == "qstate.ABSENT"


def test_delete_tells_whether_something_was_there(store):
    """True once, then False."""
    store["a"] = 1
    assert store.delete("a") is True
    assert store.delete("a") is False
    assert "a" not in store


def test_delete_of_a_version(store):
    """Only that version is removed; another, or none, is a conflict."""
    first = store.set("a", 1)
    second = store.set("a", 2)
    with pytest.raises(ConflictError):
        store.delete("a", if_version=first)
    assert store.delete("a", if_version=second) is True
    with pytest.raises(ConflictError) as caught:
        store.delete("a", if_version=second)
    assert (caught.value.expected, caught.value.actual) == (second, None)
    with pytest.raises(TypeError, match="what is absent can't be removed"):
        store.delete("a", if_version=ABSENT)


# -- expiry -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [60, 0.25, timedelta(seconds=90)])
def test_a_value_expires(open_trial, ttl):
    """After its time the key is absent to every call."""
    store, backend = open_trial()
    store.set("a", 1, ttl=ttl)
    assert store["a"] == 1
    backend.age = 100
    assert store.get("a", "gone") == "gone"
    assert (store.entry("a"), "a" in store, list(store), len(store)) == (None, False, [], 0)
    assert store.delete("a") is False


def test_a_write_without_ttl_ends_an_expiry(open_trial):
    """None means: never, whatever was before."""
    store, backend = open_trial()
    store.set("a", 1, ttl=60)
    store.set("a", 2)
    backend.age = 100
    assert store["a"] == 2


def test_keep_leaves_the_expiry_as_it_is(open_trial):
    """KEEP changes the value alone."""
    store, backend = open_trial()
    store.set("a", 1, ttl=60)
    store.set("b", 1)
    store.set_many({"a": 2, "b": 2}, ttl=KEEP)
    backend.age = 100
    assert dict(store) == {"b": 2}


@pytest.mark.parametrize("ttl", BAD_TTLS)
@pytest.mark.parametrize(
    "call",
    [
        lambda store, ttl: store.set("a", 1, ttl=ttl),
        lambda store, ttl: store.set_many({"a": 1}, ttl=ttl),
        lambda store, ttl: store.touch("a", ttl),
        lambda store, ttl: store.modify("a", lambda value: value, 1, ttl=ttl),
        lambda store, ttl: store.increment("a", ttl=ttl),
    ],
)
def test_a_ttl_that_means_nothing_is_refused(open_trial, call, ttl):
    """Only seconds above 0 or a timedelta, told before anything is sent."""
    store, backend = open_trial()
    with pytest.raises(ValueError, match="ttl is"):
        call(store, ttl)
    assert not backend.calls


def test_touch_changes_the_expiry_alone(open_trial):
    """Value and version stay; None ends the expiry."""
    store, backend = open_trial()
    version = store.set("a", 1)
    store.touch("a", 60)
    entry = store.entry("a")
    assert (entry.value, entry.version) == (1, version)
    assert entry.expires_at is not None
    store.touch("a", None)
    backend.age = 100
    assert store["a"] == 1
    with pytest.raises(MissingKeyError):
        store.touch("b", 1)


# -- several keys -----------------------------------------------------------------------------


def test_many_are_written_read_and_deleted_in_one_round_trip(open_trial):
    """Absent keys are absent from the dict; the count is of what was there."""
    store, backend = open_trial(fast="yes")
    store.set_many({"a": 1, "b": 2})
    assert store.get_many(["b", "x", "a"]) == {"a": 1, "b": 2}
    assert store.delete_many(["a", "b", "x", "a"]) == 2
    assert backend.calls == ["write", "read_data", "remove"]


def test_deleting_many_works_without_the_backends_own_way(store):
    """A backend that can't count removals is read first, and required to stay as it was."""
    store.set_many({"a": 1, "b": 2})
    assert store.delete_many(["a", "b", "x", "a"]) == 2
    assert store.delete_many(["a", "b"]) == 0


def test_none_of_many_is_no_call(open_trial):
    """Nothing to do is done without asking the store."""
    store, backend = open_trial()
    store.set_many({})
    assert store.get_many([]) == {}
    assert store.delete_many([]) == 0
    assert not backend.calls


@pytest.mark.parametrize("call", ["get_many", "delete_many"])
@pytest.mark.parametrize("one", ["abc", b"abc"])
def test_one_key_is_not_taken_for_many(store, call, one):
    """A str is a key, not the keys of its letters; the message says what to write."""
    with pytest.raises(TypeError, match="several keys were expected"):
        getattr(store, call)(one)


def test_many_keys_may_come_from_any_iterable(store):
    """Generators and other stores' keys will do."""
    store.update({"a": 1, "b": 2})
    assert store.get_many(key for key in "ab") == {"a": 1, "b": 2}
    assert store.delete_many(store.keys()) == 2


# -- all keys ---------------------------------------------------------------------------------


def test_clear_of_a_whole_store_must_be_meant(store):
    """Without a scope it asks for everything=True, and removes nothing."""
    store["a"] = 1
    with pytest.raises(InvalidKeyError, match="clear\\(everything=True\\)"):
        store.clear()
    assert "a" in store
    store.clear(everything=True)
    assert not store


@pytest.mark.parametrize("options", [{}, {"fast": "yes"}, {"several_keys": "no"}])
def test_clear_of_a_scope_removes_its_keys_alone(open_trial, options):
    """Whatever the backend can, siblings stay."""
    store, _ = open_trial(**options)
    for key in ("run/a", "run/b/c", "run", "run-2/a", "other"):
        store[key] = 1
    (store / "run").clear()
    assert sorted(store) == ["other", "run", "run-2/a"]


def test_len_asks_the_backend_that_can_count(open_trial):
    """One round trip where there is such a way, a scan where there is none."""
    store, backend = open_trial(fast="yes")
    store.update({"run/a": 1, "run/b": 2, "c": 3})
    backend.calls.clear()
    assert (len(store), len(store / "run")) == (3, 2)
    assert "scan" not in backend.calls


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.set_many({"a": 1, "b": 2}),
        lambda store: store.update(a=1, b=2),
        lambda store: store.delete_many(["a", "b"]),
    ],
)
def test_several_keys_are_refused_where_they_are_not_offered(open_trial, call):
    """A store of single keys says so before anything is sent; one key of many is fine."""
    store, backend = open_trial(several_keys="no")
    with pytest.raises(UnsupportedOperationError, match="one key at a time") as caught:
        call(store)
    assert not backend.calls
    assert caught.value.store == store.info().url
    store.set_many({"a": 1})
    assert store.delete_many(["a", "a"]) == 1


@pytest.mark.parametrize("ttl", [1, timedelta(seconds=1), KEEP])
def test_an_expiry_is_refused_where_none_is_offered(open_trial, ttl):
    """A store without expiry says so before anything is sent."""
    store, backend = open_trial(expiry="no")
    with pytest.raises(UnsupportedOperationError, match="can't expire; leave ttl out"):
        store.set("a", 1, ttl=ttl)
    assert not backend.calls
    store.set("a", 1)


def test_modify_needs_no_expiry(open_trial):
    """What keeps the expiry by default works where there is none."""
    store, _ = open_trial(expiry="no")
    assert store.increment("a") == 1
    assert store.modify("a", lambda value: value + 1) == 2
