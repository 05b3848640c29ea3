"""Records as Redis keeps them: one plain string for each key, holding magic, version and data."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from qstate.backend import Buffer, Keep, Operation, Put, Version, seal_record
from qstate_backends.redis.wire import LARGE, Packed, pack, pack_small, size_of

Argument: TypeAlias = str | bytes | int | tuple[Buffer, ...]

MAGIC: Final = bytes(seal_record(Version(bytes(16)), ())[0][:2])
"""How a record begins that qstate wrote."""

HEAD: Final = len(MAGIC) + 16
"""Bytes before the data of a record: magic and version."""

MAX_VALUE_BYTES: Final = 512 * 1024 * 1024 - HEAD
_LONGEST_TTL: Final = 200_000_000_000_000
"""Milliseconds, some 6,000 years: later moments fit neither Redis nor ``datetime``."""


def data_of(blob: Any) -> Buffer | None:
    """The data of a blob, or None for none; of a large one a view, so that it is not copied."""
    if blob is None or blob[:2] != MAGIC or len(blob) < HEAD:
        return blob  # type: ignore[no-any-return]
    if len(blob) < LARGE:
        return blob[HEAD:]  # type: ignore[no-any-return]
    return memoryview(blob)[HEAD:]


def blob_of(put: Put) -> bytes | tuple[Buffer, ...]:
    """A record as one Redis string: in one piece, or in several where it is large."""
    pieces = seal_record(put.version, put.parts)
    return b"".join(pieces) if sum(map(size_of, pieces)) < LARGE else pieces


def value_and_expiry(operation: Operation) -> tuple[Argument, Argument]:
    """An operation as the script gets it: what to write, and when it expires."""
    if not isinstance(operation, Put):
        return b"", "delete"
    if operation.ttl is None:
        return blob_of(operation), ""
    if isinstance(operation.ttl, Keep):
        return blob_of(operation), "keep"
    milliseconds = round(operation.ttl * 1000)
    return blob_of(operation), min(max(milliseconds, 1), _LONGEST_TTL)


def command_of(operation: Operation, key: str) -> Packed:
    """An operation as one command."""
    value, expiry = value_and_expiry(operation)
    if expiry == "delete":
        return pack_small(("DEL", key))
    if expiry == "":
        return pack("SET", key, value)
    if expiry == "keep":
        return pack("SET", key, value, "KEEPTTL")
    return pack("SET", key, value, "PX", expiry)
