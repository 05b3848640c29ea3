"""Writer: what MessagePack asks about types that it has no form for."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgpack

from qstate.errors import SerializationError
from qstate.serializers import arrays, classes, nesting, records, types
from qstate.serializers.scalars import EXTENSIONS
from qstate.types import ValueType

CONTAINERS: Final[dict[type, int]] = {tuple: 2, set: 3, frozenset: 4}
DEEPEST: Final = 32
TOO_DEEP: Final = f"more than {DEEPEST} tuples, sets or records inside one another"
LARGE: Final = 4096
"""Bytes from which on a buffer is not copied into the value, but sent behind it."""

_UNLOOKED: Final = 2
"""Extensions inside one another whose lists MessagePack itself bounds, where the stack is ample."""

_BINARY: Final = re.compile(rb"[\xc4-\xc6]")
Hook = Callable[[Any], msgpack.ExtType]


class Writer:
    """Writes one value after the other, in one thread.

    Args:
        lend: Called before code of others runs, which may write values itself.
    """

    __slots__ = ("_left", "_lend", "_unlooked", "buffers", "pack")

    def __init__(self, lend: Callable[[], None]) -> None:
        self.buffers: list[memoryview] = []
        self.pack: Callable[[Any], bytes]
        self.pack = msgpack.Packer(default=self._hook(0), strict_types=True).pack
        self._lend = lend
        room = nesting.room()
        self._left = nesting.MOST if room is None else room
        self._unlooked = _UNLOOKED if room is None else 0
        if room is not None:
            self.pack = self._within(room, self.pack)

    def _within(self, room: int, pack: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        """The same for a thread of little stack: every level is looked at."""

        def checked(value: Any) -> bytes:
            self._left = nesting.check(value, room)
            return pack(value)

        return checked

    def take(self) -> list[memoryview]:
        """The buffers of the value that was written."""
        taken = self.buffers[:]
        self.buffers.clear()
        return taken

    def _hook(self, depth: int) -> Hook:
        """What answers for types inside so many extensions."""

        def extend(value: Any) -> msgpack.ExtType:
            kind = type(value)
            number = CONTAINERS.get(kind)
            if number is not None:
                return self.nested(number, list(value), depth)
            known = EXTENSIONS.get(kind)
            if known is not None:
                return msgpack.ExtType(known[0], known[1](value))
            return self._other(value, depth)

        return extend

    def _other(self, value: Any, depth: int) -> msgpack.ExtType:
        """A type that is not Python's own; one that was registered comes first."""
        kind = type(value)
        if types.is_registered(kind):
            return self._registered(types.type_of(kind), value, depth)
        if isinstance(value, Enum):
            return self.nested(19, records.member_of(value), depth)
        if records.is_record(value):
            return self.nested(20, records.fields_of(value), depth)
        if arrays.is_array(value):
            described, data = arrays.describe_array(value)
            return self.nested(15, [*described, data], depth)
        if arrays.is_scalar(value):
            return self.nested(18, arrays.describe_scalar(value), depth)
        return self._registered(types.type_of(kind), value, depth)

    def _registered(self, known: ValueType | None, value: Any, depth: int) -> msgpack.ExtType:
        kind = type(value)
        if known is None:
            raise SerializationError(
                f"no serializer for {kind.__module__}.{kind.__qualname__}; store what it is made "
                "of, as dict, list, str, bytes or number, or call qstate.register_type for it"
            )
        self._lend()
        parts = known.encode(value)
        if known.subclasses:
            return self.nested(20, [*classes.name_of(kind), *parts], depth)
        return self.nested(21, [known.name, parts], depth)

    def nested(self, number: int, value: list[Any], depth: int) -> msgpack.ExtType:
        """An extension that holds values."""
        if depth >= DEEPEST:
            raise SerializationError(TOO_DEEP)
        mark, left = len(self.buffers), self._left
        if depth >= self._unlooked:
            self._left = nesting.check(value, left - nesting.EXTENSION)
        hook = self._hook(depth + 1)
        if number in (15, 21):
            value = [self._behind(part) for part in value]
        packed: bytes = msgpack.packb(value, default=hook, strict_types=True)
        if _BINARY.search(packed) and holds_buffer(value):
            del self.buffers[mark:]
            packed = msgpack.packb(without_buffers(value), default=hook, strict_types=True)
        self._left = left
        return msgpack.ExtType(number, packed)

    def _behind(self, part: Any) -> Any:
        """A large buffer's place behind the value; a small one as it is."""
        if type(part) is list:
            return [self._behind(inner) for inner in part]
        if type(part) is not memoryview:
            return part
        if part.nbytes < LARGE:
            return bytes(part)
        self.buffers.append(part.cast("B"))
        return msgpack.ExtType(17, msgpack.packb(len(self.buffers) - 1))


def holds_buffer(value: Any) -> bool:
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


def without_buffers(value: Any) -> Any:
    """A value with an extension for each ``bytearray``."""
    kind = type(value)
    if kind is list:
        return [without_buffers(part) for part in value]
    if kind is dict:
        return {without_buffers(key): without_buffers(part) for key, part in value.items()}
    if kind is memoryview:
        raise SerializationError("no serializer for builtins.memoryview; store bytes(…) of it")
    return msgpack.ExtType(6, bytes(value)) if kind is bytearray else value
