"""Which parameter of a function takes the state, and how it joins the arguments of a call."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, Final

from qstate.handler import StateHandler
from qstate.store import StateStore

_FILLED, _GIVEN, _BY_VALUE = "filled", "given", "by value"
_MOST_SHAPES: Final = 256
_VARIADIC: Final = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class StateParameter:
    """The parameter of a function that takes the state.

    Args:
        function: The function, or the class whose constructor it is about.
        first: Whether it is the first one; else it is the one annotated with ``StateHandler``,
            ``StateStore`` or a class of theirs, if there is one.
        method: Whether the function's own first parameter is the object that it is called on.

    Raises:
        TypeError: It shall be the first one, and there is none.

    Attributes:
        name: The parameter's; None: the function takes no state.
        signature: The function's, as callers see it: without the state.
    """

    def __init__(self, function: Callable[..., Any], *, first: bool, method: bool = False) -> None:
        self._full = inspect.signature(function)
        self._hints = _hints(function)
        self.name = self._first(function, method) if first else self._annotated()
        self._at = self._position()
        self.signature = self._full if self.name is None else self._without_state()
        self._shapes: dict[object, str] = {}

    def is_given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether the caller gives the state, by name or in its place.

        Raises:
            TypeError: The arguments do not fit the function.
        """
        # Whether arguments fit rests on how many there are and on their names: judged once.
        shape = (len(args), *kwargs) if kwargs else len(args)
        how = self._shapes.get(shape)
        if how is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            how = self._shapes[shape] = self._judge(args, kwargs)
        if how == _BY_VALUE:
            return isinstance(args[self._at], StateHandler)
        return how == _GIVEN

    def take(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """The state that the caller gives, and the other arguments."""
        if self.name in kwargs and not self._positional_only:
            others = {name: value for name, value in kwargs.items() if name != self.name}
            return kwargs[str(self.name)], args, others
        return args[self._at], args[: self._at] + args[self._at + 1 :], kwargs

    def put(
        self, state: StateHandler, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments together with the state."""
        if 0 <= self._at <= len(args):
            return (*args[: self._at], state, *args[self._at :]), kwargs
        return args, {**kwargs, str(self.name): state}

    def _judge(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        if self.name is None:
            self.signature.bind(*args, **kwargs)
            return _FILLED
        if self.name in kwargs and not self._positional_only:
            self.signature.bind(*args, **{n: v for n, v in kwargs.items() if n != self.name})
            return _GIVEN
        in_place = 0 <= self._at < len(args) and _binds(self._full, args, kwargs)
        if not in_place or _binds(self.signature, args, kwargs):
            self.signature.bind(*args, **kwargs)
            return _BY_VALUE if in_place and not self._followed_by_state else _FILLED
        return _GIVEN

    @property
    def _positional_only(self) -> bool:
        return self._full.parameters[str(self.name)].kind in (
            Parameter.POSITIONAL_ONLY,
            Parameter.VAR_POSITIONAL,
        )

    @property
    def _followed_by_state(self) -> bool:
        """Whether what callers see in the state's place is annotated as a state itself."""
        seen = list(self.signature.parameters)[self._at : self._at + 1]
        return bool(seen) and _is_state(self._hints.get(seen[0]))

    def _position(self) -> int:
        """Where it stands among positional arguments; -1: it is passed by name."""
        if self.name is None or self._full.parameters[self.name].kind is Parameter.KEYWORD_ONLY:
            return -1
        return list(self._full.parameters).index(self.name)

    def _first(self, function: Callable[..., Any], method: bool) -> str:
        for parameter in list(self._full.parameters.values())[method:]:
            if parameter.kind is not Parameter.VAR_KEYWORD:
                return parameter.name
        name = getattr(function, "__qualname__", function)
        raise TypeError(f"{name} has no parameter for the state; state= fills the first one")

    def _annotated(self) -> str | None:
        candidates = (p.name for p in self._full.parameters.values() if p.kind not in _VARIADIC)
        return next((name for name in candidates if _is_state(self._hints.get(name))), None)

    def _without_state(self) -> inspect.Signature:
        parameters = self._full.parameters.values()
        kept = [p for p in parameters if p.name != self.name or p.kind in _VARIADIC]
        return self._full.replace(parameters=kept)


def _binds(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _hints(function: Any) -> dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isclass(function):
        function = function.__init__
    elif not inspect.isroutine(function):
        function = type(function).__call__
    function = inspect.unwrap(function)
    names = getattr(function, "__globals__", {})
    annotations = getattr(function, "__annotations__", {})
    return {name: _resolved(hint, names) for name, hint in annotations.items()}


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """An annotation as what it means; as text where some name in it is for type checkers only."""
    one = types.SimpleNamespace(__annotations__={"hint": hint})
    try:
        return typing.get_type_hints(one, names)["hint"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return hint


def _is_state(hint: Any) -> bool:
    if isinstance(hint, str):
        choices = [choice.strip().rpartition(".")[2] for choice in hint.split("|")]
        return not {"StateHandler", "StateStore"}.isdisjoint(choices)
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    return any(
        isinstance(kind, type) and not {StateHandler, StateStore}.isdisjoint(kind.__mro__)
        for kind in kinds
    )
