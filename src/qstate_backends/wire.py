"""The connection between a served backend and its clients: frames, and the proof of a key.

A frame is a header, a head (MessagePack) and a body (the bytes of values, one after the other).
One side asks, the other answers: at most one frame is on its way, but for the changes that follow
the answer to a watch. Nothing received is unpickled.
"""

from __future__ import annotations

import hmac
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

from qstate.backend import Buffer

Address: TypeAlias = tuple[str, int]

HANDSHAKE_TIMEOUT: Final = 5.0
"""Seconds within which a peer must have proven that it knows the key."""

_MAGIC: Final = b"qst1"
_HEADER: Final = struct.Struct(">4sIQ")
_MAX_HEAD: Final = 1 << 30
_MAX_BODY: Final = 1 << 34
_CHUNK: Final = 1 << 16
_NONCE: Final = 32


class _Socket(Protocol):
    """What a connection uses of a socket."""

    def fileno(self) -> int: ...

    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...

    def settimeout(self, seconds: float | None, /) -> None: ...

    def sendall(self, data: Buffer, /) -> None: ...

    def recv(self, most: int, /) -> bytes: ...

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def shutdown(self, how: int, /) -> None: ...

    def close(self) -> None: ...


class FrameError(ValueError):
    """Bytes that are no frame of this protocol."""


def frame(head: bytes, blobs: Sequence[Buffer] = ()) -> list[Buffer]:
    """The pieces of one frame, in order; the blobs are not copied."""
    body = sum(size(blob) for blob in blobs)
    return [_HEADER.pack(_MAGIC, len(head), body) + head, *blobs]


def open_frame(data: Buffer) -> tuple[Buffer, Buffer]:
    """Head and body of a frame that is there as a whole.

    Raises:
        FrameError: It is no frame, or not one alone.
    """
    head, total = _measure(data)
    if len(data) != total:
        raise FrameError("a frame of another length than it says")
    return data[_HEADER.size : head], data[head:]


def size(blob: Buffer) -> int:
    """How many bytes a buffer has."""
    return blob.nbytes if isinstance(blob, memoryview) else len(blob)


