"""Wire: one connection to a server, and what goes over it.

redis-py connects (TLS and all); commands then go to its socket directly and replies are read by
hiredis, as the layers between cost more than the server takes to answer. Large values go out
in pieces and come in to where they stay, so that none is copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import hiredis
from redis.exceptions import InvalidResponse

from qstate.backend import Buffer
from qstate_backends.redis.errors import reply_error

Packed: TypeAlias = bytes | list[Buffer]
"""A command in Redis's protocol; in pieces where a large value is among them."""

LARGE: Final = 64 * 1024
"""Bytes from which on a value is worth not being copied."""

pack_small: Final[Callable[[tuple[Any, ...]], bytes]] = hiredis.pack_command
"""A command in Redis's protocol, of text, bytes and numbers."""

_PENDING: Final = object()
_BULK: Final = ord("$")
_ALIGNMENT: Final = 14
"""Bytes before a large blob, so that what follows its 18 bytes of magic and version is aligned."""


def pack(*arguments: Any) -> Packed:
    """A command in Redis's protocol; an argument that is a tuple of buffers is their sum."""
    if tuple not in map(type, arguments):
        return pack_small(arguments)
    pieces: list[Buffer] = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        parts = argument if type(argument) is tuple else (_encoded(argument),)
        pieces += (b"$%d\r\n" % sum(map(size_of, parts)), *parts, b"\r\n")
    return pieces


def size_of(part: Buffer) -> int:
    """How many bytes a buffer has."""
    return part.nbytes if isinstance(part, memoryview) else len(part)


def _encoded(argument: str | bytes | int) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()


