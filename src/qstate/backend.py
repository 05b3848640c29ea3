"""What the author of a backend reads, and the only module of the core that a backend imports.

A backend keeps bytes under keys, each with a version and some with an expiry. All that a user
calls on a store is built, once, on the five methods of :class:`Backend`. One backend serves every
thread of its process and every store of one address there. It is made without I/O, connects when
first used, and is never carried over a fork or a pickle: the core makes a new one.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import pluggy

from qstate.errors import (
    BackendNotFoundError,
    ConflictError,
    InvalidURLError,
    SerializationError,
    StateError,
    StateLostError,
    StoreUnavailableError,
    UnreachableStoreError,
    UnsupportedOperationError,
    ValueTooLargeError,
    ValueTypeError,
)
from qstate.url import StateURL

__all__ = [
    "DEFAULT_TIMEOUT",
    "KEEP",
    "NO_REQUIREMENTS",
    "Backend",
    "BackendNotFoundError",
    "Buffer",
    "Capabilities",
    "ConflictError",
    "CountsKeys",
    "Delete",
    "InvalidURLError",
    "Keep",
    "OffersAsync",
    "Operation",
    "Put",
    "ReadsData",
    "Record",
    "RemembersWrites",
    "RemovesKeys",
    "Resets",
    "SerializationError",
    "SharesURL",
    "StateError",
    "StateLostError",
    "StateURL",
    "StoreUnavailableError",
    "UnreachableStoreError",
    "UnsupportedOperationError",
    "ValueTooLargeError",
    "ValueTypeError",
    "Version",
    "WatchesKeys",
    "deadline",
    "hookimpl",
    "open_record",
    "read_options",
    "seal_record",
    "time_left",
    "translate_errors",
]

Buffer: TypeAlias = bytes | bytearray | memoryview

hookimpl: Final = pluggy.HookimplMarker("qstate")
"""Marks a plug-in's functions as implementations of the hooks in :mod:`qstate.plugins`."""

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds that a whole call may take where the URL has no ``timeout=``."""


class Keep:
    """The type of :data:`KEEP`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "qstate.KEEP"

    def __reduce__(self) -> str:
        return "KEEP"


KEEP: Final = Keep()
"""As a ``ttl``: the expiry that stands under the key stays as it is."""


class Version(bytes):
    """The version of one write: a UUIDv7 (RFC 9562) made by the writer, 16 bytes.

    Example:
        >>> version = Version.new()
        >>> len(version), version.modified is not None
        (16, True)
        >>> Version.derived(b"written by something else").modified is None
        True
    """

    __slots__ = ()

    @classmethod
    def new(cls) -> Version:
        """A version that no other write has, with the time of this machine's clock in it."""
        now = time.time_ns()
        # RFC 9562, 6.2, method 3: the 12 bits after the milliseconds hold their fraction.
        high = now // 1_000_000 << 16 | 0x7000 | (now % 1_000_000 << 12) // 1_000_000
        low = 0x8000000000000000 | _random_bits(62)
        return cls((high << 64 | low).to_bytes(16))

    @classmethod
    def derived(cls, data: Buffer) -> Version:
        """The version of bytes that something else wrote: ``0xff`` and 15 bytes of their SHA-1."""
        digest = hashlib.sha1(data, usedforsecurity=False).digest()
        return cls(b"\xff" + digest[1:16])

    @property
    def modified(self) -> datetime | None:
        """When the write was made, in UTC by the writer's clock; None for a derived version."""
        if self[0] == 0xFF:
            return None
        fraction = (int.from_bytes(self[6:8]) & 0x0FFF) * 1000 // 4096
        seconds, milliseconds = divmod(int.from_bytes(self[:6]), 1000)
        moment = datetime.fromtimestamp(seconds, UTC)
        return moment.replace(microsecond=milliseconds * 1000 + fraction)

    def __str__(self) -> str:
        return str(uuid.UUID(bytes=bytes(self))) if len(self) == 16 else self.hex()

    def __repr__(self) -> str:
        return f"Version('{self}')"


_source = random.Random(os.urandom(32))
_random_bits = _source.getrandbits
if hasattr(os, "register_at_fork"):  # a child would otherwise make its parent's versions again
    os.register_at_fork(after_in_child=lambda: _source.seed(os.urandom(32)))


class Record(NamedTuple):
    """What stands under a key.

    Attributes:
        version: The version it was written with.
        data: Its bytes; the core never changes them.
        expires_at: When it expires, in seconds since 1970 by the store's clock; None: never.
    """

    version: Version
    data: Buffer
    expires_at: float | None = None


