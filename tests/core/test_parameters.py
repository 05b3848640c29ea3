"""Which parameter takes the state, whether the caller gives it, and what callers see."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Optional

import pytest

from qstate import StateHandler, StateStore
from qstate.parameters import StateParameter

if TYPE_CHECKING:
    from circuits import Circuit


class Notes:
    """A handler of a user's own."""

    def get(self, key):
        return None

    def set(self, key, value):
        pass


def name_of(function):
    return StateParameter(function, first=False).name


def test_the_annotated_parameter_is_found_wherever_it_stands():
    """By position or by name, in unions, in constructors and in partials."""

    def last(shots: int, *rest, label="", state: StateHandler): ...
    def union(state: StateStore | None = None): ...
    def optional(state: Optional[StateStore] = None): ...  # noqa: UP045
    def unresolved(circuit: Circuit, state: StateStore): ...

    class Lab:
        def __init__(self, shots: int, state: StateStore): ...

        def method(self, state: StateHandler): ...

    for function in (last, union, optional, unresolved, Lab, Lab.method, Lab(1, None).method):
        assert name_of(function) == "state"
    assert name_of(functools.partial(last, 100)) == "state"


def test_what_holds_states_is_none():
    """A list of stores, a dict of them, a class of stores, or a result are not the state."""

    def function(
        stores: list[StateStore],
        by_name: dict[str, StateStore],
        kind: type[StateStore],
        *rest: StateStore,
        **named: StateStore,
    ) -> StateStore: ...

    assert name_of(function) is None


def test_what_the_caller_gives_is_told_by_place_and_name():
    """A value in the state's place counts where it can be nothing else, or is a handler."""

    def function(state, shots=1, label=""): ...

    parameter = StateParameter(function, first=True)
    assert not parameter.is_given((), {})
    assert not parameter.is_given((5,), {})
    assert not parameter.is_given((5,), {"label": "x"})
    assert parameter.is_given((Notes(),), {})
    assert parameter.is_given((Notes(), 5), {})
    assert parameter.is_given((object(), 5, "x"), {})
    assert parameter.is_given((5,), {"state": Notes()})


def test_a_handler_that_another_parameter_asks_for_is_not_the_state():
    """A second store that is given is the second store."""

    def copy(state: StateStore, target: StateStore, prefix: str = ""): ...

    parameter = StateParameter(copy, first=True)
    assert not parameter.is_given((Notes(),), {})
    assert not parameter.is_given((Notes(), "run/"), {})
    assert parameter.is_given((Notes(), Notes(), "run/"), {})


def test_a_name_that_only_others_can_have_is_not_the_state():
    """`state=` goes to **options where the parameter can't be given by name."""

    def function(state, /, **options): ...

    parameter = StateParameter(function, first=True)
    assert not parameter.is_given((), {"state": "excited"})
    assert parameter.put("store", (), {"state": "excited"}) == (("store",), {"state": "excited"})


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'shots'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"seed": 2}, "unexpected keyword argument 'seed'"),
    ],
)
def test_arguments_that_do_not_fit_are_told_as_callers_see_them(args, kwargs, message):
    """The message is of the signature without the state."""

    def function(state, shots): ...

    with pytest.raises(TypeError, match=message):
        StateParameter(function, first=True).is_given(args, kwargs)


def test_many_shapes_of_calls_are_judged_alike():
    """What was judged before is judged the same after many others."""

    def function(state, **options): ...

    parameter = StateParameter(function, first=True)
    for i in range(1000):
        assert not parameter.is_given((), {f"option{i}": i})
    assert parameter.is_given((), {"state": Notes()})


def test_the_state_of_a_method_comes_after_its_object():
    """The first parameter of a method is the object that it is called on."""

    def method(self, state, shots): ...

    parameter = StateParameter(method, first=True, method=True)
    assert str(parameter.signature) == "(self, shots)"
    assert parameter.put("store", ("lab", 5), {}) == (("lab", "store", 5), {})
    with pytest.raises(TypeError, match="lonely has no parameter for the state"):
        StateParameter(_Lab.lonely, first=True, method=True)


class _Lab:
    def lonely(self): ...


def test_what_is_taken_out_can_be_put_back():
    """By name and by place."""

    def function(a, state: StateStore, b=2): ...

    parameter = StateParameter(function, first=False)
    notes = Notes()
    assert parameter.take((1, notes, 3), {}) == (notes, (1, 3), {})
    assert parameter.take((1,), {"state": notes, "b": 3}) == (notes, (1,), {"b": 3})
    assert parameter.put(notes, (1, 3), {}) == ((1, notes, 3), {})
    assert parameter.put(notes, (), {"a": 1}) == ((), {"a": 1, "state": notes})
    assert inspect.signature(function).parameters.keys() - parameter.signature.parameters == {
        "state"
    }
