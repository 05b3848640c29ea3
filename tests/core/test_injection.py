"""The ambient store, and what a decorated function is handed."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import qstate
from qstate import StateHandler, StateStore, current, override, remote
from qstate.injection import Injection


class Notes:
    """A handler of a user's own: ``get`` and ``set``, and nothing else."""

    def __init__(self, **values):
        self.values = values

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = value


class LabNotes(Notes, StateHandler):
    """One that says what it is."""


@pytest.fixture
def notes():
    return Notes(seed=1)


def fill(function, state, args, kwargs):
    return Injection(function, state).fill(args, kwargs, lambda handed: handed)


def handed(function, *args, state=None, **kwargs):
    args, kwargs = fill(function, state, args, kwargs)
    return function(*args, **kwargs)


def test_current_is_the_default_store_of_the_environment(monkeypatch):
    """Without an override, current() is what connect() gives: $QSTATE_URL where it is set."""
    monkeypatch.setenv("QSTATE_URL", "memory://ambient")
    assert current() == qstate.connect("memory://ambient")


def test_override_is_the_innermost_and_ends(notes):
    """override() nests, gives its store to the with statement, and restores what was before."""
    outer = Notes()
    with override(outer):
        with override(notes) as inner:
            assert inner is notes
            assert current() is notes
        assert current() is outer


def test_override_with_an_empty_store_counts():
    """A store that is empty, and so false, overrides like any other."""
    with qstate.connect("memory://") as store, override(store):
        assert not store
        assert current() is store


def test_override_ends_with_an_error(notes):
    """An error that leaves the with statement ends the override as well."""
    outer = Notes()
    with override(outer):
        with pytest.raises(ZeroDivisionError), override(notes):
            1 / 0  # noqa: B018
        assert current() is outer


def test_one_override_may_be_entered_again(notes):
    """The same override object can be entered while it is entered."""
    swap = override(notes)
    with swap, swap:
        assert current() is notes
    with override(Notes()) as other:
        assert current() is other


def test_coroutines_see_their_own_override():
    """Two coroutines that run at the same time each see the store of their own override."""

    async def seen(store):
        with override(store):
            await asyncio.sleep(0)
            return current()

    async def both(first, second):
        return await asyncio.gather(seen(first), seen(second))

    first, second = Notes(), Notes()
    assert asyncio.run(both(first, second)) == [first, second]


def test_the_state_is_the_first_argument(notes):
    """state= comes first, before what the caller gives by position or by name."""

    def function(state, shots, *, seed=0):
        return state, shots, seed

    assert handed(function, 100, state=notes) == (notes, 100, 0)
    assert handed(function, shots=100, seed=7, state=notes) == (notes, 100, 7)


def test_a_function_of_any_arguments_takes_the_state_first(notes):
    """A function of *args gets the state before them."""

    def function(*args, **kwargs):
        return args, kwargs

    assert handed(function, 1, a=2, state=notes) == ((notes, 1), {"a": 2})


@pytest.mark.parametrize("kind", [StateHandler, StateStore, LabNotes, StateStore | None])
def test_an_annotated_parameter_is_filled_from_the_ambient_store(notes, kind):
    """Without state=, the parameter annotated as a handler or a store is filled."""

    def function(shots, state, seed=0):
        return state, shots, seed

    function.__annotations__ = {"shots": int, "state": kind}
    with override(notes):
        assert handed(function, 100, 7) == (notes, 100, 7)


def test_an_annotation_as_text_is_understood(notes):
    """Annotations that are text, as from __future__, are resolved."""

    def function(state: StateStore, shots: int):
        return state, shots

    assert isinstance(function.__annotations__["state"], str)
    with override(notes):
        assert handed(function, 100) == (notes, 100)


def test_an_annotation_that_only_type_checkers_see_does_no_harm(notes):
    """Where another annotation can't be resolved, the state's is still found by its name."""

    def function(circuit: OnlyForTypeCheckers, state: qstate.StateStore):  # noqa: F821
        return circuit, state

    with override(notes):
        assert handed(function, "h 0") == ("h 0", notes)


def test_without_annotation_and_state_nothing_is_handed():
    """A function that asks for no state gets none."""

    def function(shots: int, label: str = "") -> StateStore | None:
        return (shots, label)

    assert handed(function, 100) == (100, "")
    assert str(Injection(function).parameter.signature).startswith("(shots")


def test_what_the_caller_gives_wins(notes):
    """A state given by the caller, by name or in its place, is the one that is used."""

    def function(state, shots=1):
        return state

    given = Notes()
    assert handed(function, 5, state=notes) is notes
    assert handed(function, given, state=notes) is given
    assert handed(function, given, 5, state=notes) is given
    assert fill(function, notes, (5,), {"state": given}) == ((given, 5), {})


def test_an_override_wins_over_the_bound_store(notes):
    """override() replaces the store that was bound at import, but not one the caller gives."""

    def function(state, shots):
        return state

    swapped, given = Notes(), Notes()
    with override(swapped):
        assert handed(function, 1, state=notes) is swapped
        assert handed(function, given, 1, state=notes) is given


def test_the_signature_hides_the_state(notes):
    """The parameter that is filled is not in the signature that callers see."""

    @remote(state=notes)
    def function(state: Notes, shots: int, *, seed: int = 0) -> float:
        """Measure."""
        return 0.5

    assert str(inspect.signature(function)) == "(shots: 'int', *, seed: 'int' = 0) -> 'float'"
    assert list(function.__annotations__) == ["shots", "seed", "return"]
    assert (function.__name__, function.__doc__) == ("function", "Measure.")
    assert function.__module__ == __name__


def test_wrong_arguments_are_told_where_the_call_is(notes):
    """Arguments that do not fit are a TypeError at the call, in words of the visible signature."""

    @remote(state=notes)
    def function(state, shots):
        return shots

    with pytest.raises(TypeError, match="missing a required argument: 'shots'"):
        function.remote()
    with pytest.raises(TypeError, match="unexpected keyword argument 'shot'"):
        function.remote(1, shot=2)


def test_a_function_without_parameters_takes_no_state(notes):
    """state= on a function that has no parameter is told when it is decorated."""
    with pytest.raises(TypeError, match=r"lonely has no parameter for the state"):

        @remote(state=notes)
        def lonely():
            pass


def test_a_state_has_get_and_set():
    """state= that has no get and set is told when the function is decorated."""
    with pytest.raises(TypeError, match="state= takes anything with get and set, not dict"):
        remote(state={})(print)


def test_local_runs_here_with_the_state(notes):
    """.local() calls the function in this process, with its state, and without Ray."""

    @remote(state=notes)
    def double(state, key):
        state.set("last", key)
        return 2 * state.get(key)

    assert double.local("seed") == 2
    assert notes.values["last"] == "seed"


def test_local_keeps_coroutines_generators_and_classes(notes):
    """.local() of a coroutine function, a generator or a class gives what the plain one gives."""

    @remote(state=notes)
    async def coroutine(state):
        return state.get("seed")

    @remote(state=notes)
    def generator(state):
        yield state.get("seed")

    @remote(state=notes)
    class Counter:
        def __init__(self, state, start):
            self.total = start + state.get("seed")

    assert asyncio.run(coroutine.local()) == 1
    assert list(generator.local()) == [1]
    assert Counter.local(41).total == 42
    assert str(inspect.signature(Counter)) == "(start)"
