"""Requests to a store's actor as calls by Ray, where its server can't be connected to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import ray
from ray import exceptions

from qstate.awaiting import await_
from qstate.backend import Buffer, StateError, StoreUnavailableError, translate_errors
from qstate_backends import wire
from qstate_backends.loops import bounded

RAY_ERRORS: Final[Mapping[type[BaseException], type[StateError]]] = {
    # Besides its own classes Ray raises ValueError, RuntimeError, ConnectionError, and a bare
    # Exception for the handle of an actor in a cluster that this process has left.
    Exception: StoreUnavailableError,
}
_PAUSE: Final = 0.02
_LOOK: Final = 0.25
"""Seconds after which a watch through Ray has its watcher look again."""


class CallChannel:
    """Requests as calls of the actor's method.

    Args:
        actor: The handle of the actor.
        label: What the store is called in errors.
    """

    def __init__(self, actor: Any, label: str) -> None:
        self._actor = actor
        self._label = label

    def exchange(self, request: Sequence[Buffer], timeout: float) -> tuple[Buffer, Buffer]:
        """Head and body of the answer to a frame."""
        deadline = time.monotonic() + timeout
        with translate_errors(self._label, RAY_ERRORS) as gate:
            gate.sent = True
            return wire.open_frame(answer(self._actor.call, deadline, b"".join(request)))

    def watch(self, prefix: str, timeout: float) -> LookingWatch:  # noqa: ARG002 - a channel's
        """Now and then that anything may have changed."""
        return LookingWatch()

    def aio(self) -> LoopCallChannel:
        """The same for the running event loop."""
        return LoopCallChannel(self._actor, self._label)

    def close(self) -> None:
        """Nothing to let go of."""


class LoopCallChannel:
    """As :class:`CallChannel`, for the coroutines of one event loop."""

    def __init__(self, actor: Any, label: str) -> None:
        self._actor = actor
        self._label = label

    def exchange(self, request: Sequence[Buffer], timeout: float) -> tuple[Buffer, Buffer]:
        """Head and body of the answer to a frame."""
        with translate_errors(self._label, RAY_ERRORS) as gate:
            gate.sent = True
            called = _awaited(self._actor.call, b"".join(request))
            return wire.open_frame(await_(bounded(called, timeout)))

    def close(self) -> None:
        """Nothing to let go of."""


class LookingWatch(Iterator[str]):
    """Says now and then that any key may have changed, as it is not told."""

    def __init__(self) -> None:
        self._left = threading.Event()

    def __next__(self) -> str:
        if self._left.wait(_LOOK):
            raise StopIteration
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._left.set()


def answer(method: Any, deadline: float, *args: object) -> Any:
    """What an actor's method returns, asked again while Ray restarts the actor.

    Args:
        method: Of an actor's handle.
        deadline: By ``time.monotonic()``.
        *args: Its arguments.
    """
    while True:
        try:
            left = max(deadline - time.monotonic(), 0.0)
            return ray.get(method.remote(*args), timeout=left)
        except exceptions.ActorUnavailableError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)


async def _awaited(method: Any, *args: object) -> Any:
    while True:
        try:
            return await asyncio.wrap_future(method.remote(*args).future())
        except exceptions.ActorUnavailableError:
            await asyncio.sleep(_PAUSE)