class Connection:
    """Frames over a socket whose peer is known.

    Args:
        sock: Connected; the connection owns it from now on.
    """

    def __init__(self, sock: _Socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._sock = sock
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)

    def send(self, parts: Sequence[Buffer], deadline: float | None = None) -> None:
        """Send the pieces of one frame.

        Args:
            parts: As :func:`frame` gives them.
            deadline: By ``time.monotonic()``; None: wait for ever.

        Raises:
            OSError: The peer is gone, or took too long.
        """
        for part in _few(parts):
            self._sock.settimeout(_remaining(deadline))
            self._sock.sendall(part)

    def receive(self, deadline: float | None = None) -> tuple[Buffer, Buffer]:
        """Head and body of the next frame; as views where they are large.

        Raises:
            FrameError: What came is no frame.
            OSError: The peer is gone, or took too long.
        """
        data = self._some(_CHUNK, deadline)
        while len(data) < _HEADER.size:
            data += self._some(_CHUNK, deadline)
        _, total = _measure(data)
        if len(data) < total:
            return open_frame(self._rest(data, total, deadline))
        return open_frame(data)

    def receive_next(self, deadline: float | None = None) -> tuple[Buffer, Buffer]:
        """As :meth:`receive`, where other frames may follow at once."""
        header = _exactly(self._sock, _HEADER.size, deadline)
        _, total = _measure(header)
        return open_frame(self._rest(header, total, deadline))

    def wait(self) -> None:
        """Until the peer says something, or has gone."""
        self._readable.poll()

    def stands(self) -> bool:
        """Whether nothing has come unasked: the peer has neither closed nor said anything."""
        return not self._readable.poll(0)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def interrupt(self) -> None:
        """End whatever waits on the socket in another thread."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # the peer has gone before
            return

    def __del__(self) -> None:
        self._sock.close()

    def _some(self, most: int, deadline: float | None) -> bytes:
        self._sock.settimeout(_remaining(deadline))
        data = self._sock.recv(most)
        if not data:
            raise ConnectionResetError("the connection was closed by its other end")
        return data

    def _rest(self, begun: bytes, total: int, deadline: float | None) -> memoryview:
        data = memoryview(bytearray(total))
        received = len(begun)
        data[:received] = begun
        while received < total:
            self._sock.settimeout(_remaining(deadline))
            count = self._sock.recv_into(data[received:])
            if not count:
                raise ConnectionResetError("the connection was closed by its other end")
            received += count
        return data


def dial(address: Address, key: bytes, deadline: float) -> Connection:
    """Connect, prove that this side knows the key, and have the other side prove it too.

    Raises:
        PermissionError: What listens there has another key, or none.
        OSError: Nothing listens there, or it took too long.
    """
    return introduce(socket.create_connection(address, _remaining(deadline)), key, deadline)


def introduce(sock: _Socket, key: bytes, deadline: float) -> Connection:
    """As :func:`dial`, over a socket that is connected; it is closed where that fails."""
    try:
        _prove(sock, key, deadline)
        return Connection(sock)
    except BaseException:
        sock.close()
        raise


def _prove(sock: _Socket, key: bytes, deadline: float) -> None:
    greeting = _exactly(sock, len(_MAGIC) + _NONCE, deadline)
    nonce = os.urandom(_NONCE)
    sock.sendall(nonce + _proof(key, b"client", greeting, nonce))
    try:
        proof = _exactly(sock, _NONCE, deadline)
    except ConnectionError as error:
        raise PermissionError("it did not let this process in") from error
    if not hmac.compare_digest(proof, _proof(key, b"server", greeting, nonce)):
        raise PermissionError("what listens there does not know the store's key")


def admit(sock: socket.socket, key: bytes) -> Connection:
    """The other side of :func:`dial`.

    Raises:
        PermissionError: The peer does not know the key.
        OSError: It is gone, or took too long.
    """
    deadline = time.monotonic() + HANDSHAKE_TIMEOUT
    greeting = _MAGIC + os.urandom(_NONCE)
    sock.settimeout(HANDSHAKE_TIMEOUT)
    sock.sendall(greeting)
    answer = _exactly(sock, 2 * _NONCE, deadline)
    nonce, proof = answer[:_NONCE], answer[_NONCE:]
    if not hmac.compare_digest(proof, _proof(key, b"client", greeting, nonce)):
        raise PermissionError("the peer does not know the store's key")
    sock.sendall(_proof(key, b"server", greeting, nonce))
    return Connection(sock)


def _proof(key: bytes, side: bytes, greeting: bytes, nonce: bytes) -> bytes:
    return hmac.digest(key, side + greeting + nonce, "sha256")


def _exactly(sock: _Socket, count: int, deadline: float | None) -> bytes:
    data = b""
    while len(data) < count:
        sock.settimeout(_remaining(deadline))
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionResetError("the connection was closed by its other end")
        data += more
    return data


def _remaining(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("timed out")
    return remaining


def _measure(data: Buffer) -> tuple[int, int]:
    """Where the head of a frame ends, and the body."""
    if len(data) < _HEADER.size:
        raise FrameError("less than the header of a frame")
    magic, head, body = _HEADER.unpack_from(data)
    if magic != _MAGIC or head > _MAX_HEAD or body > _MAX_BODY:
        raise FrameError("no frame of this protocol, or one that is too large")
    total = _HEADER.size + head + body
    if len(data) > total:
        raise FrameError("more than one frame at once")
    return _HEADER.size + head, total


def _few(parts: Sequence[Buffer]) -> list[Buffer]:
    """The pieces, small ones joined, so that a small frame is one packet."""
    few: list[Buffer] = []
    small: list[Buffer] = []
    for part in parts:
        if size(part) < _CHUNK:
            small.append(part)
            continue
        few += [b"".join(small), part]
        small = []
    return [*few, b"".join(small)] if small else few
