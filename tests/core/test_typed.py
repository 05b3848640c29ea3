"""Typed reads: a value is checked against a type and built as one, or the error has the path."""

import asyncio
import collections.abc
import dataclasses
import typing
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict

import numpy as np
import pytest

from qstate import MissingKeyError, SerializationError
from tests.core.serializers.samples import (
    Circuit,
    Colour,
    Counted,
    Frozen,
    Gate,
    Model,
    Point,
    Struct,
)  # fmt: skip


class Settings(TypedDict):
    shots: int
    gate: NotRequired[Gate]


Shots = NewType("Shots", int)


@dataclasses.dataclass
class Checked:
    n: int

    def __post_init__(self):
        if self.n < 0:
            raise ValueError("n is below 0")


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (1, int, 1),
        (1, float, 1.0),
        (None, int | None, None),
        (None, None, None),
        ("a", int | str, "a"),
        (1, float | int, 1),
        (1, Any, 1),
        (1, object, 1),
        ([1, 2], list[int], [1, 2]),
        ([1, 2], list, [1, 2]),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([1, "a"], tuple[int, str], (1, "a")),
        ([1, 1], set[int], {1}),
        ({1: [2]}, dict[int, list[float]], {1: [2.0]}),
        ({1: 2}, collections.abc.Mapping[int, int], {1: 2}),
        ([1], collections.abc.Sequence[int], [1]),
        ([1], typing.Iterable[int], [1]),
        ("x", Literal["x", 2], "x"),
        (1, Annotated[int, "note"], 1),
        (1, Shots, 1),
        ("red", Colour, Colour.RED),
        (Colour.RED, Colour, Colour.RED),
        ([Colour.RED], list[Colour | int], [Colour.RED]),
        ({"shots": 1, "gate": {"gate": "x"}}, Settings, {"shots": 1, "gate": Gate("x")}),
        ({"params": [{"gate": "x"}]}, Circuit, Circuit([Gate("x")])),
        ({"x": 1}, Point, Point(x=1)),
        (Circuit([Gate("x")]), Circuit, Circuit([Gate("x")])),
        (Circuit([Gate("x")]), Any, Circuit([Gate("x")])),
        (Circuit([Gate("x")]), dict[str, Any], {"params": [Gate("x")], "note": None, "tags": {}}),
        (Gate("x", 1), dict, {"gate": "x", "qubit": 1}),
        ([Gate("x"), Counted(1)], list[Counted | Gate], [Gate("x"), Counted(1)]),
        ({"k": Gate("x")}, dict, {"k": {"gate": "x", "qubit": 0}}),
        ({"a": 1}, Struct, Struct(1)),
        ({"gate": "x", "at": [1, 2]}, Frozen, Frozen(gate="x", at=(1, 2))),
        (Struct(1, [Frozen(gate="x")]), Struct, Struct(1, [Frozen(gate="x")])),
        (Struct(1), dict, {"a": 1, "rest": None}),
        ({Point(x=1): Gate("x")}, dict, {Point(x=1): {"gate": "x", "qubit": 0}}),
        ({"a": "1", "inner": [{"a": 2}]}, Model, Model(a=1, inner=[Model(a=2)])),
        (Model(a=1, inner=[Model(a=2)]), list[Model] | Model, Model(a=1, inner=[Model(a=2)])),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_a_value_is_built_as_the_type(store, value, wanted, expected):
    """From plain data as from what was stored as that type."""
    store["k"] = value
    found = store.get("k", type=wanted)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "wanted", "told"),
    [
        ({"params": [{"gate": "a"}, {"gate": "b"}, {"gate": "c"}, {"gate": 5}]}, Circuit,
         "$.params[3].gate: expected str, got int"),
        (Circuit([Gate("a"), Gate(5)]), Circuit, "$.params[1].gate: expected str, got int"),
        ("a", int, "$: expected int, got str"),
        (True, int, "$: expected int, got bool"),
        (1.0, int, "$: expected int, got float"),
        (1, str, "$: expected str, got int"),
        (1, str | None, "$: expected str | None, got int"),
        ({"k": 1.5}, dict[str, int | None], "$.k: expected int | None, got float"),
        ([1, [2, "x"]], list[int | list[int]], "$[1][1]: expected int, got str"),
        ({"a b": 1}, dict[str, str], "$['a b']: expected str, got int"),
        ({1: 1}, dict[str, int], "$[1] (key): expected str, got int"),
        ([1], tuple[int, int], "$: expected 2 parts in the tuple, got 1"),
        ("ab", list[str], "$: expected list, got str"),
        ("y", Literal["x", 2], "$: expected one of 'x', 2, got 'y'"),
        ("green", Colour, "$: expected Colour, got 'green'"),
        ({}, Settings, "$: the required key 'shots' is missing"),
        ({"qubit": 1}, Gate, "$: "),
        ({"n": -1}, Checked, "$: n is below 0"),
        ({"k": [{"a": "x"}]}, dict[str, list[Struct]], "$.k[0].a: expected int, got str"),
        ({"k": [{"a": 1, "inner": [{"a": "x"}]}]}, dict[str, list[Model]], "$.k[0].inner[0].a: "),
        (Struct("text"), Struct, "$.a: expected int, got str"),
        (Gate("x"), int, "$: expected int, got Gate"),
        (np.arange(3), list[int], "$: expected list, got ndarray"),
    ],
    ids=lambda value: f"{value!r:.40}",
)  # fmt: skip
def test_a_mismatch_names_its_path(store, value, wanted, told):
    """What was expected, what stands there, and the key."""
    store["k"] = value
    with pytest.raises(SerializationError) as caught:
        store.get("k", type=wanted)
    assert f"'k' is not of the type: {told}" in str(caught.value)
    assert caught.value.key == "k"


