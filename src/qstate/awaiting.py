"""Run code written for threads on an event loop, suspended where it awaits.

What a store's operations do is written once. For asyncio they run in a greenlet, and a backend's
answer is awaited by the coroutine that runs it: the way of SQLAlchemy's asyncio extension.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

P = ParamSpec("P")
R = TypeVar("R")

BACKEND_METHODS: Final = (
    "read",
    "read_data",
    "write",
    "write_once",
    "remove",
    "remove_once",
    "scan",
    "count",
    "reset",
)


class _Running(greenlet):
    def __init__(self, call: Callable[..., Any], driver: greenlet) -> None:
        super().__init__(call, driver)
        self.gr_context = driver.gr_context


async def run(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What ``call`` returns; wherever it uses :func:`await_`, this coroutine awaits."""
    running = _Running(call, getcurrent())
    result: Any = running.switch(*args, **kwargs)
    while not running.dead:
        try:
            value = await result
        except BaseException:  # noqa: BLE001 - a cancellation too is the running code's to see
            result = running.throw(*sys.exc_info())
        else:
            result = running.switch(value)
    return result  # type: ignore[no-any-return]


def await_(awaitable: Awaitable[R]) -> R:
    """The result of an awaitable, in code that :func:`run` runs."""
    running = getcurrent()
    if not isinstance(running, _Running) or running.parent is None:
        raise RuntimeError("a store of .aio was used outside its event loop's coroutines")
    return running.parent.switch(awaitable)  # type: ignore[no-any-return]


def pause(seconds: float) -> None:
    """Sleep, in code that :func:`run` runs."""
    await_(asyncio.sleep(seconds))


class Bridge:
    """An asynchronous backend, for code that :func:`run` runs."""

    def __init__(self, backend: Any) -> None:
        self.capabilities = backend.capabilities
        self.backend = backend
        suspending = backend.suspending if isinstance(backend, Coroutines) else None
        for name in BACKEND_METHODS:
            if (method := getattr(backend, name, None)) is not None:
                own = getattr(suspending, name, None)
                setattr(self, name, own or _awaiting(method))

    def close(self) -> None:
        """Close the backend."""
        await_(self.backend.close())


class Coroutines:
    """A backend written for threads, but whose I/O suspends by :func:`await_`, as coroutines.

    A backend that sends what it has to say through one narrow place becomes asynchronous by
    replacing that place alone.

    Args:
        backend: What :func:`run` shall run.
    """

    def __init__(self, backend: Any) -> None:
        self.capabilities = backend.capabilities
        self.suspending = backend
        for name in BACKEND_METHODS:
            if (method := getattr(backend, name, None)) is not None:
                setattr(self, name, _coroutine(method))

    async def close(self) -> None:
        """Close the backend."""
        await run(self.suspending.close)


class Threaded:
    """A backend made for threads, with its calls awaited: each runs in a thread of its own."""

    def __init__(self, backend: Any) -> None:
        self.capabilities = backend.capabilities
        for name in BACKEND_METHODS:
            if (method := getattr(backend, name, None)) is not None:
                setattr(self, name, _threaded(method))

    async def close(self) -> None:
        """Nothing: the backend is its store's to close."""


def _awaiting(method: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return await_(method(*args, **kwargs))

    return call


def _coroutine(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await run(method, *args, **kwargs)

    return call


def _threaded(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(method, *args, **kwargs)

    return call
