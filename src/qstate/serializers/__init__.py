"""Value ↔ bytes: the serializers, and the frame that says which one wrote the bytes."""

from __future__ import annotations

from typing import Any, Protocol

from qstate.backend import Buffer


class Serializer(Protocol):
    """Turns a value into the payload of a frame, and back.

    Attributes:
        name: What ``serializer=`` calls it.
        codec: Its number in the frame, 1 to 255; 128 and above are free for plug-ins.
    """

    name: str
    codec: int

    def encode(self, value: Any) -> tuple[Buffer, ...]:
        """The payload, in pieces that belong together.

        Raises:
            SerializationError: The value can't be written; the message has the path inside it.
        """
        ...

    def decode(self, payload: Buffer) -> Any:
        """The value, owned by the caller alone.

        Raises:
            SerializationError: The bytes can't be read.
        """
        ...
