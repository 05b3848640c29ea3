"""JSON, for what anything shall read; what it has no form for is an error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

from qstate.backend import Buffer
from qstate.errors import SerializationError
from qstate.serializers.refusals import step

_DEEPEST: Final = 500
_SCALARS: Final = (str, int, bool, type(None))


class JSONSerializer:
    """Values as JSON in UTF-8: None, bool, int, finite float, str, lists, dicts with text as keys.

    Example:
        >>> serializer = JSONSerializer()
        >>> serializer.encode({"energy": -1.137, "steps": [1, 2]})
        (b'{"energy":-1.137,"steps":[1,2]}',)
        >>> serializer.encode({"angles": (0.5, 1)})
        Traceback (most recent call last):
        qstate.errors.SerializationError: $.angles: JSON has no form for a tuple; ...
    """

    name = "json"
    codec = 2

    def encode(self, value: Any) -> tuple[Buffer, ...]:
        """The value as JSON.

        Raises:
            SerializationError: Something in it would not come back as it is.
        """
        _check(value)
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return (text.encode(),)
        except ValueError as error:
            raise SerializationError(f"$: the value has no form in JSON: {error}") from error

    def decode(self, payload: Buffer) -> Any:
        """The value of a payload.

        Raises:
            SerializationError: It is no JSON.
        """
        try:
            return json.loads(bytes(payload).decode(), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise SerializationError(f"the payload can't be read as JSON: {error}") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _check(value: Any) -> None:
    """Refuse what would not come back as it is, with its path."""
    waiting: list[tuple[str, Any, int]] = [("$", value, 0)]
    while waiting:
        path, part, depth = waiting.pop()
        kind = type(part)
        if kind in (list, dict):
            if depth == _DEEPEST:
                raise SerializationError("$: nested too deeply, or a value that contains itself")
            waiting += ((path + way, inner, depth + 1) for way, inner in _inside(path, part))
        elif (kind is float and math.isfinite(part)) or kind in _SCALARS:
            continue
        else:
            what = repr(part) if kind is float else f"a {kind.__qualname__}"
            raise SerializationError(
                f"{path}: JSON has no form for {what}; store what it is made of, or use the "
                "default serializer"
            )


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is list:
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
        return
    for key, part in value.items():
        if type(key) is not str:
            raise SerializationError(
                f"{path}: JSON's keys are text, not {type(key).__qualname__} as {key!r}"
            )
        yield step(key), part