def test_an_array_is_checked_by_its_class(store):
    """Inside dataclasses too, without a copy of anything large."""
    store["k"] = Circuit([], np.arange(3))
    assert store.get("k", type=Circuit).note.tolist() == [0, 1, 2]
    assert store.get("k", type=dict)["note"].tolist() == [0, 1, 2]
    store["array"] = np.arange(3)
    assert store.get("array", type=np.ndarray).tolist() == [0, 1, 2]


def test_a_default_is_not_checked(store):
    """Where nothing stands it is returned as it is."""
    assert store.get("absent", type=int) is None
    assert store.get("absent", "none", type=int) == "none"


def test_what_is_no_type_is_an_error(store):
    """Not of the value, but of the call."""
    store["k"] = 1
    with pytest.raises(TypeError, match="nothing that a value can be checked against"):
        store.get("k", type=5)


def test_transactions_and_async_stores_read_typed_too(store):
    """What a transaction has written itself, and what stood there."""
    store["k"] = {"gate": "x"}
    with store.transaction() as tx:
        assert tx.get("k", type=Gate) == Gate("x")
        tx["k"] = {"gate": "y"}
        assert tx.get("k", type=Gate) == Gate("y")

    async def read():
        async with store.aio.transaction() as tx:
            inside = await tx.get("k", type=Gate)
        return inside, await store.aio.get("k", type=Gate)

    assert asyncio.run(read()) == (Gate("y"), Gate("y"))


def test_a_store_of_one_type(store):
    """A mapping whose every read is checked."""
    gates = store.typed(Gate)
    gates["a"] = Gate("x")
    store["b"] = {"gate": "y"}
    gates.set("c", Gate("z"), ttl=60)
    assert dict(gates.items()) == {"a": Gate("x"), "b": Gate("y"), "c": Gate("z")}
    assert gates["b"] == gates.get("b") == Gate("y")
    assert next(iter(gates.values())) == Gate("x")
    assert ("a" in gates, "z" in gates, len(gates)) == (True, False, 3)
    assert gates.get("absent") is None
    assert gates.pop("c") == Gate("z")
    del gates["a"]
    store["b"] = 5
    with pytest.raises(SerializationError, match=r"\$: expected Gate, got int"):
        gates["b"]
    with pytest.raises(MissingKeyError):
        gates["a"]
    (gates / "scope")["k"] = Gate("in")
    assert store["scope/k"] == Gate("in")
    assert "typed(Gate)" in repr(gates)


def test_an_async_store_of_one_type(store):
    """Its reads are checked too."""

    async def use():
        gates = store.aio.typed(Gate)
        await gates.set("a", Gate("x"))
        store["b"] = {"gate": "y"}
        items = {key: value async for key, value in gates.items()}
        return items, await gates.get("a"), await gates.get("absent", 0)

    items = {"a": Gate("x"), "b": Gate("y")}
    assert asyncio.run(use()) == (items, Gate("x"), 0)
