"""Faults: a backend that is slow, fails, loses answers or is cut off, when a test says so."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, NoReturn, Self

from qstate.backend import (
    DEFAULT_TIMEOUT,
    NO_REQUIREMENTS,
    Backend,
    Operation,
    Record,
    StoreUnavailableError,
    Version,
    time_left,
)
from qstate.clients import Client
from qstate.store import StateStore

Kind = Literal["delay", "error", "lost", "cut"]

_OPTIONAL: Final = ("read_data", "count", "write_once", "remove", "remove_once")
_CHANGING: Final = ("write", "write_once", "remove", "remove_once")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call to a backend.

    Attributes:
        kind: ``"delay"``: it takes longer; beyond the timeout its answer is lost. ``"error"``: it
            is refused, and certainly not applied. ``"lost"``: it is applied, but the answer is
            lost. ``"cut"``: it is refused, and so is each that follows; watches end.
        seconds: How long a delay is.
        calls: How many calls a cut refuses; None: all, until :meth:`FaultyBackend.mend`.
    """

    kind: Kind
    seconds: float = 0.0
    calls: int | None = None


class FaultyBackend:
    """Any backend, with faults: by a schedule, by chance from a seed, or when a test says so.

    What stands above it behaves as on a real fault. What can be repeated without harm is, within
    the timeout, so that a single error or lost answer need not be seen at all; a cut is.

    Args:
        backend: What does the work.
        schedule: What goes wrong with the first call, the second …; None: nothing. A kind stands
            for a fault of that kind. After the schedule nothing goes wrong but by chance.
        seed: Of the chances.
        chances: For kinds of faults how likely each is at a call, from 0 to 1.
        seconds: How long a delay is for which nothing else is said.
        timeout: Seconds that a call may take.

    Attributes:
        calls: How many calls there were.
        happened: The faults, in order.

    Example:
        >>> import qstate
        >>> store = qstate.connect("memory://docs")
        >>> with faulty(store, schedule=[None, "lost"]) as (handle, faults):
        ...     handle.increment("shots"), faults.happened
        (1, [Fault(kind='lost', seconds=0.0, calls=None)])
        >>> store.pop("shots")
        1
    """

    def __init__(
        self,
        backend: Backend,
        *,
        schedule: Iterable[Fault | Kind | None] = (),
        seed: int | None = None,
        chances: Mapping[Kind, float] | None = None,
        seconds: float = 0.01,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self.capabilities = backend.capabilities
        self.calls = 0
        self.happened: list[Fault] = []
        self._backend = backend
        self._schedule = iter(schedule)
        self._chance = random.Random(seed)
        self._chances = dict(chances or {})
        self._seconds = seconds
        self._timeout = timeout
        self._refusing: float = 0
        self._lock = threading.Lock()
        self._watches: set[_Watch] = set()
        # What is optional is offered where the backend offers it.
        for name in _OPTIONAL:
            if hasattr(backend, name):
                setattr(self, name, _forwarded(self, name))
        if hasattr(backend, "reset"):
            self.reset = backend.reset
        if hasattr(backend, "watch"):
            self.watch = self._watch

    def cut(self, calls: int | None = None) -> None:
        """Refuse all calls and end all watches, as where the store can't be reached any more.

        Args:
            calls: How many calls to refuse; None: all, until :meth:`mend`.
        """
        with self._lock:
            self._refusing = float("inf") if calls is None else calls
            watches, self._watches = self._watches, set()
        for watch in watches:
            watch.cut()

    def mend(self) -> None:
        """End a cut."""
        self._refusing = 0

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """As the backend's."""
        return self._call("read", keys)  # type: ignore[no-any-return]

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As the backend's."""
        self._call("write", operations, require=require)

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """As the backend's."""
        return self._call("scan", prefix, cursor, limit)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the backend."""
        self._backend.close()

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        fault = self._next()
        if fault is not None and fault.kind in ("error", "cut"):
            _refuse()
        allowed = time_left(self._timeout)
        late = fault is not None and fault.kind == "delay" and self._delay(fault, allowed)
        result = getattr(self._backend, name)(*args, **options)
        if late or (fault is not None and fault.kind == "lost"):
            changing = name in _CHANGING
            message = f"no answer within {allowed:g} s" if late else "the answer was lost"
            raise StoreUnavailableError(message, outcome="unknown" if changing else "not applied")
        return result

    def _delay(self, fault: Fault, allowed: float) -> bool:
        """Wait; whether it is too long for the timeout."""
        seconds = fault.seconds or self._seconds
        time.sleep(min(seconds, allowed))
        return seconds >= allowed

    def _next(self) -> Fault | None:
        """What goes wrong with the call that begins now."""
        with self._lock:
            self.calls += 1
            if self._refusing > 0:
                self._refusing -= 1
                return Fault("cut")
            fault = next(self._schedule, None) or self._by_chance()
            if fault is None:
                return None
            fault = Fault(fault) if isinstance(fault, str) else fault
            self.happened.append(fault)
        if fault.kind == "cut":
            self.cut(None if fault.calls is None else fault.calls - 1)
        return fault

    def _by_chance(self) -> Kind | None:
        drawn = self._chance.random() if self._chances else 1.0
        for kind, chance in self._chances.items():
            if drawn < chance:
                return kind
            drawn -= chance
        return None

    def _watch(self, prefix: str) -> _Watch:
        with self._lock:
            if self._refusing > 0:
                _refuse()
            watch = _Watch(self._backend.watch(prefix))  # type: ignore[attr-defined]
            self._watches.add(watch)
        return watch


class _Watch:
    """A watch of a backend that can be cut off."""

    def __init__(self, watch: contextlib.AbstractContextManager[Iterator[str]]) -> None:
        self._watch = watch
        self._cut = False
        self._ended = threading.Lock()

    def cut(self) -> None:
        """End it as a lost connection does."""
        self._cut = True
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        self._keys = self._watch.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ended.acquire(blocking=False):  # the first to leave ends it
            self._watch.__exit__(kind, error, traceback)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        key = next(self._keys, None)
        if key is not None and not self._cut:
            return key
        if self._cut:
            _refuse()
        raise StopIteration


class FaultyStore(StateStore):
    """A store over a backend with faults; it stays in the process of its test."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("a store with faults can't travel: its faults are made in its own process")


@contextlib.contextmanager
def faulty(store: StateStore, **faults: Any) -> Iterator[tuple[FaultyStore, FaultyBackend]]:
    """Another handle on a store, whose calls go through a :class:`FaultyBackend`.

    Args:
        store: What stays as it is, to look at what really happened.
        **faults: As for :class:`FaultyBackend`. ``timeout`` is that of the handle as well.

    Example:
        >>> import qstate
        >>> with faulty(qstate.connect("memory://docs"), timeout=0.1) as (handle, faults):
        ...     faults.cut()
        ...     try:
        ...         handle.get("energy")
        ...     except qstate.StoreUnavailableError as error:
        ...         print(error.outcome)
        not applied
    """
    client = _FaultyClient(store._client or store._open(), faults)
    handle = object.__new__(FaultyStore)
    handle._set_up(store._address, store._options, store._prefix, store._origin)
    handle._codec, handle._client = store._codec, client
    with handle:
        yield handle, client.faults


class _FaultyClient(Client):
    """The client of one handle, over the backend of another."""

    def __init__(self, client: Client, faults: Mapping[str, Any]) -> None:
        self.key, self.url, self.capabilities = object(), client.url, client.capabilities
        self.timeout = faults.get("timeout", client.timeout)
        self.holders = 1
        self.faults = FaultyBackend(client.backend, **{**faults, "timeout": self.timeout})
        self.backend = self.faults
        self._answered = True
        self._sleep = time.sleep
        self._use(self.backend)


def _forwarded(backend: FaultyBackend, name: str) -> Callable[..., Any]:
    return lambda *args, **options: backend._call(name, *args, **options)


def _refuse() -> NoReturn:
    raise StoreUnavailableError("the store can't be reached", outcome="not applied")
