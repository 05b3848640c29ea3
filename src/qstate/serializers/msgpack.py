"""The default serializer: standard MessagePack, with extension types for what it has no form for.

Extension numbers are part of the wire format (docs/wire-format.md) and never change their meaning.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final

import msgpack

from qstate.backend import Buffer
from qstate.errors import PluginError, SerializationError
from qstate.serializers import bounds, buffers, refusals
from qstate.serializers.reading import Reader
from qstate.serializers.writing import Writer, holds_buffer, without_buffers

_BINARY: Final = re.compile(rb"[\xc4-\xc6]")
_read: Final = Reader().hook(0)


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
        self._writers = threading.local()

    def encode(self, value: Any) -> tuple[Buffer, ...]:
        """The value as MessagePack: one piece, and views of the large arrays that are in it.

        Raises:
            SerializationError: A type is unknown, or the value is nested too deeply.
        """
        try:
            writer = self._writers.writer
        except AttributeError:
            writer = self._writers.writer = Writer(self._forget)
        try:
            packed = writer.pack(value)
            if _BINARY.search(packed) and holds_buffer(value):
                writer.buffers.clear()
                packed = writer.pack(without_buffers(value))
            if writer.buffers:
                return buffers.joined(packed, writer.take())
        except Exception as error:
            self._forget()
            raise refusals.told(value, error) from error
        return (packed,)

    def _forget(self) -> None:
        """Let the next value have a writer of its own: this one failed, or is still at work."""
        self._writers.__dict__.clear()

    def decode(self, payload: Buffer) -> Any:
        """The value of a payload; large arrays are views of it.

        Raises:
            SerializationError: The payload is no MessagePack, or has an unknown extension.
        """
        try:
            restore = _read
            if payload[:1] == b"\xc9" and payload[5] == buffers.NUMBER:
                payload, views = buffers.taken_apart(payload)
                restore = Reader(views).hook(0)
            if len(payload) > bounds.UNCHECKED:
                restore = bounds.checked(payload, restore)
            return msgpack.unpackb(payload, ext_hook=restore, strict_map_key=False)
        except SerializationError:
            raise
        except PluginError as error:
            raise SerializationError(str(error)) from error
        except Exception as error:
            raise SerializationError(
                f"the payload can't be read as MessagePack: {bounds.reason(error)}"
            ) from error
