"""What stands under a key, besides the value: versions, times and who wrote it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import msgpack

from qstate.backend import Version
from qstate.errors import SerializationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who wrote a value, as far as it was known when it was written.

    Attributes:
        job: The job's id.
        task: The task's id.
        attempt: Which try of the task, from 0.
        node: The id of the node it ran on.
        function: The name of the task's function.
    """

    job: str | None = None
    task: str | None = None
    attempt: int | None = None
    node: str | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with what is known of it.

    Attributes:
        value: The value.
        version: The version of the write; what ``if_version=`` takes.
        modified: When it was written, in UTC, by the writer's clock; None where something other
            than qstate wrote it.
        expires_at: When it expires, in UTC, by the store's clock; None: never.
        writer: Who wrote it; None where that was not known.
    """

    value: Any
    version: Version
    modified: datetime | None
    expires_at: datetime | None
    writer: Writer | None


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What a store is.

    Attributes:
        url: Its address, without secrets.
        scope: The prefix its keys live under; empty for the whole store.
        reach: From where the address means this store: "process", "host" or "cluster".
        durable: Whether what was acknowledged survives a restart of the store.
        max_value_bytes: The largest encoded value, in bytes; None: no limit of its own.
        serializer: What new values are written with.
        plugin: The distribution and version that serve it.
        compression: What new values are compressed by; None: they are not.
        encryption: The name of the key that new values are encrypted under; None: they are not.
    """

    url: str
    scope: str
    reach: str
    durable: bool
    max_value_bytes: int | None
    serializer: str
    plugin: str
    compression: str | None = None
    encryption: str | None = None


_LONGEST_FIELD: Final = 255

writer_field: Final[ContextVar[bytes]] = ContextVar("qstate_writer", default=b"")
"""The writer field of frames made in this context, already encoded."""

_process_signs: Callable[[], bytes] = bytes


def signature() -> bytes:
    """The writer field of a frame that is made here and now."""
    return writer_field.get() or _process_signs()


def sign_process_by(sign: Callable[[], bytes]) -> None:
    """Let all writes of this process be signed by what ``sign`` gives; for processes of tasks.

    Args:
        sign: Gives the writer field, as :func:`encode_writer` makes it. Called at each write.
    """
    global _process_signs
    _process_signs = sign


@contextlib.contextmanager
def writing_as(writer: Writer) -> Iterator[None]:
    """Sign all writes made inside with a writer."""
    token = writer_field.set(encode_writer(writer))
    try:
        yield
    finally:
        writer_field.reset(token)


def encode_writer(writer: Writer) -> bytes:
    """The field of a writer: at most 255 bytes, as its length is one; ids matter before names."""
    known = {name: value for name, value in asdict(writer).items() if value is not None}
    encoded: bytes = msgpack.packb(known)
    if len(encoded) > _LONGEST_FIELD and "function" in known:
        name = known["function"].encode()
        left = len(name) - (len(encoded) - _LONGEST_FIELD) - len("…".encode())
        known["function"] = "…" + name[-max(left, 1) :].decode(errors="ignore")
        encoded = msgpack.packb(known)
    while len(encoded) > _LONGEST_FIELD:
        known.popitem()
        encoded = msgpack.packb(known)
    return encoded


def read_writer(field: bytes) -> Writer | None:
    """The writer of a frame, from its field.

    Raises:
        SerializationError: The field can't be read.
    """
    if not field:
        return None
    try:
        known = msgpack.unpackb(field)
        writer = Writer(**{name: known.get(name) for name in Writer.__dataclass_fields__})
        if not {type(value) for value in asdict(writer).values()} <= {str, int, type(None)}:
            raise ValueError("it holds what is neither text nor a number")  # noqa: TRY301
    except Exception as error:
        raise SerializationError(f"the writer field of the value can't be read: {error}") from error
    return writer
