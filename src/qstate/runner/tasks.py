"""Tasks: functions and classes that run on Ray and are handed their state."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, overload

from qstate.entries import Writer
from qstate.handler import StateHandler
from qstate.injection import Injection
from qstate.runner.bodies import finished, named, worker_body
from qstate.runner.connection import load_ray
from qstate.runner.travelling import accompany, new_mark, pack

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray._private.object_ref_generator import ObjectRefGenerator
    from ray.actor import ActorHandle

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")


class Task(Generic[P, R]):
    """A function that runs on Ray; what :func:`qstate.remote` makes of it.

    Its signature is the function's, without the state. As an attribute of a class it is a method:
    the object that it is called on goes to the worker as well, and the state comes after it.

    Args:
        function: The function, or the class.
        state: What it is handed; None: the ambient store, if it asks for one.
        options: As for ``ray.remote``.

    Attributes:
        __wrapped__: The function itself, which takes its state like any other argument.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        state: StateHandler | None,
        options: Mapping[str, Any],
    ) -> None:
        # A class keeps its attributes to itself: they would stand in the way of this one's methods.
        own = () if inspect.isclass(function) else functools.WRAPPER_UPDATES
        functools.update_wrapper(self, function, updated=own)
        self._function = function
        self._state = state
        self._before: tuple[Any, ...] = ()
        self._options: dict[str, Any] = {}
        self._prepare(options, method=False)

    def _prepare(self, options: Mapping[str, Any], *, method: bool) -> None:
        self._injection = Injection(self._function, self._state, method=method)
        self._mark = new_mark()
        self._export = _Export(self._function, self._injection, self._mark, options)
        self._called: Any = None
        self.__signature__ = self._injection.parameter.signature
        self.__annotations__ = dict(getattr(named(self._function), "__annotations__", {}))
        self.__annotations__.pop(self._injection.parameter.name or "", None)

    @overload
    def __call__(
        self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> ObjectRef[T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: Task[P, Iterator[T]] | Task[P, AsyncIterator[T]], *args: P.args, **kwargs: P.kwargs
    ) -> ObjectRefGenerator: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ObjectRef[R]: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it on Ray.

        Returns:
            A reference to its result, for :func:`qstate.get`; of a generator, references as they
            come; of a class, the actor.

        Raises:
            TypeError: The arguments do not fit.
        """
        if self._before:
            args = self._before + args
        packed = pack(self._injection.surroundings(args, kwargs))
        if packed is not None:
            args, kwargs = accompany(packed, self._mark, args, kwargs)
        called = self._called
        if called is None:
            called = self._called = self._export.remote(self._options)
        return called(*args, **kwargs)

    remote = __call__

    def local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it here, without Ray.

        Returns:
            What the function itself returns.

        Raises:
            TypeError: The arguments do not fit.
        """
        finish = functools.partial(finished, self._function, Writer)
        filled, named = self._injection.fill(self._before + args, kwargs, finish)
        return self._function(*filled, **named)  # type: ignore[no-any-return]

    def options(self, **options: Any) -> Self:
        """The same task with other options; its function is not sent to Ray again for them.

        Args:
            **options: As for Ray's ``.options``, such as ``num_cpus``, ``max_retries``,
                ``num_returns`` or ``name``.
        """
        task = copy.copy(self)
        task._options = {**self._options, **options}
        return task

    def __set_name__(self, owner: type[Any], name: str) -> None:
        if getattr(self._function, "__qualname__", "") == f"{owner.__qualname__}.{name}":
            self._prepare(self._export.options, method=True)

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        if instance is None or not self._injection.method:
            return self
        task = copy.copy(self)
        task._before = (instance,)
        seen = list(self.__signature__.parameters.values())[1:]
        task.__signature__ = self.__signature__.replace(parameters=seen)
        return task

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_called": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"<Task | {named(self._function).__qualname__}>"


class ActorTask(Task[P, T]):
    """A class that runs on Ray as an actor; what :func:`qstate.remote` makes of it."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ActorHandle[T]:  # type: ignore[override]
            """Make an actor."""
            ...

        def remote(self, *args: P.args, **kwargs: P.kwargs) -> ActorHandle[T]:  # type: ignore[override]
            """Make an actor."""
            ...


class _Export:
    """A function as Ray knows it: exported when it is first called, then shared by all options."""

    def __init__(
        self,
        function: Callable[..., Any],
        injection: Injection,
        mark: bytes,
        options: Mapping[str, Any],
    ) -> None:
        self.options = dict(options)
        self._function = function
        self._injection = injection
        self._mark = mark
        self._remote: Any = None

    def remote(self, options: Mapping[str, Any]) -> Callable[..., Any]:
        """What calls it on Ray, with other options."""
        if self._remote is None:
            remote = load_ray().remote
            body = worker_body(self._function, self._injection, self._mark)
            self._remote = remote(**self.options)(body) if self.options else remote(body)
        exported = self._remote.options(**options) if options else self._remote
        call: Callable[..., Any] = exported.remote
        return call
