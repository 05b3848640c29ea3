"""Faults, put between a store and its backend: lost answers, cut watches, abilities taken away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

from qstate.clients import Client
from qstate.errors import StoreUnavailableError
from qstate.store import StateStore
from qstate.testing.conformance.laws import another

WRITING: Final = ("write", "write_once", "remove", "remove_once")
OTHERS: Final = ("read", "read_data", "scan", "count", "watch")

F = TypeVar("F", bound="Fault")


class Fault:
    """A backend that does what another does; its children do some of it otherwise."""

    def __init__(self, backend: Any) -> None:
        self.capabilities = backend.capabilities
        for name in (*WRITING, *OTHERS):
            if (method := getattr(backend, name, None)) is not None:
                setattr(self, name, self.wrapped(name, method))

    def wrapped(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """What is called in place of a method."""
        raise NotImplementedError(name, method)

    def close(self) -> None:
        """Nothing: the backend is its store's to close."""


class LosesAnswers(Fault):
    """The store has applied a write, but the answer is lost on its way.

    Attributes:
        lose: How many of the next answers are lost.
        meanwhile: Called before a lost answer is noticed.
        lost: How many were lost.
    """

    def __init__(self, backend: Any) -> None:
        self.lose = 0
        self.lost = 0
        self.meanwhile: Callable[[], object] = lambda: None
        super().__init__(backend)

    def wrapped(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Those that write lose answers."""

        def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            if self.lose:
                self.lose -= 1
                self.lost += 1
                self.meanwhile()
                raise StoreUnavailableError("the answer was lost", outcome="unknown")
            return result

        return call if name in WRITING else method


class CutsWatches(Fault):
    """The connection by which changes are told is cut, and made anew only after a while."""

    def __init__(self, backend: Any) -> None:
        self._streams: set[ExitStack] = set()
        self._whole = threading.Event()
        self._whole.set()
        super().__init__(backend)

    def wrapped(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """``watch`` can be cut."""

        @contextmanager
        def watch(prefix: str) -> Iterator[Iterator[str]]:
            self._whole.wait()
            with ExitStack() as stream:
                told = stream.enter_context(method(prefix))
                self._streams.add(stream)
                try:
                    yield self._until_cut(told, stream)
                finally:
                    self._streams.discard(stream)

        return watch if name == "watch" else method

    def cut(self, meanwhile: Callable[[], object]) -> None:
        """Cut all streams; they are open again once the call has been made."""
        self._whole.clear()
        try:
            while self._streams:
                self._streams.pop().close()
            meanwhile()
        finally:
            self._whole.set()

    def _until_cut(self, told: Iterator[str], stream: ExitStack) -> Iterator[str]:
        yield from told
        if stream not in self._streams:
            raise StoreUnavailableError("the connection was cut", outcome="not applied")


class DeclaresLess(Fault):
    """A backend that does not declare what it can do.

    Attributes:
        asked: The writes that reached it.
    """

    def __init__(self, backend: Any, **less: Any) -> None:
        self.asked: list[str] = []
        super().__init__(backend)
        self.capabilities = replace(backend.capabilities, **less)

    def wrapped(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Those that write note it."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.asked.append(name)
            return method(*arguments, **options)

        return call if name in WRITING else method


class _FaultyClient(Client):
    """A client over the backend of another, with a fault between them."""

    def __init__(self, client: Client, fault: Fault) -> None:
        self.__dict__.update(client.__dict__)
        self.key, self.holders = object(), 1
        self.backend = fault  # type: ignore[assignment]
        self.capabilities = fault.capabilities
        self._answered = True
        self._use(self.backend)


def faulty(store: StateStore, fault: Callable[[Any], F]) -> tuple[StateStore, F]:
    """Another handle on a store, with a fault between them; and the fault."""
    handle = another(store)
    client = store._client or store._open()
    between = fault(client.backend)
    handle._codec, handle._client = store._codec, _FaultyClient(client, between)
    return handle, between


def losing_answers(store: StateStore) -> tuple[StateStore, LosesAnswers]:
    """Another handle on a store, whose answers can be lost; and what loses them."""
    return faulty(store, LosesAnswers)


def declaring_less(store: StateStore, **less: Any) -> tuple[StateStore, DeclaresLess]:
    """Another handle on a store, whose backend declares less than it can do."""
    return faulty(store, lambda backend: DeclaresLess(backend, **less))
