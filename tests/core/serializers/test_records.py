"""Enums and dataclasses of a user's own: the same class back, found by name, run by nothing."""

import dataclasses
import sys
import types

import msgpack
import pytest

from qstate import SerializationError, connect, register_type
from qstate.serializers import classes
from qstate.serializers.msgpack import MessagePackSerializer
from tests.core.serializers import samples
from tests.core.serializers.samples import (
    Access,
    Bits,
    Circuit,
    Closing,
    Colour,
    Counted,
    Gate,
    Level,
    Odd,
    Plain,
    Point,
    Rows,
    Word,
)  # fmt: skip

serializer = MessagePackSerializer()


def encoded(value):
    """The bytes of a value."""
    return b"".join(serializer.encode(value))


def there_and_back(value):
    """The value as a reader gets it."""
    return serializer.decode(encoded(value))


@pytest.fixture
def store():
    with connect("memory://") as store:
        yield store


@pytest.mark.parametrize(
    "value",
    [Colour.RED, Level.LOW, Word.YES, Access.READ, Access.READ | Access.WRITE, Access(0), Bits(3),
     Odd.OBJECT],
    ids=str,
)  # fmt: skip
def test_a_member_of_an_enum_is_the_same_member(value):
    """Never the number or text that it stands for; as a key and inside too."""
    assert there_and_back(value) is value
    assert there_and_back([{value: (value,)}]) == [{value: (value,)}]
    assert type(next(iter(there_and_back({value: 1})))) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        Gate("x", 2),
        Circuit([Gate("x"), Gate("y")], (Gate("z"), {1, 2}), {"a": Gate("a")}),
        Point(x=1, y=0.5),
        {Point(x=1): [Point(x=2)]},
        Circuit([], bytearray(b"x")),
    ],
    ids=repr,
)
def test_a_dataclass_comes_back_as_it_was(value):
    """Frozen, with slots, with fields that no argument sets: nested, and as keys."""
    found = there_and_back(value)
    assert found == value
    assert repr(found) == repr(value)


def test_reading_runs_neither_init_nor_post_init():
    """What was stored is restored, not made again."""
    data = encoded(Counted(1))
    Counted.made = 0
    assert serializer.decode(data) == Counted(1)
    assert Counted.made == 1  # the one to compare with


def test_fields_may_come_and_go(monkeypatch):
    """One added since takes its default, one removed since is left out."""
    data = encoded({"inside": [Gate("x", 7)]})
    later = dataclasses.make_dataclass(
        "Gate",
        ["gate", ("shots", int, 100), ("log", list, dataclasses.field(default_factory=list))],
        namespace={"__module__": Gate.__module__},
    )
    monkeypatch.setattr(samples, "Gate", later)
    [gate] = serializer.decode(data)["inside"]
    assert gate == later("x", 100, [])


def test_a_field_without_a_default_that_was_added_is_told(monkeypatch):
    """The message names it."""
    data = encoded(Gate("x"))
    later = dataclasses.make_dataclass(
        "Gate", ["gate", "shots"], namespace={"__module__": Gate.__module__}
    )
    monkeypatch.setattr(samples, "Gate", later)
    with pytest.raises(SerializationError, match=r"Gate has a field 'shots' that the stored"):
        serializer.decode(data)


def test_a_class_that_is_gone_is_named_and_its_fields_can_be_read(store, monkeypatch):
    """As dicts, nested ones too."""
    module = types.ModuleType("gone_module")
    monkeypatch.setitem(sys.modules, "gone_module", module)
    exec(
        "import dataclasses, enum\n"
        "class Kind(enum.Enum): A = 'a'\n"
        "@dataclasses.dataclass\nclass Gone:\n    n: object\n    kind: object = Kind.A\n",
        module.__dict__,
    )
    store["k"] = [module.Gone(module.Gone(1))]
    store["one"] = module.Gone(2)
    monkeypatch.delitem(sys.modules, "gone_module")
    classes._remembered.clear()
    with pytest.raises(SerializationError, match=r"gone_module\.\w+ of the value is not here"):
        store["k"]
    assert store.get("k", type=list[dict]) == [{"n": {"n": 1, "kind": "a"}, "kind": "a"}]
    assert store.get("one", type=dict) == {"n": 2, "kind": "a"}
    with pytest.raises(SerializationError, match="expected dict, got list"):
        store.get("k", type=dict)


@pytest.mark.parametrize(
    ("module", "qualname"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("subprocess", "Popen"),
        ("builtins", "object"),
        ("this", "s"),
        ("qstate", "connect"),
        ("", ""),
        ("tests.core.serializers.samples", "Plain"),
        ("tests.core.serializers.samples", "Colour"),
        ("tests.core.serializers.samples", "Closing"),
        ("tests.core.serializers.samples", "Gate.__init__"),
        ("tests.core.serializers.samples", "dataclasses.dataclass"),
    ],
)
@pytest.mark.parametrize("number", [19, 20])
def test_hostile_names_are_an_error(module, qualname, number):
    """What is no dataclass, or not imported, is never called, made or imported."""
    before = set(sys.modules)
    stored = [module, qualname, "A" if number == 19 else {}, None]
    with pytest.raises(SerializationError):
        serializer.decode(msgpack.packb(msgpack.ExtType(number, msgpack.packb(stored))))
    assert set(sys.modules) == before
    assert "this" not in sys.modules


def test_what_is_more_than_its_fields_is_refused():
    """A list with fields, an object that acts when it goes: told, not cut down to their fields."""
    for value in (Rows(), Closing(1), Plain()):
        with pytest.raises(SerializationError, match=r"^\$\[0\]"):
            encoded([value])


def test_a_class_made_inside_a_function_is_refused_until_it_is_registered():
    """No reader would find it by its name."""

    @dataclasses.dataclass
    class Local:
        n: int

    with pytest.raises(SerializationError, match="made inside a function"):
        encoded(Local(1))
    register_type(Local)
    assert there_and_back(Local(1)) == Local(1)


@pytest.mark.parametrize("make", [lambda v: [v], lambda v: {"a": v}, lambda v: Circuit(v)])
def test_a_cycle_is_told_with_its_path(make):
    """Where the value is met again, and what it is."""
    inner = []
    inner.append({"self": make(inner)})
    with pytest.raises(SerializationError, match=r"^\$\.k\[0\]\.self.*: the value contains itself"):
        encoded({"k": inner})


def test_what_is_shared_is_two_things_afterwards():
    """A value is a tree: each place has its own."""
    shared = [1]
    found = there_and_back([shared, shared])
    assert found == [[1], [1]]
    assert found[0] is not found[1]


def test_a_value_of_ten_thousand_bits_comes_back():
    """Integers have any size, in a fraction and in an enum's place too."""
    from fractions import Fraction

    huge = 1 << 10_000
    assert there_and_back([huge, -huge, Fraction(huge, 3), {huge: huge}]) == [
        huge, -huge, Fraction(huge, 3), {huge: huge},
    ]  # fmt: skip
