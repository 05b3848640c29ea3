"""The ambient store, and what a decorated task is handed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Final, Generic, TypeAlias, TypeVar

from qstate import addresses
from qstate.handler import StateHandler
from qstate.handover import handed_over
from qstate.parameters import StateParameter
from qstate.store import connect

H = TypeVar("H", bound=StateHandler | None)
Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]


class Surroundings:
    """The stores of the place where a task is called; they travel with the call.

    Args:
        override: That of the innermost :class:`override`, if there is one.
        ambient: What stands in for ``connect()``; None: ``connect()`` itself.

    Attributes:
        packed: Their form on the way, for whoever sends them to keep.
    """

    __slots__ = ("ambient", "override", "packed")

    def __init__(
        self, override: StateHandler | None = None, ambient: StateHandler | None = None
    ) -> None:
        self.override = override
        self.ambient = ambient
        self.packed: bytes | None = None

    def __iter__(self) -> Iterator[StateHandler | None]:
        return iter((self.override, self.ambient))

    def choose(self, bound: StateHandler | None = None) -> StateHandler:
        """What a task is handed here.

        Args:
            bound: The store that the task was decorated with, if any.
        """
        if self.override is not None:  # one that is empty is false
            return self.override
        if bound is not None:
            return bound
        return connect() if self.ambient is None else self.ambient


_here: Final[ContextVar[Surroundings | None]] = ContextVar("qstate_surroundings", default=None)
_process: Surroundings | None = None

NOWHERE: Final = Surroundings()
"""Surroundings without a store of their own."""


def current() -> Any:
    """The ambient store: that of the innermost :class:`override`, else what ``connect()`` gives.

    Inside a task it is the store that was overriding where the task was called. Inside a job it is
    the store that ``run_program(state=…)`` was given, if it was given one.

    Example:
        >>> with override(connect("memory://docs")):
        ...     current()
        <StateStore | memory://docs>
    """
    return surroundings().choose()


def surroundings() -> Surroundings:
    """The stores of this place."""
    return _here.get() or _process or _of_the_job()


def _of_the_job() -> Surroundings:
    """Those that the job was handed that this process belongs to, if it belongs to one."""
    job = handed_over()
    there = NOWHERE if job is None else Surroundings(*job.get("surroundings", ()))
    surround_process(there)
    return there


def surround(there: Surroundings) -> Token[Surroundings | None]:
    """Be in the surroundings of another place: what is called from here on sees its stores."""
    return _here.set(there)


def leave(token: Token[Surroundings | None]) -> None:
    """Be where one was before :func:`surround`."""
    _here.reset(token)


def surround_process(there: Surroundings) -> None:
    """As :func:`surround`, for all that this process does, in every thread."""
    global _process
    _process = there


class override(Generic[H]):  # noqa: N801 - reads as a statement: with override(store):
    """Swap the store for everything called inside, whatever store its module bound at import.

    Tasks called inside, and those that they call in turn, are handed ``store`` in their worker
    processes as well. Threads that are started inside are not concerned; tasks of ``asyncio`` are.

    Args:
        store: Anything with ``get`` and ``set``.

    Example:
        >>> from qstate import remote
        >>> @remote(state=connect("redis://production:6379"))
        ... def double(state, key):
        ...     return 2 * state.get(key)
        >>> with override(connect("memory://docs")) as store:
        ...     _ = store.set("seed", 21)
        ...     double.local("seed")
        42
        >>> store.clear(everything=True)
    """

    def __init__(self, store: H) -> None:
        self.store = store
        self._there: Surroundings | None = None
        self._tokens: list[Token[Surroundings | None]] = []

    def __enter__(self) -> H:
        ambient = surroundings().ambient
        if self._there is None or self._there.ambient is not ambient:
            self._there = Surroundings(self.store, ambient)
        self._tokens.append(_here.set(self._there))
        return self.store

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _here.reset(self._tokens.pop())


class Injection:
    """Which parameter of a function is the state, and what fills it.

    Args:
        function: The function, or the class whose constructor it is about.
        state: What fills its first parameter. None: the ambient store fills the parameter that is
            annotated with ``StateHandler``, ``StateStore`` or a class of theirs, if there is one.
        method: Whether the function's own first parameter is the object that it is called on.

    Raises:
        TypeError: There is a state, but no parameter to take it; or it has no get and set.

    Attributes:
        parameter: The parameter.
        method: As given.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        state: StateHandler | None = None,
        *,
        method: bool = False,
    ) -> None:
        if state is not None and not isinstance(state, StateHandler):
            raise TypeError(f"state= takes anything with get and set, not {type(state).__name__}")
        self._state = state
        self.method = method
        self.parameter = StateParameter(function, first=state is not None, method=method)

    def surroundings(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Surroundings:
        """What a worker has to know in order to fill a call as it would be filled here.

        Raises:
            TypeError: The arguments do not fit the function.
        """
        given = self.parameter.is_given(args, kwargs)
        there = surroundings()
        bound = self._state is not None or self.parameter.name is None
        if given or bound or there.override is not None or there.ambient is not None:
            return there
        return _default(addresses.default())

    def fill(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        finish: Callable[[Any], StateHandler],
    ) -> Arguments:
        """The arguments to call the function with; a state that the caller gives wins.

        Args:
            args: What the caller gives by position.
            kwargs: What the caller gives by name.
            finish: Gets the state; what it returns is handed.

        Raises:
            TypeError: The arguments do not fit the function.
        """
        given = self.parameter.is_given(args, kwargs)
        if self.parameter.name is None:
            return args, kwargs
        if given:
            state, args, kwargs = self.parameter.take(args, kwargs)
        else:
            state = surroundings().choose(self._state)
        return self.parameter.put(finish(state), args, kwargs)


@functools.lru_cache(maxsize=1)
def _default(address: str) -> Surroundings:
    """With what ``connect()`` gives; kept, as the tasks that it is handed to may need it here."""
    return Surroundings(None, connect(address))
