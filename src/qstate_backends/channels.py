"""The ways to a server: connections of threads, of coroutines, and of watches."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from qstate.backend import Buffer, StateError, StoreUnavailableError, translate_errors
from qstate_backends import loops, wire
from qstate_backends.streams import StreamedWatch

_ERRORS: Final[Mapping[type[BaseException], type[StateError]]] = {
    OSError: StoreUnavailableError,
    wire.FrameError: StoreUnavailableError,
}


class LoopedChannel(Protocol):
    """What carries a request to the process of a backend and brings its answer."""

    def exchange(self, request: Sequence[Buffer], timeout: float) -> tuple[Buffer, Buffer]:
        """Head and body of the answer to a frame.

        Args:
            request: The pieces of the frame.
            timeout: Seconds that it may take.

        Raises:
            StoreUnavailableError: No answer came.
        """
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...


class Channel(LoopedChannel, Protocol):
    """A channel for threads, which also watches, and knows the way for coroutines."""

    def watch(self, prefix: str, timeout: float) -> AbstractContextManager[Iterator[str]]:
        """The keys that change under a prefix.

        Args:
            prefix: Of the keys that are told.
            timeout: Seconds to begin; about so long a server that is gone is waited for.
        """
        ...

    def aio(self) -> LoopedChannel:
        """The same way for the running event loop, in code that ``qstate.awaiting.run`` runs."""
        ...


class SocketChannel:
    """Authenticated connections to a server, one for each thread of this process.

    Args:
        address: Where the server listens.
        key: Its secret.
        label: What the store is called in errors.
    """

    def __init__(self, address: wire.Address, key: bytes, label: str) -> None:
        self._address = address
        self._key = key
        self._name = label
        self._label = f"{label} at {address[0]}:{address[1]}"
        self._thread = threading.local()
        self._all: weakref.WeakSet[wire.Connection] = weakref.WeakSet()
        self._adding = threading.Lock()

    def exchange(self, request: Sequence[Buffer], timeout: float) -> tuple[Buffer, Buffer]:
        """Head and body of the answer to a frame."""
        deadline = time.monotonic() + timeout
        with translate_errors(self._label, _ERRORS) as gate:
            connection = self._standing() or self.connect(deadline)
            gate.sent = True
            return self._ask(connection, request, deadline)

    def connect(self, deadline: float) -> wire.Connection:
        """This thread's connection, made anew.

        Args:
            deadline: By ``time.monotonic()``.

        Raises:
            OSError: It could not be made.
        """
        self._thread.connection = self._dialled(deadline)
        return self._thread.connection  # type: ignore[no-any-return]

    def watch(self, prefix: str, timeout: float) -> StreamedWatch:
        """The keys that change under a prefix, over a connection of its own."""
        deadline = time.monotonic() + timeout
        with translate_errors(self._label, _ERRORS):
            return StreamedWatch(self._dialled(deadline), self._label, prefix, timeout)

    def aio(self) -> LoopChannel:
        """The same for the coroutines of an event loop."""
        return LoopChannel(self._address, self._key, self._name)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._adding:
            for connection in list(self._all):
                connection.interrupt()
                connection.close()

    def _dialled(self, deadline: float) -> wire.Connection:
        with _refusals():
            connection = wire.dial(self._address, self._key, deadline)
        with self._adding:
            self._all.add(connection)
        return connection

    def _standing(self) -> wire.Connection | None:
        connection: wire.Connection | None = getattr(self._thread, "connection", None)
        if connection is not None and connection.stands():
            return connection
        return None

    def _ask(
        self, connection: wire.Connection, request: Sequence[Buffer], deadline: float
    ) -> tuple[Buffer, Buffer]:
        try:
            connection.send(request, deadline)
            return connection.receive(deadline)
        except BaseException:
            self._thread.connection = None  # an answer that comes late is no other's answer
            connection.close()
            raise


class LoopChannel:
    """Authenticated connections to a server, for the coroutines of one event loop.

    A call that is cancelled, or fails, closes its connection: the answer still to come is nobody's.

    Args:
        address: Where the server listens.
        key: Its secret.
        label: What the store is called in errors.
    """

    def __init__(self, address: wire.Address, key: bytes, label: str) -> None:
        self._address = address
        self._key = key
        self._label = f"{label} at {address[0]}:{address[1]}"
        self._idle: list[wire.Connection] = []
        self._places = asyncio.Semaphore(loops.CONNECTIONS)

    def exchange(self, request: Sequence[Buffer], timeout: float) -> tuple[Buffer, Buffer]:
        """Head and body of the answer to a frame."""
        deadline = time.monotonic() + timeout
        with translate_errors(self._label, _ERRORS) as gate, loops.place(self._places, deadline):
            connection = self._standing() or self._connect(deadline)
            gate.sent = True
            return self._ask(connection, request, deadline)

    def close(self) -> None:
        """Close the connections; those of calls that are under way when these have ended."""
        while self._idle:
            self._idle.pop().close()

    def _standing(self) -> wire.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.stands():
                return connection
            connection.close()
        return None

    def _connect(self, deadline: float) -> wire.Connection:
        with _refusals():
            sock = loops.connected(self._address, deadline - time.monotonic())
            return wire.introduce(sock, self._key, deadline)

    def _ask(
        self, connection: wire.Connection, request: Sequence[Buffer], deadline: float
    ) -> tuple[Buffer, Buffer]:
        try:
            connection.send(request, deadline)
            answer = connection.receive(deadline)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (ConnectionError, PermissionError) as error:
        raise ConnectionRefusedError(
            f"the process that owned the store has ended, or does not serve it any more ({error})"
        ) from error
