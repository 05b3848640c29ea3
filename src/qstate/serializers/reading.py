"""Reader: what turns MessagePack's extensions back into values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgpack

from qstate.errors import SerializationError
from qstate.serializers import arrays, bounds, records, types
from qstate.serializers.scalars import DECODERS
from qstate.serializers.writing import CONTAINERS, DEEPEST, TOO_DEEP

Hook = Callable[[int, bytes], Any]

_MAKERS: Final[dict[int, Callable[[Any], Any]]] = {
    **{number: kind for kind, number in CONTAINERS.items()},
    15: arrays.restore_array,
    18: arrays.restore_scalar,
    19: records.read_member,
    20: records.read_fields,
}


class Reader:
    """Reads the extensions of one value.

    Args:
        buffers: Those that stand behind the value.
    """

    __slots__ = ("_buffers", "_hooks")

    def __init__(self, buffers: Sequence[memoryview] = ()) -> None:
        self._buffers = buffers
        self._hooks: dict[int, Hook] = {}

    def hook(self, depth: int) -> Hook:
        """What answers for extensions inside so many others."""
        if depth not in self._hooks:
            self._hooks[depth] = self._made(depth)
        return self._hooks[depth]

    def _made(self, depth: int) -> Hook:
        def restore(number: int, data: bytes) -> Any:
            decode = DECODERS.get(number)
            if decode is not None:
                return decode(data)
            make = _MAKERS.get(number)
            if make is not None:
                return make(self._unpack(data, depth + 1))
            return self._other(number, data, depth)

        return restore

    def _other(self, number: int, data: bytes, depth: int) -> Any:
        if number == 17:
            return self._buffers[msgpack.unpackb(data)]
        if number == 21:
            with records.kept_apart(False):
                name, stored = self._unpack(data, depth + 1)
            return types.type_named(name).decode(stored)
        raise SerializationError(
            f"the value has an extension of type {number}, unknown to this version of qstate: "
            "upgrade qstate here"
        )

    def _unpack(self, data: bytes, depth: int) -> Any:
        if depth > DEEPEST:
            raise SerializationError(TOO_DEEP)
        hook = self.hook(depth)
        if len(data) > bounds.UNCHECKED:
            hook = bounds.checked(data, hook)
        if depth < 4:
            return msgpack.unpackb(data, ext_hook=hook, strict_map_key=False)
        # unpackb keeps 40 kB on the C stack, where hostile bytes would make it overflow; this does
        # not.
        unpacker = msgpack.Unpacker(
            ext_hook=hook, strict_map_key=False, max_buffer_size=len(data), read_size=1
        )
        unpacker.feed(data)
        value = unpacker.unpack()
        if unpacker.tell() != len(data):
            raise SerializationError("the payload goes on after its end")
        return value