class Put(NamedTuple):
    """Write ``data`` under ``key``.

    Attributes:
        key: A joined key, already checked; at most 1,100 bytes of UTF-8. Keys that begin with NUL
            are the core's own and a backend keeps them like any other.
        version: The version of this write.
        parts: The bytes, in pieces that belong together, so that a large array need not be copied.
        ttl: Seconds until it expires, above 0; None: no expiry, and an earlier one is gone;
            :data:`KEEP`: the expiry that stands stays.
    """

    key: str
    version: Version
    parts: tuple[Buffer, ...]
    ttl: float | Keep | None = None

    @property
    def data(self) -> bytes:
        """The pieces as one."""
        first = self.parts[0] if len(self.parts) == 1 else None
        return first if type(first) is bytes else b"".join(self.parts)


class Delete(NamedTuple):
    """Remove what stands under ``key``, if anything does."""

    key: str


Operation: TypeAlias = Put | Delete

NO_REQUIREMENTS: Final[Mapping[str, Version | None]] = {}

Reach = Literal["process", "host", "cluster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do, as data: what is declared works, what is not is refused before I/O.

    Attributes:
        reach: From where one address means one store: this process, this host, or any machine.
        durable: Whether what was acknowledged survives a restart of the store.
        max_value_bytes: The largest data of one record; None: no limit of its own.
        several_keys: Whether one ``write`` may hold, and require, more than one key.
        expiry: Whether a ``Put`` may have a ``ttl``.
        ordered_scan: Whether ``scan`` gives keys in one fixed order, each once. Where it does not,
            the core remembers what came, and drops what comes again.
        scan_window: Where keys may come again, within how many keys they do; the core remembers up
            to twice as many. None: at any time, so that it has to remember them all.
        reads_behind: Seconds that ``read_data`` of one key may be behind what others have written;
            it never goes back, and has what this process wrote. 0: it is linearizable.
    """

    reach: Reach
    durable: bool = False
    max_value_bytes: int | None = None
    several_keys: bool = True
    expiry: bool = True
    ordered_scan: bool = False
    scan_window: int | None = None
    reads_behind: float = 0.0


@runtime_checkable
class Backend(Protocol):
    """A store of bytes: the five methods that a plug-in author writes.

    Every method raises :class:`StoreUnavailableError` within the timeout where the store does not
    answer; none answers with an absence it has not seen. An expired record is absent to all.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do; known without I/O."""
        ...

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys`` in their order, as of one moment; None where none stands."""
        ...

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one, if every requirement holds.

        Args:
            operations: At most one for each key.
            require: For each key the version that must stand there, or None: nothing may stand.
                Keys without an operation may be required too.

        Raises:
            ConflictError: A requirement did not hold; nothing was applied.
        """
        ...

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """One page of the keys that begin with ``prefix``, and the cursor of the next page.

        A key that stands from the first page to the last is in one of them. A page may be empty
        though others follow; ``limit`` is a wish. The protocol does not promise one moment for all
        pages: keys that come or go meanwhile may be in or not.

        Args:
            prefix: Compared code point by code point; ``""`` is all keys.
            cursor: None for the first page, then what the page before gave.
            limit: About how many keys a page should have.
        """
        ...

    def close(self) -> None:
        """Let go of connections, threads and files. Called once, when the last store is closed."""
        ...


@runtime_checkable
class ReadsData(Protocol):
    """A faster way, optional: ``read`` without versions and expiries."""

    def read_data(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """The data under ``keys``, in their order, all as of one moment."""
        ...


@runtime_checkable
class RemovesKeys(Protocol):
    """A faster way, optional: removal that counts. Without it the core reads, then requires."""

    def remove(self, keys: Sequence[str]) -> int:
        """Remove ``keys`` as one; return how many stood."""
        ...


@runtime_checkable
class RemembersWrites(Protocol):
    """Optional: a short-lived memory of what was applied, so that a lost answer can be asked again.

    The operation's id is written in the same atomic step as what it does, and kept for at least a
    minute. A call with an id that is remembered does nothing and answers as the first one did.
    """

    def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``."""
        ...

    def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``."""
        ...


@runtime_checkable
class CountsKeys(Protocol):
    """A faster way, optional: counting. Without it the core scans."""

    def count(self, prefix: str) -> int:
        """How many keys begin with ``prefix``, none of them beginning with NUL."""
        ...


@runtime_checkable
class WatchesKeys(Protocol):
    """Optional: telling of changes as they happen. Without it the core polls."""

    def watch(self, prefix: str) -> AbstractContextManager[Iterator[str]]:
        """A key for each change under ``prefix``, from when the context was entered.

        The iterator waits for the next one; ``""`` says that any key may have changed. It raises
        :class:`StoreUnavailableError` where the connection is lost: the core watches anew and looks
        for what it missed. Leaving the context, from any thread, ends the iterator. Expiries need
        not be told.
        """
        ...


@runtime_checkable
class OffersAsync(Protocol):
    """Optional: the same store for ``async`` code. Without it ``aio`` uses threads."""

    def aio(self) -> Any:
        """A backend of one event loop, with the same methods as ``async def``, made without I/O."""
        ...


@runtime_checkable
class Resets(Protocol):
    """Optional: a store that says when it has lost what it held, until it is told to go on."""

    def reset(self) -> None:
        """Begin anew after a loss; a store that has lost nothing stays as it is."""
        ...


@runtime_checkable
class SharesURL(Protocol):
    """Optional: an address by which another process reaches this very store."""

    def shared_url(self) -> str:
        """The URL, with what is needed to be let in; other processes' backends are made from it."""
        ...


def read_options(
    url: StateURL | str, options: Mapping[str, Any], known: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    """The options of a store, converted; refused where one is unknown or can't be converted.

    Args:
        url: The store's URL, for the message.
        options: Option names and their values: text from a URL's query, anything from a call.
        known: For each known name what converts its value.

    Raises:
        InvalidURLError: An option is unknown, or its value does not convert.

    Example:
        >>> read_options("memory://", {"timeout": "2.5"}, {"timeout": float})
        {'timeout': 2.5}
    """
    unknown = sorted(set(options) - set(known))
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise InvalidURLError(f"{url}: unknown option {unknown[0]!r}; known here: {names}")
    converted = {}
    for name, value in options.items():
        try:
            converted[name] = known[name](value)
        except (TypeError, ValueError) as error:
            raise InvalidURLError(f"{url}: option {name!r} has no usable value: {error}") from None
    return converted


_deadline: Final[ContextVar[float | None]] = ContextVar("qstate_deadline", default=None)


@contextmanager
def deadline(moment: float) -> Iterator[Callable[[], float]]:
    """Bound the calls made inside, by the monotonic clock; gives what tells the seconds left."""
    token = _deadline.set(moment)
    try:
        yield lambda: moment - time.monotonic()
    finally:
        _deadline.reset(token)


def time_left(timeout: float) -> float:
    """Seconds that the present call may take: ``timeout``, or less where it is tried again."""
    moment = _deadline.get()
    return timeout if moment is None else min(timeout, max(moment - time.monotonic(), 0.001))


class translate_errors:  # noqa: N801 - reads as a statement: with translate_errors(…):
    """The one gate through which a driver's errors leave a backend.

    Errors of qstate pass unchanged. The first class of ``errors`` that fits names what is raised
    instead; for :class:`StoreUnavailableError` with ``outcome="unknown"`` once ``sent`` was set.

    Args:
        address: Where the store is, without secrets.
        errors: Driver's error class → error of qstate, most specific first.

    Example:
        >>> with translate_errors("localhost:6379", {OSError: StoreUnavailableError}):
        ...     raise OSError("refused")
        Traceback (most recent call last):
        qstate.errors.StoreUnavailableError: localhost:6379 did not serve the call: refused
    """

    __slots__ = ("address", "errors", "sent")

    def __init__(
        self, address: str, errors: Mapping[type[BaseException], type[StateError]]
    ) -> None:
        self.address = address
        self.errors = errors
        self.sent = False

    def __enter__(self) -> translate_errors:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, StateError):
            return
        for driver_error, meant in self.errors.items():
            if isinstance(error, driver_error):
                message = f"{self.address} did not serve the call: {error or kind.__name__}"  # type: ignore[union-attr]
                if issubclass(meant, StoreUnavailableError):
                    raise meant(
                        message, outcome="unknown" if self.sent else "not applied"
                    ) from error
                raise meant(message) from error


_RECORD_MAGIC: Final = b"\xc1R"


def seal_record(version: Version, parts: tuple[Buffer, ...]) -> tuple[Buffer, ...]:
    """One value for stores that keep a single blob a key: magic, version, then the data.

    Example:
        >>> version = Version.new()
        >>> open_record(b"".join(seal_record(version, (b"data",)))) == (version, b"data")
        True
    """
    return (_RECORD_MAGIC + version, *parts)


def open_record(blob: Buffer) -> tuple[Version, Buffer]:
    """Version and data of a blob; a blob that something else wrote is its own data.

    The data of a ``memoryview`` is a view of it, so nothing large is copied.
    """
    if blob[:2] == _RECORD_MAGIC and len(blob) >= 18:
        return Version(blob[2:18]), blob[18:]
    return Version.derived(blob), blob
