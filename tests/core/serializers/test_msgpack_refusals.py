"""What the default serializer refuses to write and to read: told with its path, and no crash."""

import collections
import contextlib
import datetime as dt
import threading
import uuid

import msgpack
import pytest
from hypothesis import given, strategies as st

from qstate import SerializationError
from qstate.serializers.msgpack import MessagePackSerializer

serializer = MessagePackSerializer()


def encoded(value):
    """The bytes of a value."""
    return b"".join(serializer.encode(value))


def there_and_back(value):
    """The value as a reader gets it."""
    return serializer.decode(encoded(value))


class Point(collections.namedtuple("Point", "x y")):
    """A subclass of tuple."""


class Name(str):
    """A subclass of str."""

    __slots__ = ()


class Celsius(float):
    """A subclass of float."""


class Moment(dt.datetime):
    """A subclass of datetime."""


@pytest.mark.parametrize(
    "value",
    [
        Point(1, 2),
        Name("a"),
        Celsius(1),
        Moment(2024, 1, 1),
        collections.OrderedDict(a=1),
        collections.defaultdict(list),
        collections.Counter("a"),
        type("Bytes", (bytes,), {})(b"a"),
        type("List", (list,), {})(),
        type("Set", (set,), {})(),
        type("Identity", (uuid.UUID,), {})(int=1),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"k": (v,)}])
def test_a_subclass_never_comes_back_as_its_parent(value, wrap):
    """It is refused, at the top as inside."""
    with pytest.raises(SerializationError, match=f"no serializer for .*{type(value).__name__}"):
        encoded(wrap(value))


@pytest.mark.parametrize(
    "value",
    [
        object(),
        object,
        len,
        lambda: None,
        range(3),
        iter([]),
        memoryview(b"a"),
        [memoryview(b"a")],
        Exception("a"),
        dt.datetime(2024, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {})()),
        "\ud800",
        ...,
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_unknown_type_is_refused_and_never_pickled(value):
    """The message says what could not be written."""
    with pytest.raises(SerializationError, match=r"^\$"):
        encoded(value)


class Gate:
    """A type that no serializer knows."""


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Gate(), "$"),
        ({"a": [1, 2, 3, {"b": Gate()}]}, "$.a[3].b"),
        ({"a": [1, (2, Gate())]}, "$.a[1][1]"),
        ({"a key": {7: Gate()}}, "$['a key'][7]"),
        ({"params": {(1, 2): [Gate()]}}, "$.params[(1, 2)][0]"),
        ([{"fine": 1}, {"bad": {Gate()}}], "$[1].bad"),
        ({"a": {Gate(): 1}}, "$.a"),
        ([1, memoryview(b"a")], "$[1]"),
        ({"text": ["fine", "\ud800"]}, "$.text[1]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_message_has_the_path_to_what_is_refused(value, path):
    """A large value is not searched by hand."""
    with pytest.raises(SerializationError) as caught:
        encoded(value)
    assert str(caught.value).startswith(f"{path}: ")


def nested(kind, depth):
    """An empty container inside so many others."""
    value = kind()
    for _ in range(depth):
        value = {"k": value} if kind is dict else kind((value,))
    return value


def cycles():
    """Values that contain themselves."""
    listed = []
    listed.append(listed)
    mapped = {}
    mapped["self"] = mapped
    mixed = ([],)
    mixed[0].append(mixed)
    return [listed, mapped, mixed]


@pytest.mark.parametrize("number", range(3))
def test_a_value_that_contains_itself_is_refused(number):
    """A cycle is told, not followed."""
    with pytest.raises(SerializationError, match=r"contains itself|inside one another"):
        encoded(cycles()[number])


@pytest.mark.parametrize("kind", [list, dict, tuple, frozenset])
@pytest.mark.parametrize("depth", [0, 1, 10, 31])
def test_what_is_nested_comes_back(kind, depth):
    """As deep as anyone means it."""
    assert there_and_back(nested(kind, depth)) == nested(kind, depth)


@pytest.mark.parametrize("kind", [list, dict, tuple, frozenset])
@pytest.mark.parametrize("depth", [200, 900, 1023, 1500, 5000])
def test_what_is_nested_too_deeply_is_refused_when_written(kind, depth):
    """A value is refused, or written so that it can be read."""
    value = nested(kind, depth) if depth < 900 or kind is not frozenset else nested(frozenset, 200)
    try:
        data = encoded(value)
    except SerializationError:
        return
    assert type(serializer.decode(data)) is kind


def test_what_was_written_is_read_on_any_thread():
    """Deep values do not depend on the stack of the one who reads them."""
    value = 7
    for _ in range(31):
        value = (nested(list, 100), value)
    data, got = encoded(value), []
    old = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: got.append(serializer.decode(data)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    assert got == [value]


def hostile(number, depth):
    """An extension inside so many others, as no writer makes it."""
    data = msgpack.packb([])
    for _ in range(depth):
        data = msgpack.packb([msgpack.ExtType(number, data)])
    return data


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("depth", [40, 1000, 5000])
def test_hostile_nesting_is_an_error_and_no_crash(number, depth):
    """Bytes that would overflow the stack of a reader are told."""
    with pytest.raises(SerializationError):
        serializer.decode(hostile(number, depth))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffabc",
        b"\x91" * 3000 + b"\xc0",
        b"\x81\x90\x01",
        b"\xa1\xff",
        msgpack.packb(msgpack.ExtType(7, msgpack.packb(["2024", 0, "No/Where"]))),
        msgpack.packb(msgpack.ExtType(8, b"no date")),
        msgpack.packb(msgpack.ExtType(9, b"")),
        msgpack.packb(msgpack.ExtType(5, b"short")),
        msgpack.packb(msgpack.ExtType(12, msgpack.packb([1, 0]))),
        msgpack.packb(msgpack.ExtType(13, b"short")),
        msgpack.packb(msgpack.ExtType(14, msgpack.packb(["nowhere", "a"]))),
        msgpack.packb(msgpack.ExtType(3, msgpack.packb([[]]))),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_bytes_that_are_no_value_are_an_error(data):
    """Lengths that lie, wrong extensions, rubbish: told, and nothing large is made for them."""
    with pytest.raises(SerializationError):
        serializer.decode(data)


def test_an_extension_of_a_later_version_says_upgrade():
    """A number that is not known here is of a later qstate."""
    with pytest.raises(SerializationError, match=r"type 99, unknown .*upgrade qstate"):
        serializer.decode(msgpack.packb(msgpack.ExtType(99, b"")))


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_else(data):
    """Whatever is read, it is a value or a SerializationError."""
    with contextlib.suppress(SerializationError):
        serializer.decode(data)


def test_a_failed_value_spoils_no_later_one():
    """After a refusal the next value is written as if nothing had been."""
    for _ in range(3):
        with pytest.raises(SerializationError):
            encoded([1, 2, {"a": Gate()}])
        assert encoded([1]) == msgpack.packb([1])


def test_threads_share_a_serializer():
    """Values written at once do not mix."""
    values = [[number] * 1000 for number in range(8)]
    mixed = []

    def check(value):
        mixed.extend(value for _ in range(50) if there_and_back(value) != value)

    threads = [threading.Thread(target=check, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mixed
