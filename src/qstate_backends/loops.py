"""Sockets of an event loop, for code made for threads: it is suspended where it would wait."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from qstate.awaiting import await_
from qstate.backend import Buffer
from qstate_backends import wire

R = TypeVar("R")
C = TypeVar("C", bound="Closable")

CONNECTIONS: Final = 8
"""That one event loop has to one server at the most: more cost the server, and bring nothing."""


class Closable(Protocol):
    """What is opened and closed."""

    def close(self) -> None:
        """Close it."""


class LoopSocket:
    """A connected socket whose calls suspend the coroutine that makes them.

    Args:
        sock: The socket, which it owns from now on; it does not block.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._timeout: float | None = None
        self.fileno = sock.fileno
        self.setsockopt = sock.setsockopt
        self.shutdown = sock.shutdown
        self.close = sock.close

    def settimeout(self, seconds: float | None) -> None:
        """Seconds that each call may take from now on."""
        self._timeout = seconds

    def sendall(self, data: Buffer) -> None:
        """Send all of the data."""
        await_(bounded(self._loop.sock_sendall(self._sock, data), self._timeout))

    def recv(self, most: int) -> bytes:
        """What has come, once something has; empty where the peer has gone."""
        return await_(bounded(self._loop.sock_recv(self._sock, most), self._timeout))

    def recv_into(self, buffer: memoryview) -> int:
        """As :meth:`recv`, into a buffer; how many bytes."""
        return await_(bounded(self._loop.sock_recv_into(self._sock, buffer), self._timeout))


def connected(address: wire.Address, timeout: float) -> LoopSocket:
    """A socket connected to a server, within so many seconds."""
    return LoopSocket(await_(bounded(_connected(address), timeout)))


def take(places: asyncio.Semaphore, deadline: float) -> None:
    """Take one of a number of places, waited for until a deadline by ``time.monotonic()``.

    Raises:
        TimeoutError: None became free.
    """
    await_(bounded(places.acquire(), deadline - time.monotonic()))


@contextmanager
def place(places: asyncio.Semaphore, deadline: float) -> Iterator[None]:
    """As :func:`take`, for the length of a ``with`` block."""
    take(places, deadline)
    try:
        yield
    finally:
        places.release()


def opened(call: Callable[[], C]) -> C:
    """What a call opens, which is made for threads; where nobody waits any more it is closed."""
    return await_(_opened(call))


async def _opened(call: Callable[[], C]) -> C:
    opening = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_opened)
        raise


def _close_opened(opening: asyncio.Future[C]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def bounded(answer: Awaitable[R], timeout: float | None) -> R:
    """What is awaited.

    Args:
        answer: What takes a while.
        timeout: Seconds that it may take; None: any time.

    Raises:
        TimeoutError: It took longer.
    """
    try:
        async with asyncio.timeout(timeout):
            return await answer
    except TimeoutError as error:
        raise TimeoutError("timed out") from error


async def _connected(address: wire.Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
