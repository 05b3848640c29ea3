"""Values as JSON shows them; docs/command-line.md lists the forms of what JSON has no word for."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from qstate.entries import Entry

_MOST_ELEMENTS: Final = 1000
"""Of an array that is larger, type and shape are shown alone."""

_FORMS: Final[dict[type[Any], Callable[[Any], Any]]] = {
    bytes: lambda value: {"$bytes": base64.b64encode(value).decode()},
    bytearray: lambda value: {"$bytes": base64.b64encode(value).decode()},
    complex: lambda value: {"$complex": [readable(value.real), readable(value.imag)]},
    datetime: lambda value: {"$datetime": value.isoformat()},
    date: lambda value: {"$date": value.isoformat()},
    time: lambda value: {"$time": value.isoformat()},
    timedelta: lambda value: {"$seconds": value.total_seconds()},
    Decimal: lambda value: {"$decimal": str(value)},
    Fraction: lambda value: {"$fraction": str(value)},
    UUID: lambda value: {"$uuid": str(value)},
    PurePath: lambda value: {"$path": str(value)},
    set: lambda value: {"$set": _sorted(value)},
    frozenset: lambda value: {"$set": _sorted(value)},
}


def readable(value: Any) -> Any:
    """A value in terms of JSON, for people; it is not read back.

    Example:
        >>> readable({"energy": -1.137, "amplitude": 1j, "seen": (1, None)})
        {'energy': -1.137, 'amplitude': {'$complex': [0.0, 1.0]}, 'seen': [1, None]}
    """
    if isinstance(value, Enum):
        return {"$enum": f"{type(value).__qualname__}.{value.name}"}
    if value is None or isinstance(value, str | int | float):
        return _plain(value)
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, list | tuple):
        return [readable(item) for item in value]
    for kind, form in _FORMS.items():
        if isinstance(value, kind):
            return form(value)
    return _other(value)


def told_of(key: str, entry: Entry) -> dict[str, Any]:
    """What is known of an entry besides its value."""
    return {
        "key": key,
        "version": str(entry.version),
        "modified": moment(entry.modified),
        "expires_at": moment(entry.expires_at),
        "writer": None if entry.writer is None else asdict(entry.writer),
    }


def moment(at: datetime | None) -> str | None:
    """A time as ISO 8601 writes it, to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(float(value))}
    return value


def _mapping(value: dict[Any, Any]) -> Any:
    if all(isinstance(key, str) for key in value):
        return {key: readable(item) for key, item in value.items()}
    return {"$dict": [[readable(key), readable(item)] for key, item in value.items()]}


def _sorted(value: Any) -> list[Any]:
    try:
        return [readable(item) for item in sorted(value)]
    except TypeError:  # of several types, or complex
        return [readable(item) for item in sorted(value, key=repr)]


def _other(value: Any) -> Any:
    if is_dataclass(value):
        named = {field.name: readable(getattr(value, field.name)) for field in fields(value)}
        return {"$type": type(value).__qualname__, **named}
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        shown: dict[str, Any] = {"$array": str(value.dtype), "shape": list(value.shape)}
        if value.size <= _MOST_ELEMENTS:
            shown["values"] = readable(value.tolist())
        return shown
    return {"$repr": repr(value)}
