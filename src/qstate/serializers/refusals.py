"""Why a value can't be written, and where inside it: ``$.params[3].gate``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from qstate.errors import SerializationError
from qstate.serializers.writing import TOO_DEEP, Writer

_DEEPEST: Final = 100
_FINE: Final = (int, float, bool, bytes, type(None))


def told(value: Any, error: Exception) -> SerializationError:
    """The error that a user is shown, with the path to what caused it."""
    cycle = _cycle(value, "$", {}, set())
    if cycle is not None:
        return SerializationError(cycle)
    reason = _reason(error)
    path = "$" if reason.startswith((TOO_DEEP, "nested too deeply")) else _path_to(value)
    return SerializationError(f"{path}: {reason}")


def step(key: Any) -> str:
    """The step of a path that leads to a key."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError) or "recursion" in str(error):
        return "nested too deeply"
    return (
        str(error)
        if isinstance(error, SerializationError | ValueError | TypeError)
        else (f"{type(error).__name__}: {error}")
    )


def _cycle(value: Any, path: str, above: dict[int, str], done: set[int]) -> str | None:
    """What to tell of a value that contains itself; None where none does."""
    if id(value) in above:
        return f"{path}: the value contains itself: this is {above[id(value)]} again"
    if len(above) == _DEEPEST or id(value) in done:
        return None
    above[id(value)] = path
    for way, part in _parts(value):
        if cycle := _cycle(part, path + way, above, done):
            return cycle
    del above[id(value)]
    done.add(id(value))  # or what is shared would be gone through again wherever it stands
    return None


def _path_to(value: Any, depth: int = 0) -> str:
    """Where inside a value the part stands that can't be written."""
    if depth < _DEEPEST:
        for way, part in _parts(value):
            if type(part) not in _FINE and not _can_be_written(part):
                return "$" + way + _path_to(part, depth + 1)[1:]
    return "$"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is dict:
        for key, part in value.items():
            yield step(key), part
    elif type(value) in (list, tuple):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif dataclasses.is_dataclass(type(value)):
        for field in dataclasses.fields(value):
            yield f".{field.name}", getattr(value, field.name, None)


def _can_be_written(value: Any) -> bool:
    try:
        Writer(lambda: None).nested(2, [value], 0)
    except Exception:  # noqa: BLE001 - the error itself is told by whoever asks for the path
        return False
    return True
