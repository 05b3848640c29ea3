"""The default serializer: what comes back has the type that went in."""

import datetime as dt
import struct
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo

import msgpack
import pytest
from hypothesis import given, strategies as st

from qstate.serializers.msgpack import MessagePackSerializer

serializer = MessagePackSerializer()

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OFFSETS = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23))
ZONES = st.one_of(
    st.none(),
    st.just(dt.UTC),
    OFFSETS.map(dt.timezone),
    st.builds(dt.timezone, OFFSETS, TEXT),
    st.sampled_from([ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("UTC")]),
)
FOLDS = st.sampled_from([0, 1])
PATH_TEXT = TEXT.filter(lambda text: "\0" not in text)
HASHABLE_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.complex_numbers(),
    TEXT,
    st.binary(),
    st.dates(),
    st.builds(lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
              st.datetimes(), ZONES, FOLDS),
    st.builds(lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
              st.times(), ZONES, FOLDS),
    st.timedeltas(),
    st.decimals(),
    st.fractions(),
    st.uuids(),
    st.builds(Path, PATH_TEXT),
    st.builds(PurePosixPath, PATH_TEXT),
    st.builds(PureWindowsPath, PATH_TEXT),
)  # fmt: skip
HASHABLE = st.recursive(
    HASHABLE_LEAVES.filter(lambda value: not (isinstance(value, Decimal) and value.is_snan())),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)
    ),
    max_leaves=4,
)
VALUES = st.recursive(
    st.one_of(HASHABLE, st.binary().map(bytearray), st.sets(HASHABLE, max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=4),
    ),
    max_leaves=12,
)


def encoded(value):
    """The bytes of a value."""
    return b"".join(serializer.encode(value))


def there_and_back(value):
    """The value as a reader gets it."""
    return serializer.decode(encoded(value))


def same(one, other):
    """Whether two values are the same to the last bit, types, order and signs included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other) or (one != one and other != other)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, Decimal):
        return str(one) == str(other)
    if isinstance(one, (dt.datetime, dt.time)):
        wall = one.replace(tzinfo=None) == other.replace(tzinfo=None)
        return wall and one.fold == other.fold and same_zone(one.tzinfo, other.tzinfo)
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, (set, frozenset)):
        left = list(other)
        return len(one) == len(left) and all(any(same(a, b) for b in left) for a in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def same_zone(one, other):
    """Whether two time zones are the same, by name and offset."""
    if one is None or isinstance(one, ZoneInfo):
        return one is other
    offsets = one.utcoffset(None) == other.utcoffset(None)
    return type(one) is type(other) and offsets and one.tzname(None) == other.tzname(None)


@given(VALUES)
def test_every_value_comes_back_as_it_was(value):
    """Any nesting of the listed types has the same types, order, signs and bits."""
    assert same(there_and_back(value), value)


@given(VALUES)
def test_the_bytes_are_standard_messagepack(value):
    """Any MessagePack reader can take them apart."""
    msgpack.unpackb(encoded(value), strict_map_key=False)


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        float("nan"),
        float("inf"),
        complex(-0.0, float("nan")),
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        -(2**63) - 1,
        10**400,
        {1: "int", "1": "str", (1,): "tuple", 1.5: "float", None: "none"},
        {True: "bool", 2: "int"},
        {(1, (2, "a")): {frozenset({1}): b"x"}},
        [bytearray(b"a"), b"a", [bytearray(b"")], {"k": bytearray(b"b")}],
        (bytearray(b"in a tuple"), [bytearray(b"deeper")]),
        [b"\xc4", bytearray(b"\xc4")],
        dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=1), "CET")),
        dt.datetime.min,
        dt.datetime.max.replace(tzinfo=dt.UTC),
        dt.time(1, 2, 3, 4, tzinfo=dt.UTC, fold=1),
        dt.timedelta.min,
        dt.timedelta(microseconds=-1),
        Decimal("1.10"),
        Decimal("-0E+5"),
        Decimal("sNaN"),
        Fraction(-1, 3),
        uuid.UUID(int=0),
        (),
        set(),
        frozenset(),
        {},
        "",
        b"",
        "é\0\U0001f600",
        Path("a/b"),
        PureWindowsPath("C:\\a"),
    ],
    ids=repr,
)
def test_values_at_the_edges(value):
    """Signs, big integers, empty containers, folds and zones are kept."""
    assert same(there_and_back(value), value)


def test_the_order_of_a_dict_is_kept():
    """Keys come back in the order they were written in."""
    assert list(there_and_back({"b": 1, "a": 2, 3: 4})) == ["b", "a", 3]


def test_a_value_read_twice_is_two_values():
    """Each reader has its own, bytearrays too."""
    data = encoded({"a": [bytearray(b"x")]})
    first, second = serializer.decode(data), serializer.decode(data)
    first["a"][0].append(7)
    assert second == {"a": [bytearray(b"x")]}
