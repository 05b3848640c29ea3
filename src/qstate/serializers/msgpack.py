"""The default serializer: standard MessagePack, with extension types for what it has no form for.

Extension numbers are part of the wire format (docs/wire-format.md) and never change their meaning.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgpack

from qstate.backend import Buffer
from qstate.errors import SerializationError
from qstate.serializers import bounds

_UNCHECKED: Final = bounds.UNCHECKED
_COMPLEX: Final = struct.Struct(">dd")
_BINARY: Final = re.compile(rb"[\xc4-\xc6]")
_DEEPEST: Final = 32
_TOO_DEEP: Final = f"more than {_DEEPEST} tuples or sets inside one another"


class MessagePackSerializer:
    """Values as MessagePack; what comes back has the types that went in.

    Example:
        >>> serializer = MessagePackSerializer()
        >>> serializer.decode(b"".join(serializer.encode({"angles": (0.5, 1), 3: {1, 2}})))
        {'angles': (0.5, 1), 3: {1, 2}}
    """

    name = "msgpack"
    codec = 1

    def __init__(self) -> None:
        self._packers = threading.local()

    def encode(self, value: Any) -> tuple[Buffer, ...]:
        """The value as one piece of MessagePack.

        Raises:
            SerializationError: A type is unknown, or the value is nested too deeply.
        """
        try:
            packer = self._packers.packer
        except AttributeError:
            packer = self._packers.packer = msgpack.Packer(default=_extender(0), strict_types=True)
        try:
            packed = packer.pack(value)
            if _BINARY.search(packed) and _holds_buffer(value):
                packed = packer.pack(_without_buffers(value))
        except (SerializationError, TypeError, ValueError, OverflowError, RecursionError) as error:
            packer.reset()
            raise SerializationError(f"{_path_to(value)}: {_reason(error)}") from error
        return (packed,)

    def decode(self, payload: Buffer) -> Any:
        """The value of a payload.

        Raises:
            SerializationError: The payload is no MessagePack, or has an unknown extension.
        """
        try:
            restore = _restorer(0)
            if len(payload) > _UNCHECKED:
                restore = bounds.checked(payload, restore)
            return msgpack.unpackb(payload, ext_hook=restore, strict_map_key=False)
        except SerializationError:
            raise
        except Exception as error:
            raise SerializationError(
                f"the payload can't be read as MessagePack: {bounds.reason(error)}"
            ) from error


@functools.cache
def _extender(depth: int) -> Callable[[Any], msgpack.ExtType]:
    """What MessagePack asks about a type that it has no form for, inside so many extensions."""

    def extend(value: Any) -> msgpack.ExtType:
        kind = type(value)
        if kind in _CONTAINERS:
            return msgpack.ExtType(_CONTAINERS[kind], _pack(list(value), depth + 1))
        if kind not in _EXTENSIONS:
            raise SerializationError(
                f"no serializer for {kind.__module__}.{kind.__qualname__}; store what it is made "
                "of, as dict, list, str, bytes or number"
            )
        number, encode = _EXTENSIONS[kind]
        return msgpack.ExtType(number, encode(value))

    return extend


@functools.cache
def _restorer(depth: int) -> Callable[[int, bytes], Any]:
    """What turns an extension back into a value, inside so many others."""

    def restore(number: int, data: bytes) -> Any:
        if number in _MAKERS:
            return _MAKERS[number](_unpack(data, depth + 1))
        if number not in _DECODERS:
            raise SerializationError(
                f"the value has an extension of type {number}, unknown to this version of qstate: "
                "upgrade qstate here"
            )
        return _DECODERS[number](data)

    return restore


def _pack(value: Any, depth: int = 0) -> bytes:
    if depth > _DEEPEST:
        raise SerializationError(_TOO_DEEP)
    pack = functools.partial(msgpack.packb, default=_extender(depth), strict_types=True)
    packed: bytes = pack(value)
    if _BINARY.search(packed) and _holds_buffer(value):
        packed = pack(_without_buffers(value))
    return packed


def _unpack(data: bytes, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise SerializationError(_TOO_DEEP)
    restore = _restorer(depth)
    if len(data) > _UNCHECKED:
        restore = bounds.checked(data, restore)
    if depth < 4:
        return msgpack.unpackb(data, ext_hook=restore, strict_map_key=False)
    # unpackb keeps 40 kB on the C stack, where hostile bytes would make it overflow; this does not.
    unpacker = msgpack.Unpacker(
        ext_hook=restore, strict_map_key=False, max_buffer_size=len(data), read_size=1
    )
    unpacker.feed(data)
    value = unpacker.unpack()
    if unpacker.tell() != len(data):
        raise SerializationError("the payload goes on after its end")
    return value


def _fields(data: bytes) -> Any:
    """What an extension is made of: nothing that holds other extensions, but for large ints."""
    if len(data) > _UNCHECKED:
        bounds.check_lengths(data)
    return msgpack.unpackb(data, ext_hook=_restore_integer)


def _restore_integer(number: int, data: bytes) -> int:
    if number != 1:
        raise SerializationError(f"an extension of type {number} where none may stand")
    return int.from_bytes(data, signed=True)


def _holds_buffer(value: Any) -> bool:
    """Whether a value holds what MessagePack would write as bytes, though it is not ``bytes``."""
    parts = [value]
    while parts:
        part = parts.pop()
        kind = type(part)
        if kind is list:
            parts += part
        elif kind is dict:
            parts += [*part, *part.values()]
        elif kind is bytearray or kind is memoryview:
            return True
    return False


def _without_buffers(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_without_buffers(part) for part in value]
    if kind is dict:
        return {_without_buffers(key): _without_buffers(part) for key, part in value.items()}
    if kind is memoryview:
        raise SerializationError("no serializer for builtins.memoryview; store bytes(…) of it")
    return msgpack.ExtType(6, bytes(value)) if kind is bytearray else value


def _text(value: Any) -> bytes:
    return str(value).encode()


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, signed=True)


def _zone(moment: dt.datetime | dt.time) -> Any:
    zone = moment.tzinfo
    if zone is None:
        return None
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        return zone.key
    if type(zone) is not dt.timezone:
        raise SerializationError(
            f"no serializer for the time zone {zone!r}; use datetime.timezone or zoneinfo.ZoneInfo"
        )
    return [zone.utcoffset(None) // dt.timedelta(microseconds=1), zone.tzname(None)]


def _zone_from(stored: Any) -> dt.tzinfo | None:
    if stored is None:
        return None
    if isinstance(stored, str):
        return bounds.zone(stored)
    microseconds, name = stored
    zone = dt.timezone(dt.timedelta(microseconds=microseconds))
    if zone.tzname(None) == name:
        return dt.UTC if zone == dt.UTC else zone
    return dt.timezone(dt.timedelta(microseconds=microseconds), name)


def _moment(value: dt.datetime | dt.time) -> bytes:
    return _pack([value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value)])


def _moment_from(kind: type[dt.datetime] | type[dt.time]) -> Callable[[bytes], Any]:
    def restore(data: bytes) -> Any:
        text, fold, zone = _fields(data)
        return kind.fromisoformat(text).replace(tzinfo=_zone_from(zone), fold=fold)

    return restore


def _fraction(value: Fraction) -> bytes:
    bounds.fraction(value.numerator, value.denominator)
    return _pack([value.numerator, value.denominator])


def _timedelta(value: dt.timedelta) -> bytes:
    return _pack([value.days, value.seconds, value.microseconds])


def _path_from(data: bytes) -> Any:
    kind, text = _fields(data)
    return _PATHS[kind](text)


def _path(value: PurePosixPath | PureWindowsPath) -> bytes:
    kind = "windows" if isinstance(value, PureWindowsPath) else "posix"
    return _pack([kind if isinstance(value, Path) else f"pure-{kind}", str(value)])


# A concrete path of the other system comes back as this system's path class, since Python can't
# make the other's.
_PATHS: Final[dict[str, Callable[[str], Any]]] = {
    "posix": Path,
    "windows": Path,
    "pure-posix": PurePosixPath,
    "pure-windows": PureWindowsPath,
}

_CONTAINERS: Final[dict[type, int]] = {tuple: 2, set: 3, frozenset: 4}
_MAKERS: Final = {number: kind for kind, number in _CONTAINERS.items()}

_EXTENSIONS: Final[dict[type, tuple[int, Callable[[Any], bytes]]]] = {
    int: (1, _integer),
    complex: (5, lambda value: _COMPLEX.pack(value.real, value.imag)),
    dt.datetime: (7, _moment),
    dt.date: (8, lambda value: value.isoformat().encode()),
    dt.time: (9, _moment),
    dt.timedelta: (10, _timedelta),
    Decimal: (11, _text),
    Fraction: (12, _fraction),
    uuid.UUID: (13, lambda value: value.bytes),
    PosixPath: (14, _path),
    WindowsPath: (14, _path),
    PurePosixPath: (14, _path),
    PureWindowsPath: (14, _path),
}

_DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {
    1: lambda data: int.from_bytes(data, signed=True),
    5: lambda data: complex(*_COMPLEX.unpack(data)),
    6: bytearray,
    7: _moment_from(dt.datetime),
    8: lambda data: dt.date.fromisoformat(data.decode()),
    9: _moment_from(dt.time),
    10: lambda data: dt.timedelta(*_fields(data)),
    11: lambda data: Decimal(data.decode()),
    12: lambda data: bounds.fraction(*_fields(data)),
    13: lambda data: uuid.UUID(bytes=data),
    14: _path_from,
}


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError) or "recursion" in str(error):
        return "nested too deeply, or a value that contains itself"
    return str(error)


def _path_to(value: Any, depth: int = 0) -> str:
    """Where inside a value the part stands that can't be encoded, as in ``$.params[3].gate``."""
    if depth < 100:
        for step, part in _parts(value):
            if not _encodes(part):
                return "$" + step + _path_to(part, depth + 1)[1:]
    return "$"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is dict:
        for key, part in value.items():
            yield f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]", part
    elif type(value) in (list, tuple):
        for index, part in enumerate(value):
            yield f"[{index}]", part


def _encodes(value: Any) -> bool:
    try:
        _pack(value)
    except Exception:  # noqa: BLE001 - the error itself is told by whoever asks for the path
        return False
    return True
