"""What happens to a payload on its way into a frame: compression, then encryption."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Literal

from qstate.backend import Buffer, InvalidURLError
from qstate.errors import SerializationError
from qstate.serializers import frame
from qstate.serializers.compression import ABOVE, Compressor, expand
from qstate.serializers.encryption import Cipher, Keys, key_name
from qstate.serializers.frame import Frame


class Transformation:
    """How a store's payloads are transformed; any reads what any other has compressed.

    Attributes:
        trivial: Whether payloads stay as they are, in both directions.
        compression: The name of the method that new payloads are compressed by, or None.
        encryption: The name of the key that new payloads are encrypted under, or None.
    """

    __slots__ = ("_cipher", "_compressor", "compression", "encryption", "trivial")

    def __init__(self, compressor: Compressor | None = None, cipher: Cipher | None = None) -> None:
        self._compressor = compressor
        self._cipher = cipher
        self.trivial = compressor is None and cipher is None
        self.compression = None if compressor is None else compressor.name
        self.encryption = None if cipher is None else cipher.current

    @classmethod
    def taken_from(cls, options: MutableMapping[str, Any]) -> Transformation:
        """What the options of a store ask for; those that ask for it are taken out.

        Raises:
            InvalidURLError: An option has no usable value, or an extra is not installed.
        """
        name, keys = options.pop("compress", None), options.pop("encrypt", None)
        above, level = options.pop("compress_above", None), options.pop("compress_level", None)
        if name is None and (above is not None or level is not None):
            raise InvalidURLError("compress_above and compress_level go with compress=zstd|lz4")
        compressor = None
        if name is not None:
            above = ABOVE if above is None else _number("compress_above", above)
            level = None if level is None else _number("compress_level", level)
            compressor = Compressor(name, above, level)
        return cls(compressor, None if keys is None else Cipher(Keys.of(keys)))

    def seal(
        self, codec: int, payload: tuple[Buffer, ...], writer: bytes, key: str
    ) -> tuple[Buffer, ...]:
        """A frame around a payload, transformed."""
        flags = 0
        if self._compressor is not None:
            flags, payload = self._compressor.compress(payload)
        if self._cipher is None:
            return frame.seal(codec, payload, writer, flags)
        return self._encrypted(Frame(codec, writer, b"", flags | frame.ENCRYPTED), payload, key)

    def undo(self, opened: Frame, key: str) -> Buffer:
        """The payload of a frame as its serializer gave it.

        Raises:
            SerializationError: It can't be opened or decompressed; or it is not encrypted, though
                this store's values are.
        """
        payload = self._decrypted(opened, key)
        return expand(opened.flags, payload) if opened.flags & frame.COMPRESSED else payload

    def state_of(self, opened: Frame) -> Literal["plain", "current", "older"]:
        """How a frame stands to the current key."""
        if not opened.flags & frame.ENCRYPTED:
            return "plain"
        return "current" if key_name(opened.payload)[0] == self.encryption else "older"

    def renewed(self, opened: Frame, key: str) -> tuple[Buffer, ...]:
        """The frame under the current key; the serializer's payload is not looked into.

        Raises:
            SerializationError: It can't be opened.
        """
        encrypted = opened.flags & frame.ENCRYPTED
        payload = self._decrypted(opened, key) if encrypted else opened.payload
        again = opened._replace(flags=opened.flags | frame.ENCRYPTED)
        return self._encrypted(again, (payload,), key)

    def _encrypted(
        self, opened: Frame, payload: tuple[Buffer, ...], key: str
    ) -> tuple[Buffer, ...]:
        assert self._cipher is not None
        sealed = self._cipher.seal(payload, opened.head, key)
        return frame.seal(opened.codec, sealed, opened.writer, opened.flags)

    def _decrypted(self, opened: Frame, key: str) -> Buffer:
        if opened.flags & frame.ENCRYPTED:
            if self._cipher is None:
                name, _ = key_name(opened.payload)
                raise SerializationError(
                    f"the value is encrypted under the key {name!r}: open the store with encrypt="
                )
            return self._cipher.open(opened.payload, opened.head, key)
        if self._cipher is not None:
            raise SerializationError(
                "the value is not encrypted, and may be anyone's, as this store was opened with "
                "encrypt=; rotate(plain=True) takes in what stood before it was"
            )
        return opened.payload


def _number(name: str, given: Any) -> int:
    try:
        return int(given)
    except (TypeError, ValueError):
        raise InvalidURLError(f"{name} is a whole number, not {given!r}") from None
