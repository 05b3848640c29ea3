"""What a server answers: a payload, or an error of qstate that crosses as itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgpack

from qstate.backend import (
    Buffer,
    ConflictError,
    SerializationError,
    StateError,
    StateLostError,
    StoreUnavailableError,
    UnreachableStoreError,
    UnsupportedOperationError,
    ValueTooLargeError,
    ValueTypeError,
    Version,
)
from qstate_backends import wire

_KINDS: Final[Mapping[str, Callable[..., StateError]]] = {
    kind.__name__: kind
    for kind in (
        SerializationError,
        StateError,
        StateLostError,
        UnreachableStoreError,
        UnsupportedOperationError,
        ValueTooLargeError,
        ValueTypeError,
    )
}


def answer(payload: Any, blobs: Sequence[Buffer] = ()) -> list[Buffer]:
    """The frame of an answer; the blobs are its body."""
    return wire.frame(msgpack.packb([True, payload]), blobs)


def refusal(error: StateError) -> list[Buffer]:
    """The frame that tells of an error."""
    details: list[Any] = [str(error.args[0])]
    if isinstance(error, ConflictError):
        details = [error.key, error.expected, error.actual]
    elif isinstance(error, StoreUnavailableError):
        details.append(error.outcome)
    return wire.frame(msgpack.packb([False, [type(error).__name__, details]]))


def payload_of(head: Buffer) -> Any:
    """The payload of an answer.

    Raises:
        StateError: What the serving process told of instead.
    """
    done, payload = msgpack.unpackb(head)
    if not done:
        raise _error(*payload)
    return payload


def _error(kind: str, details: Sequence[Any]) -> StateError:
    if kind == "ConflictError":
        key, expected, actual = details
        return ConflictError(key, expected and Version(expected), actual and Version(actual))
    if kind == "StoreUnavailableError":
        return StoreUnavailableError(details[0], outcome=details[1])
    return _KINDS.get(kind, StateError)(*details)
