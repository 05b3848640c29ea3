"""ValueCodec: a serializer and the frame, as a store uses them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from qstate import plugins
from qstate.backend import Buffer, InvalidURLError
from qstate.errors import SerializationError
from qstate.serializers import Serializer, frame
from qstate.serializers.json import JSONSerializer
from qstate.serializers.msgpack import MessagePackSerializer
from qstate.serializers.pickle import PickleSerializer
from qstate.serializers.transformation import Transformation

SERIALIZERS: Final[Mapping[str, Callable[[], Serializer]]] = {
    "msgpack": MessagePackSerializer,
    "json": JSONSerializer,
    "pickle": PickleSerializer,
}
_READ_BY_ALL: Final = (MessagePackSerializer, JSONSerializer)


class ValueCodec:
    """Writes values with one serializer and reads what any serializer it knows wrote.

    Args:
        serializer: The name of the one that writes.
        transformation: How payloads are compressed and encrypted; None: they stay as they are.

    Example:
        >>> codec = ValueCodec("msgpack")
        >>> codec.decode(b"".join(codec.encode({"k": 42})))
        ({'k': 42}, b'')
        >>> codec.decode(b'{"written by": "something else"}')
        ({'written by': 'something else'}, b'')
    """

    __slots__ = ("_encode", "_number", "_plain", "_readers", "serializer", "transformation")

    def __init__(self, serializer: str, transformation: Transformation | None = None) -> None:
        self.serializer = _serializer(serializer)
        self.transformation = transformation or Transformation()
        self._plain = self.transformation.trivial
        self._number = self.serializer.codec
        self._encode = self.serializer.encode
        readers = [*(make() for make in _READ_BY_ALL), self.serializer]
        self._readers = {reader.codec: reader.decode for reader in readers}

    def encode(self, value: Any, writer: bytes = b"", key: str = "") -> tuple[Buffer, ...]:
        """The framed bytes of a value, in pieces.

        Args:
            value: What the serializer can write.
            writer: Who writes it, as :func:`qstate.entries.encode_writer` puts it.
            key: The joined key it will stand under; encryption binds it.

        Raises:
            SerializationError: The value can't be written.
        """
        if self._plain:
            return frame.seal(self._number, self._encode(value), writer)
        return self.transformation.seal(self._number, self._encode(value), writer, key)

    def decode(self, data: Buffer, key: str = "", scope: str = "") -> tuple[Any, bytes]:
        """The value, and the writer field of its frame.

        Bytes that are no frame are read where they are text that holds JSON, unless this codec
        encrypts.

        Args:
            data: What stands under the key.
            key: The key, inside the scope.
            scope: What the key is joined to.

        Raises:
            SerializationError: The bytes can't be read.
        """
        if not frame.is_frame(data):
            return _foreign(data, self.transformation), b""
        opened = frame.open_frame(data)
        codec, writer, payload, flags = opened
        if flags or not self._plain:
            payload = self.transformation.undo(opened, scope + key)
        reader = self._readers.get(codec)
        if reader is None:
            raise _unread(codec)
        return reader(payload), writer


def _serializer(name: str) -> Serializer:
    made: Serializer | None
    made = SERIALIZERS[name]() if name in SERIALIZERS else plugins.serializer(name)
    if made is None:
        known = ", ".join(sorted(SERIALIZERS))
        raise InvalidURLError(f"no serializer named {name!r}; known: {known}")
    return made


def _unread(codec: int) -> SerializationError:
    if codec == PickleSerializer.codec:
        return SerializationError(
            "the value is pickled, and this store was not opened with serializer='pickle': only "
            "do that where every writer is trusted, as unpickling runs what the bytes say"
        )
    return SerializationError(f"the value was written by serializer {codec}, unknown here")


def _foreign(data: Buffer, transformation: Transformation) -> Any:
    if transformation.encryption is not None:
        raise SerializationError(
            "something other than qstate wrote these bytes, and a store opened with encrypt= reads "
            "nothing that is not encrypted; set() the value anew"
        )
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError):
        raise SerializationError(
            "something other than qstate wrote these bytes, and they are not JSON"
        ) from None
