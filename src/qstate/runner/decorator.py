"""remote: the decorator that makes tasks, as type checkers and people see it."""

# The first overload that fits is the one that is meant, and a class fits where a function does.
# mypy: disable-error-code="overload-overlap, overload-cannot-match"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from qstate.handler import StateHandler
from qstate.runner.target import Target, as_target
from qstate.runner.tasks import ActorTask, Task
from qstate.store import StateStore

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", covariant=True)


class _Class(Protocol[P, T]):
    """A class, by what functions do not have; its constructor takes ``P``."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def mro(self) -> list[type]: ...


class _Anything:
    """What a parameter takes only where it is not annotated, or takes every object."""


class _WithState(Protocol):
    """The decorator where ``state=`` is given: the first parameter is filled."""

    @overload
    def __call__(self, target: _Class[Concatenate[Any, P], T], /) -> ActorTask[P, T]: ...
    @overload
    def __call__(self, target: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, target: Callable[..., R], /) -> Task[..., R]: ...


class _WithoutState(Protocol):
    """The decorator where it is not: the first parameter is filled where it takes a store."""

    @overload
    def __call__(self, target: _Class[Concatenate[_Anything, P], T], /) -> ActorTask[..., T]: ...
    @overload
    def __call__(self, target: _Class[Concatenate[StateStore, P], T], /) -> ActorTask[P, T]: ...
    @overload
    def __call__(self, target: _Class[P, T], /) -> ActorTask[P, T]: ...
    @overload
    def __call__(self, target: Callable[Concatenate[_Anything, P], R], /) -> Task[..., R]: ...
    @overload
    def __call__(self, target: Callable[Concatenate[StateStore, P], R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, target: Callable[P, R], /) -> Task[P, R]: ...


@overload
def remote(target: _Class[Concatenate[_Anything, P], T], /) -> ActorTask[..., T]: ...
@overload
def remote(target: _Class[Concatenate[StateStore, P], T], /) -> ActorTask[P, T]: ...
@overload
def remote(target: _Class[P, T], /) -> ActorTask[P, T]: ...
@overload
def remote(target: Callable[Concatenate[_Anything, P], R], /) -> Task[..., R]: ...
@overload
def remote(target: Callable[Concatenate[StateStore, P], R], /) -> Task[P, R]: ...
@overload
def remote(target: Callable[P, R], /) -> Task[P, R]: ...
@overload
def remote(
    target: Target | Mapping[str, Any] | None = None, state: None = None
) -> _WithoutState: ...
@overload
def remote(
    target: Target | Mapping[str, Any] | None = None, *, state: StateHandler
) -> _WithState: ...


def remote(target: Any = None, state: StateHandler | None = None) -> Any:
    """Make a function, or a class, run on Ray, and hand it a state.

    Nested tasks, and stores that are swapped by :class:`qstate.override`, work in every process.

    Args:
        target: What it takes of the cluster: a :class:`Target`, or a dict with its fields.
        state: Anything with ``get`` and ``set``; it becomes the first argument. Without it, a
            parameter annotated ``StateHandler`` or ``StateStore`` is filled from
            :func:`qstate.current`. A state that the caller gives wins.

    Raises:
        TypeError: The function has no parameter for the state, or ``target`` has an unknown field.

    Example:
        >>> from qstate import connect
        >>> @remote(state=connect("memory://docs"))
        ... def measure(state, shots: int) -> int:
        ...     state.set("shots", shots)
        ...     return shots
        >>> measure.local(100), connect("memory://docs").get("shots")
        (100, 100)
        >>> connect("memory://docs").clear(everything=True)
    """
    if callable(target) or isinstance(target, classmethod):
        return _task(target, state, {})
    options = as_target(target).options() if target is not None else {}
    return lambda function: _task(function, state, options)


run_qiskit_remote = remote
distribute_task = remote


def _task(function: Any, state: StateHandler | None, options: Mapping[str, Any]) -> Any:
    if isinstance(function, classmethod):
        raise TypeError(
            f"{function.__qualname__}: a class method can't be a task; a static one can"
        )
    if isinstance(function, staticmethod):
        return staticmethod(_task(function.__func__, state, options))
    kind = ActorTask if isinstance(function, type) else Task
    return kind(function, state, options)