class Wire:
    """One connection, used by one call at a time.

    Whatever it raises leaves it between two replies: it must be closed then, never used again.

    Args:
        connection: One of redis-py, connected, nothing sent yet.
        timeout: Seconds that one call may take; each call also has its own deadline.

    Attributes:
        sent: Whether all of a call that has no answer yet was handed to the network. Where it was
            not, the server can't have applied it, as the end of its last command never left.
    """

    def __init__(self, connection: Any, timeout: float) -> None:
        self.sent = False
        self._connection = connection
        self._timeout = timeout
        # The socket is redis-py's own; its read and write cost a third of a small call.
        self._socket: socket.socket = connection._sock
        self._socket.settimeout(timeout)
        self._limited = False
        self._buffer = bytearray(LARGE)
        self._reader: Any = _reader()
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        self._events = poll.poll

    def is_fresh(self) -> bool:
        """Whether nothing came unasked: a server that has hung up shows here, before we send."""
        return not self._events(0)

    def ask(self, command: Packed, deadline: float) -> Any:
        """Send one command and return its reply; an error that the server replied is returned.

        Raises:
            OSError: The connection broke, or the deadline passed.
        """
        self._send(command, deadline)
        received = self._receive()
        self._reader.feed(self._buffer, 0, received)
        reply = self._reader.gets()
        if reply is _PENDING:
            if self._buffer[0] == _BULK and (size := self._announced()) >= LARGE:
                reply = self._large(size, received, deadline)
            else:
                reply = self._reply(deadline)
        self.sent = False
        if self._limited:
            self._unlimit()
        return reply

    def ask_all(self, commands: Sequence[Packed], deadline: float) -> list[Any]:
        """Send several commands in one round trip and return their replies."""
        pieces: list[Buffer] = []
        for command in commands:
            pieces += (command,) if isinstance(command, bytes) else command
        self._send(pieces, deadline)
        replies = [self._reply(deadline) for _ in commands]
        self.sent = False
        self._unlimit()
        return replies

    async def awaited(self, commands: Sequence[Packed]) -> list[Any]:
        """As :meth:`ask_all`, on the running event loop; the caller bounds its time."""
        loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        pieces: list[Buffer] = []
        for command in commands:
            pieces += (command,) if isinstance(command, bytes) else command
        self.sent = False
        *before, last = _coalesced(pieces)
        for piece in before:
            await loop.sock_sendall(self._socket, piece)
        self.sent = True  # who is cancelled while the last piece leaves can't tell whether it has
        await loop.sock_sendall(self._socket, last)
        replies: list[Any] = []
        while len(replies) < len(commands):
            if (reply := self._reader.gets()) is not _PENDING:
                replies.append(reply)
                continue
            received = await loop.sock_recv_into(self._socket, self._buffer)
            if not received:
                raise ConnectionResetError("the server closed the connection")
            self._reader.feed(self._buffer, 0, received)
        self.sent = False
        return replies

    def tell(self, command: bytes) -> None:
        """Send a command whose reply :meth:`wait` will give."""
        self._socket.sendall(command)

    def wait(self, timeout: float) -> Any:
        """What the server says next, be it a reply or told unasked; None after so many seconds."""
        while (message := self._reader.gets()) is _PENDING:
            self._socket.settimeout(timeout)
            try:
                received = self._receive()
            except TimeoutError:
                return None
            self._reader.feed(self._buffer, 0, received)
        return message

    def limit(self, deadline: float) -> None:
        """Let the next step on the network end at the deadline.

        Raises:
            TimeoutError: It has passed.
        """
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        self._limited = True
        self._socket.settimeout(remaining)

    def cut(self) -> None:
        """End the connection, from any thread, but keep the socket's number."""
        with contextlib.suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; in a forked child without a word, as the connection is the parent's."""
        self._connection.disconnect()

    def __del__(self) -> None:
        self.close()

    def _unlimit(self) -> None:
        self._limited = False
        self._socket.settimeout(self._timeout)

    def _send(self, command: Packed, deadline: float) -> None:
        self.sent = False
        if not isinstance(command, bytes):
            for piece in _coalesced(command):
                self._send_rest(memoryview(piece).cast("B"), deadline)
        elif (sent := self._socket.send(command)) < len(command):
            self._send_rest(memoryview(command)[sent:], deadline)
        self.sent = True

    def _send_rest(self, rest: memoryview, deadline: float) -> None:
        while rest:
            self.limit(deadline)
            rest = rest[self._socket.send(rest) :]

    def _receive(self) -> int:
        received = self._socket.recv_into(self._buffer)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        return received

    def _reply(self, deadline: float) -> Any:
        while (reply := self._reader.gets()) is _PENDING:
            self.limit(deadline)
            self._reader.feed(self._buffer, 0, self._receive())
        return reply

    def _announced(self) -> int:
        """The length of the bulk string whose beginning is in the buffer; -1: not known yet."""
        end = self._buffer.find(b"\r\n", 1, 24)
        return int(self._buffer[1:end]) if end > 0 else -1

    def _large(self, size: int, received: int, deadline: float) -> memoryview:
        """Read a large bulk string to where it stays; hiredis would copy it twice."""
        start = self._buffer.index(b"\r\n") + 2
        blob = memoryview(bytearray(_ALIGNMENT + size + 2))
        have = _ALIGNMENT + received - start
        blob[_ALIGNMENT:have] = self._buffer[start:received]
        while have < len(blob):
            self.limit(deadline)
            received = self._socket.recv_into(blob[have:])
            if not received:
                raise ConnectionResetError("the server closed the connection in mid-reply")
            have += received
        self._reader = _reader()
        return blob[_ALIGNMENT : _ALIGNMENT + size]


def _reader() -> Any:
    return hiredis.Reader(
        protocolError=InvalidResponse, replyError=reply_error, notEnoughData=_PENDING
    )


def _coalesced(pieces: Sequence[Buffer]) -> list[Buffer]:
    """The same bytes in fewer pieces: small neighbours are joined, large ones left as they are."""
    joined: list[Buffer] = []
    small: list[Buffer] = []
    for piece in pieces:
        if size_of(piece) < LARGE:
            small.append(piece)
        else:
            joined += (b"".join(small), piece)
            small = []
    return [*joined, b"".join(small)]
