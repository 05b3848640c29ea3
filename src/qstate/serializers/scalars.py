"""The extensions of Python's own scalar types: each has its number and its bytes."""

from __future__ import annotations

import datetime as dt
import functools
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

_COMPLEX: Final = struct.Struct(">dd")


def _big(value: Any) -> msgpack.ExtType:
    if type(value) is not int:
        raise SerializationError(f"no serializer for {type(value).__qualname__} in here")
    return msgpack.ExtType(1, _integer(value))


def _big_from(number: int, data: bytes) -> int:
    if number != 1:
        raise SerializationError(f"an extension of type {number} stands where a number belongs")
    return int.from_bytes(data, signed=True)


_pack: Final[Callable[[Any], bytes]] = functools.partial(
    msgpack.packb, default=_big, strict_types=True
)
_unpack: Final[Callable[[bytes], Any]] = functools.partial(msgpack.unpackb, ext_hook=_big_from)


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
        return ZoneInfo(stored)
    microseconds, name = stored
    zone = dt.timezone(dt.timedelta(microseconds=microseconds))
    if zone.tzname(None) == name:
        return dt.UTC if zone == dt.UTC else zone
    return dt.timezone(dt.timedelta(microseconds=microseconds), name)


def _moment(value: dt.datetime | dt.time) -> bytes:
    return _pack([value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value)])


def _moment_from(kind: type[dt.datetime] | type[dt.time]) -> Callable[[bytes], Any]:
    def restore(data: bytes) -> Any:
        text, fold, zone = _unpack(data)
        return kind.fromisoformat(text).replace(tzinfo=_zone_from(zone), fold=fold)

    return restore


def _timedelta(value: dt.timedelta) -> bytes:
    return _pack([value.days, value.seconds, value.microseconds])


def _path_from(data: bytes) -> Any:
    kind, text = _unpack(data)
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


EXTENSIONS: Final[dict[type, tuple[int, Callable[[Any], bytes]]]] = {
    int: (1, _integer),
    complex: (5, lambda value: _COMPLEX.pack(value.real, value.imag)),
    dt.datetime: (7, _moment),
    dt.date: (8, lambda value: value.isoformat().encode()),
    dt.time: (9, _moment),
    dt.timedelta: (10, _timedelta),
    Decimal: (11, _text),
    Fraction: (12, lambda value: _pack([value.numerator, value.denominator])),
    uuid.UUID: (13, lambda value: value.bytes),
    PosixPath: (14, _path),
    WindowsPath: (14, _path),
    PurePosixPath: (14, _path),
    PureWindowsPath: (14, _path),
}

DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {
    1: lambda data: int.from_bytes(data, signed=True),
    5: lambda data: complex(*_COMPLEX.unpack(data)),
    6: bytearray,
    7: _moment_from(dt.datetime),
    8: lambda data: dt.date.fromisoformat(data.decode()),
    9: _moment_from(dt.time),
    10: lambda data: dt.timedelta(*_unpack(data)),
    11: lambda data: Decimal(data.decode()),
    12: lambda data: Fraction(*_unpack(data)),
    13: lambda data: uuid.UUID(bytes=data),
    14: _path_from,
}
