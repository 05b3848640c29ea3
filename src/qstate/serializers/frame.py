"""The frame around every value: what wrote it, how, and a checksum. See docs/wire-format.md.

::

    offset  bytes  what
         0      2  magic: c1 71
         2      1  format version: 01
         3      1  codec: the serializer's number
         4      1  flags: which fields and transformations follow
         5      1  length of the writer field, w
         6      8  xxh3-64 of bytes 0 to 5, then of all that follows this field; big-endian
        14      w  writer
    14 + w         payload
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import xxhash

from qstate.backend import Buffer
from qstate.errors import SerializationError

MAGIC: Final = b"\xc1q"
FORMAT: Final = 1
HEADER_SIZE: Final = 14
ZSTD: Final = 0x01
LZ4: Final = 0x02
ENCRYPTED: Final = 0x04
COMPRESSED: Final = ZSTD | LZ4
KNOWN_FLAGS: Final = COMPRESSED | ENCRYPTED

_HEADER: Final = struct.Struct(">2sBBBBQ")
_CHECKED: Final = struct.Struct(">2sBBBB")
_checksum = xxhash.xxh3_64_intdigest
_checksum_bytes = xxhash.xxh3_64_digest
_new: Final = tuple.__new__  # a third of what a NamedTuple's own takes


class Frame(NamedTuple):
    """A frame that was opened.

    Attributes:
        codec: The number of the serializer that wrote the payload.
        writer: Who wrote it; empty where that is not known.
        payload: A view of the bytes that were opened.
        flags: How the payload was transformed; 0: not at all.
    """

    codec: int
    writer: bytes
    payload: Buffer
    flags: int = 0

    @property
    def head(self) -> bytes:
        """What stands in the frame besides checksum and payload; encryption binds it."""
        return header(self.codec, self.flags, self.writer) + self.writer


def header(codec: int, flags: int, writer: bytes) -> bytes:
    """The first six bytes of a frame."""
    return _CHECKED.pack(MAGIC, FORMAT, codec, flags, len(writer))


def seal(
    codec: int, payload: tuple[Buffer, ...], writer: bytes = b"", flags: int = 0
) -> tuple[Buffer, ...]:
    """A frame around a payload, in pieces: the payload's own are not copied.

    Example:
        >>> open_frame(b"".join(seal(1, (b"payload",)))).payload
        b'payload'
    """
    head = _CHECKED.pack(MAGIC, FORMAT, codec, flags, len(writer))
    first = payload[0] if len(payload) == 1 else None
    if type(first) is bytes and len(first) < 4096:
        body = writer + first
        return (head + _checksum_bytes(head + body) + body,)
    digest = xxhash.xxh3_64(head + writer)
    for part in payload:
        digest.update(part)
    return (head + digest.intdigest().to_bytes(8) + writer, *payload)


def is_frame(data: Buffer) -> bool:
    """Whether the bytes claim to be a frame."""
    return data[:2] == MAGIC


def open_frame(data: Buffer) -> Frame:
    """Check a frame and take it apart, without a copy of the payload.

    Raises:
        SerializationError: The bytes are cut short or altered, or of a later format.
    """
    if len(data) < HEADER_SIZE or data[:2] != MAGIC:
        raise SerializationError("the stored bytes are no frame, or cut short")
    _, version, codec, flags, writer_size, checksum = _HEADER.unpack_from(data)
    if version != FORMAT or (flags and not _known(flags)):
        raise SerializationError(
            f"the stored bytes are of format {version} with flags {flags:#04x}, which this version "
            "of qstate can't read: upgrade qstate here"
        )
    rest = data[HEADER_SIZE:]
    if _digest(data[:6], rest) != checksum:
        raise SerializationError(
            "the stored bytes were cut short or altered: their checksum differs"
        )
    if not writer_size:
        return _new(Frame, (codec, b"", rest, flags))
    if writer_size > len(rest):
        raise SerializationError("the stored bytes are cut short")
    return _new(Frame, (codec, bytes(rest[:writer_size]), rest[writer_size:], flags))


def _known(flags: int) -> bool:
    return not flags & ~KNOWN_FLAGS and flags & COMPRESSED != COMPRESSED


def _digest(head: Buffer, rest: Buffer) -> int:
    if len(rest) < 4096:
        return _checksum(bytes(head) + rest)
    digest = xxhash.xxh3_64(head)
    digest.update(rest)
    return digest.intdigest()
