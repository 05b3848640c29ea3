"""What a worker runs: a function or a class, handed its state where it was called to have it."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from qstate.entries import Writer
from qstate.handler import StateHandler
from qstate.injection import (
    Arguments,
    Injection,
    leave,
    surround,
    surround_process,
    surroundings,
)
from qstate.plugins import InjectionContext, injected
from qstate.runner.signing import begin_task, present_task
from qstate.runner.travelling import arrived, separate


def worker_body(function: Callable[..., Any], injection: Injection, mark: bytes) -> Any:
    """The function or class that Ray is given.

    It takes the arguments of the call as its caller gave them, and surroundings beside them.

    Args:
        function: What is to be called in the end.
        injection: What fills its state.
        mark: What surroundings begin with.
    """
    arrival = functools.partial(_Arrival, function, injection, mark)
    if inspect.isclass(function):
        return _actor_class(function, arrival)
    if inspect.isasyncgenfunction(function):
        body: Callable[..., Any] = _async_generator_body(function, arrival)
    elif inspect.isgeneratorfunction(function):
        body = _generator_body(function, arrival)
    elif inspect.iscoroutinefunction(function):
        body = _coroutine_body(function, arrival)
    else:
        body = _function_body(function, arrival)
    return _named(body, function)


def finished(function: Callable[..., Any], task: Callable[[], Writer], state: Any) -> StateHandler:
    """A state, after the plug-ins that have something to say about it.

    Args:
        function: The task's function.
        task: Gives the task, as far as it is known.
        state: What it would be handed.
    """

    def context() -> InjectionContext:
        name, here = named(function), task()
        return InjectionContext(
            function=name.__qualname__, module=name.__module__, job=here.job, task=here.task
        )

    return injected(state, context)


def named(function: Any) -> Any:
    """What a function is named after: a partial after its function, an object after its class."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if hasattr(function, "__qualname__") else type(function)


class _Arrival:
    """The arrival of a call in a worker; gives the arguments to call the function with."""

    __slots__ = ("_args", "_function", "_injection", "_kwargs", "_mark", "_place")

    def __init__(
        self,
        function: Callable[..., Any],
        injection: Injection,
        mark: bytes,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._function = function
        self._injection = injection
        self._mark = mark
        self._args = args
        self._kwargs = kwargs

    def __enter__(self) -> Arguments:
        begin_task()
        there, args, kwargs = separate(self._mark, self._args, self._kwargs)
        self._place = surround(there)
        try:
            return self._injection.fill(args, kwargs, self._finish)
        except BaseException:
            leave(self._place)
            raise

    def __exit__(self, *error: object) -> None:
        leave(self._place)

    def _finish(self, state: Any) -> StateHandler:
        return finished(self._function, present_task, arrived(state))


def _named(body: Any, function: Callable[..., Any]) -> Any:
    # Under its name in Ray's dashboard and logs; not functools.wraps, as the signature differs.
    for key in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(body, key, getattr(named(function), key))
    return body


def _function_body(function: Callable[..., Any], arrival: Any) -> Callable[..., Any]:
    def body(*args: Any, **kwargs: Any) -> Any:
        with arrival(args, kwargs) as (args, kwargs):
            return function(*args, **kwargs)

    return body


def _coroutine_body(function: Callable[..., Any], arrival: Any) -> Callable[..., Any]:
    def body(*args: Any, **kwargs: Any) -> Any:
        with arrival(args, kwargs) as (args, kwargs):
            return asyncio.run(function(*args, **kwargs))

    return body


def _generator_body(function: Callable[..., Any], arrival: Any) -> Callable[..., Iterator[Any]]:
    def body(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with arrival(args, kwargs) as (args, kwargs):
            # Not `yield from`: Ray sends values in, which reach only iterators that take some.
            for value in function(*args, **kwargs):  # noqa: UP028
                yield value

    return body


def _async_generator_body(function: Callable[..., Any], arrival: Any) -> Callable[..., Any]:
    def body(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with arrival(args, kwargs) as (args, kwargs):
            for value in _drained(function(*args, **kwargs)):  # noqa: UP028 - as above
                yield value

    return body


def _drained(values: AsyncIterator[Any]) -> Iterator[Any]:
    with asyncio.Runner() as runner:
        while (value := runner.run(_next(values))) is not _END:
            yield value


_END = object()


async def _next(values: AsyncIterator[Any]) -> Any:
    return await anext(values, _END)


def _actor_class(kind: type[Any], arrival: Any) -> type[Any]:
    class Actor(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            with arrival(args, kwargs) as (args, kwargs):
                surround_process(surroundings())
                super().__init__(*args, **kwargs)

    return _named(Actor, kind)  # type: ignore[no-any-return]
