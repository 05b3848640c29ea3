"""Values without parts that MessagePack has no form for, as extensions of their own.

Extension numbers are part of the wire format (docs/wire-format.md) and never change their meaning.
"""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgpack

from qstate.errors import SerializationError
from qstate.serializers import bounds

BIG_INTEGER: Final = 1
_COMPLEX: Final = struct.Struct(">dd")


def parts_of(data: bytes) -> Any:
    """What an extension is made of: nothing that holds other extensions, but for large ints."""
    if len(data) > bounds.UNCHECKED:
        bounds.check_lengths(data)
    return msgpack.unpackb(data, ext_hook=_restore_integer)


def packed(parts: Any) -> bytes:
    """What :func:`parts_of` reads."""
    data: bytes = msgpack.packb(parts, default=_extend_integer, strict_types=True)
    return data


def _extend_integer(value: Any) -> msgpack.ExtType:
    if type(value) is not int:
        raise SerializationError(f"a part of type {type(value).__name__} where none may stand")
    return msgpack.ExtType(BIG_INTEGER, _integer(value))


def _restore_integer(number: int, data: bytes) -> int:
    if number != BIG_INTEGER:
        raise SerializationError(f"an extension of type {number} where none may stand")
    return int.from_bytes(data, signed=True)


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
    return packed([value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value)])


def _moment_from(kind: type[dt.datetime] | type[dt.time]) -> Callable[[bytes], Any]:
    def restore(data: bytes) -> Any:
        text, fold, zone = parts_of(data)
        return kind.fromisoformat(text).replace(tzinfo=_zone_from(zone), fold=fold)

    return restore


def _fraction(value: Fraction) -> bytes:
    bounds.fraction(value.numerator, value.denominator)
    return packed([value.numerator, value.denominator])


def _timedelta(value: dt.timedelta) -> bytes:
    return packed([value.days, value.seconds, value.microseconds])


def _path_from(data: bytes) -> Any:
    kind, text = parts_of(data)
    return _PATHS[kind](text)


def _path(value: PurePosixPath | PureWindowsPath) -> bytes:
    kind = "windows" if isinstance(value, PureWindowsPath) else "posix"
    return packed([kind if isinstance(value, Path) else f"pure-{kind}", str(value)])


# A concrete path of the other system comes back as this system's path class, since Python can't
# make the other's.
_PATHS: Final[dict[str, Callable[[str], Any]]] = {
    "posix": Path,
    "windows": Path,
    "pure-posix": PurePosixPath,
    "pure-windows": PureWindowsPath,
}

EXTENSIONS: Final[dict[type, tuple[int, Callable[[Any], bytes]]]] = {
    int: (BIG_INTEGER, _integer),
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

DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {
    BIG_INTEGER: lambda data: int.from_bytes(data, signed=True),
    5: lambda data: complex(*_COMPLEX.unpack(data)),
    6: bytearray,
    7: _moment_from(dt.datetime),
    8: lambda data: dt.date.fromisoformat(data.decode()),
    9: _moment_from(dt.time),
    10: lambda data: dt.timedelta(*parts_of(data)),
    11: lambda data: Decimal(data.decode()),
    12: lambda data: bounds.fraction(*parts_of(data)),
    13: lambda data: uuid.UUID(bytes=data),
    14: _path_from,
}
