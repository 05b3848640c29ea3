"""EncodedStore: values as records, checked before they are sent; what operations rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

from qstate import keys
from qstate.backend import KEEP, Buffer, Keep, Operation, Put, Record, Version
from qstate.clients import Client
from qstate.entries import Entry, read_writer, signature
from qstate.errors import (
    ConflictError,
    MissingKeyError,
    SerializationError,
    StateError,
    UnsupportedOperationError,
    ValueTooLargeError,
    ValueTypeError,
)
from qstate.lifecycle import Handle
from qstate.serializers.records import kept_apart


class Absent:
    """The type of :data:`ABSENT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "qstate.ABSENT"

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""As ``if_version=``: write only where nothing stands."""

Result = TypeVar("Result")
TimeToLive: TypeAlias = float | timedelta | Keep | None


LONGEST_TTL: Final = 1000 * 365.25 * 86400
_new: Final = tuple.__new__  # a third of what a NamedTuple's own takes
_FIRST_PAUSE: Final = 0.0005
_LONGEST_PAUSE: Final = 0.05


class EncodedStore(Handle):
    """A handle that turns values into records and back."""

    __slots__ = ()

    def _entry(self, key: str, record: Record) -> Entry:
        value, writer = self._decode(key, record.data)
        version, expires_at = record.version, record.expires_at
        expiry = None if expires_at is None else datetime.fromtimestamp(expires_at, UTC)
        return Entry(value, version, version.modified, expiry, read_writer(writer))

    def _scan_joined(self, client: Client, prefix: str, page_size: int) -> Iterator[str]:
        can = client.capabilities
        window = math.inf if can.scan_window is None else can.scan_window
        before: set[str] = set()
        recent: set[str] = set()
        cursor: bytes | None = None
        while True:
            page, cursor = client.scan(prefix, cursor, page_size)
            if not can.ordered_scan:
                new = dict.fromkeys(page)
                page = [key for key in new if key not in recent and key not in before]
                if len(recent) >= window:
                    before, recent = recent, set()
                recent.update(page)
            # A key that is the scope's prefix and no more has no name inside the scope.
            yield from [key for key in page if key[:1] != keys.INTERNAL and key != self._prefix]
            if cursor is None:
                return

    def _put(self, client: Client, key: str, value: Any, ttl: float | Keep | None) -> Put:
        joined = keys.join(self._prefix, key)
        try:
            parts = self._codec.encode(value, signature(), joined)
        except SerializationError as error:
            error.key = key
            raise self._told(error) from error.__cause__
        limit = client.capabilities.max_value_bytes
        if limit is not None and (size := sum(_size(part) for part in parts)) > limit:
            raise self._told(
                ValueTooLargeError(
                    f"the value for {key!r} has {size:,} bytes, but this store takes at most "
                    f"{limit:,}; split it, or keep it elsewhere and store its address",
                    key=key,
                )
            )
        return _new(Put, (joined, Version.new(), parts, ttl))

    def _decode(self, key: str, data: Buffer) -> tuple[Any, bytes]:
        try:
            return self._codec.decode(data, key, self._prefix)
        except SerializationError as error:
            told = SerializationError(f"{key!r} can't be read: {error}", key=key)
            raise self._told(told) from error

    def _decode_as(self, key: str, data: Buffer, kind: Any) -> Any:
        """The value as one of a type that was asked for."""
        if kind is None:
            return self._decode(key, data)[0]
        from qstate.serializers.conversion import convert

        with kept_apart():
            value = self._decode(key, data)[0]
        try:
            return convert(value, kind)
        except SerializationError as error:
            told = SerializationError(f"{key!r} is not of the type: {error}", key=key)
            raise self._told(told) from error

    def _write_required(
        self,
        client: Client,
        operations: Sequence[Operation],
        require: Mapping[str, Version | None],
    ) -> None:
        try:
            client.write(operations, require)
        except ConflictError as error:
            key = str(error.key)[len(self._prefix) :]
            raise self._told(ConflictError(key, error.expected, error.actual)) from None

    def _own(self, key: str, record: Record) -> Any:
        """The value of a record that qstate wrote."""
        if record.version.modified is None:
            foreign = (
                f"{key!r} holds a value that something other than qstate wrote; set() it first"
            )
            raise self._told(ValueTypeError(foreign, key=key))
        return self._decode(key, record.data)[0]

    def _until_settled(
        self, client: Client, attempt: Callable[[], Result], attempts: float = math.inf
    ) -> Result:
        """Read and require again, with growing pauses, while others get in between."""
        tried, pause = 0, _FIRST_PAUSE
        while True:
            try:
                return attempt()
            except ConflictError:
                tried += 1
                if tried >= attempts:
                    raise
            client.pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _missing(self, key: str) -> StateError:
        return self._told(MissingKeyError(f"nothing stands under {key!r}", key=key))

    def _seconds(self, client: Client, ttl: TimeToLive) -> float | Keep | None:
        if ttl is None:
            return None
        if not client.capabilities.expiry:
            raise self._told(
                UnsupportedOperationError("this store's values can't expire; leave ttl out")
            )
        if isinstance(ttl, Keep):
            return KEEP
        seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise ValueError(f"ttl is seconds or a timedelta, not {type(ttl).__name__}")  # noqa: TRY004
        if not 0 < seconds <= LONGEST_TTL:
            raise ValueError(f"ttl is seconds above 0 and at most a thousand years, not {seconds}")
        return float(seconds)

    def _allow_several(self, client: Client, several: Sequence[object]) -> None:
        if len(several) > 1 and not client.capabilities.several_keys:
            raise self._told(
                UnsupportedOperationError("this store writes one key at a time; write them singly")
            )


def required(version: bytes | Absent) -> Version | None:
    """The version that ``if_version=`` means; None: nothing may stand."""
    if isinstance(version, Absent):
        return None
    if not isinstance(version, bytes):
        raise TypeError(f"if_version is a Version or qstate.ABSENT, not {type(version).__name__}")
    return Version(version)


def _size(part: Buffer) -> int:
    return part.nbytes if isinstance(part, memoryview) else len(part)
