"""Values on their way: too large, unknown, foreign, altered; each is told, none is lost."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from qstate import SerializationError, ValueTooLargeError, Version

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
READS = {
    "get": lambda store: store.get("a", "default"),
    "[]": lambda store: store["a"],
    "entry": lambda store: store.entry("a"),
    "get_many": lambda store: store.get_many(["a"]),
    "items": lambda store: list(store.items()),
    "setdefault": lambda store: store.setdefault("a", 1),
    "pop": lambda store: store.pop("a", "default"),
    "modify": lambda store: store.modify("a", lambda value: value, 1),
    "increment": lambda store: store.increment("a"),
}


@pytest.fixture
def planted(open_trial):
    """Puts bytes under a key, past the store: planted(data) gives store and backend."""
    store, backend = open_trial()
    store["a"] = 1

    def plant(data, version=None):
        version = version or backend.records["a"].version
        backend.records["a"] = backend.records["a"]._replace(data=data, version=version)
        backend.calls.clear()
        return store, backend

    return plant


@pytest.mark.parametrize(
    "write",
    [
        lambda store: (store / "run").set("a", bytes(2000)),
        lambda store: store.set_many({"b": 1, "a": bytes(2000)}),
        lambda store: store.setdefault("a", [bytes(2000)]),
    ],
)
def test_a_value_too_large_is_told_before_it_is_sent(open_trial, write):
    """The limit is the backend's, in bytes; the message has both sizes, key and what to do."""
    store, backend = open_trial(max="1000")
    with pytest.raises(ValueTooLargeError) as caught:
        write(store)
    assert "write" not in backend.calls
    assert caught.value.key == "a"
    for part in ("'a'", "2,0", "1,000", "split it", "[store: trial://"):
        assert part in str(caught.value)


def test_a_value_of_the_limit_is_taken(open_trial):
    """The last byte counts."""
    store, backend = open_trial(max="1000")
    store["a"] = b""
    room = 1000 - len(backend.records["a"].data)
    sizes = {}
    for size in range(room - 10, room + 1):
        try:
            store["a"] = bytes(size)
        except ValueTooLargeError:
            continue
        sizes[size] = len(backend.records["a"].data)
    assert max(sizes.values()) == 1000


def test_a_value_of_unknown_type_is_told_with_its_path(open_trial):
    """The message says where inside the value it stands, and nothing is sent."""
    store, backend = open_trial()
    with pytest.raises(SerializationError) as caught:
        store["a"] = {"params": [1, 2, 3, {"gate": Gate()}]}
    assert "$.params[3].gate: no serializer for" in str(caught.value)
    assert (caught.value.key, caught.value.store) == ("a", store.info().url)
    assert not backend.calls


class Gate:
    """A type that no serializer knows."""


@given(value=JSON)
def test_json_that_something_else_wrote_is_read(planted, value):
    """Plain JSON under a key is its value."""
    store, _ = planted(json.dumps(value).encode())
    assert store["a"] == value


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b"{'a': 1}", b"[1, 2", b"hello", b"\x80\x04."]
)
def test_foreign_bytes_are_an_error_and_never_the_default(planted, call, data):
    """What can't be read is not missing: each read says so, and leaves it as it is."""
    store, backend = planted(data)
    with pytest.raises(SerializationError) as caught:
        READS[call](store)
    assert "'a' can't be read" in str(caught.value)
    assert caught.value.key == "a"
    assert backend.records["a"].data == data


@pytest.mark.parametrize("call", READS)
def test_an_altered_value_is_an_error_and_never_the_default(planted, call):
    """A frame whose checksum differs is told by each read."""
    store, backend = planted(b"")
    store["a"] = {"steps": [1, 2, 3]}
    altered = backend.records["a"].data[:-1] + b"\x07"
    store, backend = planted(altered)
    with pytest.raises(SerializationError, match="checksum differs"):
        READS[call](store)
    assert backend.records["a"].data == altered


def test_a_value_that_can_not_be_read_can_be_replaced(planted):
    """Writing, deleting and looking whether something stands need not read it."""
    store, _ = planted(b"\xff")
    assert "a" in store
    store["a"] = Fraction(1, 2)
    assert store["a"] == Fraction(1, 2)
    store, _ = planted(b"\xff")
    assert store.delete("a") is True


def test_a_serializer_is_chosen_by_option(open_trial):
    """An unknown one is told with those known."""
    assert open_trial(serializer="msgpack")[0].info().serializer == "msgpack"
    with pytest.raises(ValueError, match=r"no serializer named 'yaml'; known: .*msgpack"):
        open_trial(serializer="yaml")


def test_a_foreign_version_can_be_required(planted):
    """The version of foreign bytes is made from them, and takes its part in if_version."""
    store, _ = planted(b"[1]", Version.derived(b"[1]"))
    version = store.entry("a").version
    store.set("a", [2], if_version=version)
    assert store["a"] == [2]
