"""JSON: readable by anything; what would not come back as it is, is an error."""

import json

import pytest
from hypothesis import given, strategies as st

from qstate import SerializationError, connect
from qstate.serializers.codec import ValueCodec
from qstate.serializers.json import JSONSerializer

serializer = JSONSerializer()

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXT, inner)),
    max_leaves=10,
)


@given(VALUES)
def test_what_json_has_a_form_for_comes_back_and_anything_reads_it(value):
    """With types, order and signs."""
    [data] = serializer.encode(value)
    assert repr(serializer.decode(data)) == repr(value) == repr(json.loads(data))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": [1, (2,)]}, r"\$\.a\[1\]: JSON has no form for a tuple"),
        ({"a": {1: 2}}, r"\$\.a: JSON's keys are text, not int as 1"),
        ({None: 2}, "not NoneType"),
        ([float("nan")], r"\$\[0\]: JSON has no form for nan"),
        (float("-inf"), "no form for -inf"),
        (b"a", r"\$: JSON has no form for a bytes"),
        ({1, 2}, "a set"),
        (type("Text", (str,), {})("a"), "a Text"),
        (1j, "a complex"),
        ("\ud800", "no form in JSON"),
    ],
    ids=repr,
)
def test_what_json_would_change_is_an_error_with_its_path(value, told):
    """Never a list for a tuple, nor text for a number."""
    with pytest.raises(SerializationError, match=told):
        serializer.encode(value)


def test_a_cycle_and_a_deep_value_are_told():
    """They end, with an error."""
    cycle = []
    cycle.append(cycle)
    with pytest.raises(SerializationError, match="contains itself"):
        serializer.encode(cycle)


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b"[" * 100_000, b"\xff", b"1" * 5000])
def test_bytes_that_are_no_json_are_an_error(data):
    """However deep or long they are."""
    with pytest.raises(SerializationError, match="can't be read as JSON"):
        serializer.decode(data)


def test_stores_read_what_other_serializers_wrote_but_not_pickles():
    """The frame says which wrote it; unpickling must be asked for."""
    names = ("msgpack", "json", "pickle")
    stores = {name: connect("memory://serializers", serializer=name) for name in names}
    value = {"k": [1, None, -0.0]}
    for name, store in stores.items():
        store[name] = value
    for name, store in stores.items():
        assert repr(store["msgpack"]) == repr(store["json"]) == repr(value)
        if name == "pickle":
            assert store["pickle"] == value
        else:
            with pytest.raises(SerializationError, match="opened with serializer='pickle'"):
                store["pickle"]
    stores["json"].clear(everything=True)


def test_a_serializer_is_chosen_in_the_url():
    """As by keyword."""
    with connect("memory://?serializer=json") as store:
        assert store.info().serializer == "json"
        with pytest.raises(SerializationError, match="a tuple"):
            store["k"] = (1,)


def test_pickle_carries_any_type_and_tells_what_it_can_not():
    """Errors of both directions are SerializationErrors."""
    codec = ValueCodec("pickle")
    assert codec.decode(b"".join(codec.encode(range(3))))[0] == range(3)
    with pytest.raises(SerializationError, match="can't be pickled"):
        codec.encode(lambda: None)
    with pytest.raises(SerializationError, match="can't be unpickled"):
        codec.serializer.decode(b"rubbish")
