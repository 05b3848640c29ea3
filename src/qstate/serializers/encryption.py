"""Encryption of payloads by AES-GCM, under named keys. See docs/wire-format.md."""

from __future__ import annotations

import base64
import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qstate.backend import Buffer, InvalidURLError
from qstate.errors import SerializationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12  # bytes; NIST SP 800-38D, section 8.2
_TAG: Final = 16
_SIZES: Final = (16, 24, 32)
_LARGEST: Final = 2**31 - 1 - _TAG
_LONGEST_NAME: Final = 64
_DOMAIN: Final = b"qstate value 1\0"
_FORMS: Final = (
    "encrypt= takes qstate.Keys(current=…, keys={…}), a mapping with those two, 'env:VARIABLE' or "
    "'file:PATH'; the text there is name:key,name:key with the current key first and keys of "
    "16, 24 or 32 bytes in URL-safe base64"
)


class Keys:
    """The keys that values are encrypted with: one that writes, others that still read.

    What it prints as, and its pickle, show no key to a reader.

    Args:
        current: The name of the key that new values are encrypted under; names are not secret.
        keys: Name → key: 16, 24 or 32 bytes, or those as URL-safe base64 text. Or what gives the
            key of a name, and raises ``LookupError`` where it knows none; it is asked once for each
            name, and a name may come from bytes that someone else has stored.

    Raises:
        InvalidURLError: A name or a key is none; the message shows no key.

    Example:
        >>> keys = Keys(current="2026-11", keys={"2026-11": bytes(32), "2026-05": b"k" * 32})
        >>> keys
        <qstate.Keys | current '2026-11'>
        >>> Keys.load("2026-11:" + "A" * 43 + "=").current
        '2026-11'
    """

    __slots__ = ("_keys", "current")

    def __init__(
        self, *, current: str, keys: Mapping[str, bytes | str] | Callable[[str], bytes | str]
    ) -> None:
        _check_name(current)
        self.current = current
        self._keys: Mapping[str, bytes] | Callable[[str], bytes | str]
        if isinstance(keys, Mapping):
            for name in keys:
                _check_name(name)
            self._keys = {name: _key(name, key) for name, key in keys.items()}
            if current not in keys:
                raise InvalidURLError(f"the current key {current!r} is not among the keys given")
        elif callable(keys):
            self._keys = keys
        else:
            raise InvalidURLError(_FORMS)

    @classmethod
    def load(cls, text: str) -> Keys:
        """The keys that a text lists, as ``name:key,name:key``; the first is the current one."""
        pairs = [pair.strip().partition(":") for pair in text.replace("\n", ",").split(",")]
        named = {name: key for name, _, key in pairs if name}
        if not named:
            raise InvalidURLError(f"no keys there: {_FORMS}")
        return cls(current=next(iter(named)), keys=named)

    @classmethod
    def of(cls, given: Any) -> Keys:
        """The keys that ``encrypt=`` was given in any of its forms."""
        if isinstance(given, Keys):
            return given
        if isinstance(given, Mapping) and set(given) == {"current", "keys"}:
            return cls(current=given["current"], keys=given["keys"])
        where, _, place = given.partition(":") if isinstance(given, str) else ("", "", "")
        if where == "env" and place in os.environ:
            return cls.load(os.environ[place])
        if where == "file":
            try:
                return cls.load(Path(place).read_text("utf-8"))
            except (OSError, UnicodeError):
                pass
        if where in ("env", "file"):
            raise InvalidURLError(f"encrypt={where}:{place} can't be read here: {_FORMS}")
        raise InvalidURLError(_FORMS)

    def find(self, name: str) -> bytes:
        """The key of a name.

        Raises:
            LookupError: None is known.
        """
        key = self._keys[name] if isinstance(self._keys, Mapping) else self._keys(name)
        return _key(name, key)

    def __repr__(self) -> str:
        return f"<qstate.Keys | current {self.current!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        # Encoded, so that a pickle that ends up in a log shows no key to a reader.
        return _restore, (self.current, base64.b85encode(pickle.dumps(self._keys)))


def _restore(current: str, encoded: bytes) -> Keys:
    known = pickle.loads(base64.b85decode(encoded))  # noqa: S301 - from inside a pickle
    return Keys(current=current, keys=known)


class Cipher:
    """Seals payloads under the current key, and opens what was sealed under any that is known.

    Raises:
        InvalidURLError: The extra is not installed, or the current key is not known.
    """

    __slots__ = ("_ciphers", "_keys", "_sealed_name", "current")

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._ciphers: dict[str, AESGCM] = {}
        self.current = keys.current
        name = keys.current.encode()
        self._sealed_name = bytes([len(name)]) + name
        try:
            self._cipher(keys.current)
        except ImportError:
            raise InvalidURLError(
                "encrypt= needs the package cryptography: pip install 'qstate[encryption]'"
            ) from None
        except LookupError:
            raise InvalidURLError(f"the current key {keys.current!r} is not known") from None

    def seal(self, payload: Iterable[Buffer], head: bytes, key: str) -> tuple[Buffer, ...]:
        """The payload encrypted, for one place: this frame's head, under this key of the store.

        Raises:
            SerializationError: It is too large to be encrypted.
        """
        plain = b"".join(payload)
        if len(plain) > _LARGEST:
            raise SerializationError(
                f"{len(plain):,} bytes are more than can be encrypted as one value, "
                f"{_LARGEST:,}; split it"
            )
        nonce = os.urandom(_NONCE)
        bound = _bound(head, self._sealed_name, key)
        sealed = self._cipher(self.current).encrypt(nonce, plain, bound)
        return (self._sealed_name + nonce, sealed)

    def open(self, payload: Buffer, head: bytes, key: str) -> bytes:
        """The payload as it was before it was encrypted.

        Raises:
            SerializationError: Its key is not known, or it was altered, or stood elsewhere.
        """
        from cryptography.exceptions import InvalidTag

        name, start = key_name(payload)
        try:
            cipher = self._cipher(name)
        except LookupError:
            raise SerializationError(
                f"the value was encrypted under the key {name!r}, which is not among those given "
                "by encrypt=; give it, beside the current one"
            ) from None
        bound = _bound(head, bytes(payload[:start]), key)
        nonce, sealed = payload[start : start + _NONCE], payload[start + _NONCE :]
        try:
            return cipher.decrypt(nonce, sealed, bound)
        except (InvalidTag, ValueError):
            raise SerializationError(
                f"the value does not open under the key {name!r}: it was altered, or written under "
                "another name or in another scope, or that key is another one here"
            ) from None

    def _cipher(self, name: str) -> AESGCM:
        cipher = self._ciphers.get(name)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            cipher = self._ciphers[name] = AESGCM(self._keys.find(name))
        return cipher


def key_name(payload: Buffer) -> tuple[str, int]:
    """The name of the key that a payload was encrypted under, and where the name ends.

    Raises:
        SerializationError: The payload is cut short, or has no such name.
    """
    end = 1 + payload[0] if len(payload) else 1
    if not 1 < end <= 1 + _LONGEST_NAME or len(payload) < end + _NONCE + _TAG:
        raise SerializationError("the stored bytes are no encrypted value, or cut short")
    try:
        name = bytes(payload[1:end]).decode()
        _check_name(name)
    except ValueError:
        raise SerializationError("an encrypted value whose key has no name") from None
    return name, end


def _bound(head: bytes, name: bytes, key: str) -> bytes:
    """What is not encrypted, but must be the same when the value is opened."""
    return _DOMAIN + head + name + key.encode()


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name.isprintable() or ":" in name or "," in name:
        raise InvalidURLError("a key's name is printable text without : and ,")
    if not 0 < len(name.encode()) <= _LONGEST_NAME:
        raise InvalidURLError(f"a key's name has 1 to {_LONGEST_NAME} bytes of UTF-8")


def _key(name: str, given: Any) -> bytes:
    if isinstance(given, str):
        try:
            given = base64.b64decode(given.strip(), b"-_", validate=True)
        except ValueError:
            given = None
    if not isinstance(given, bytes) or len(given) not in _SIZES:
        raise InvalidURLError(
            f"the key {name!r} is neither 16, 24 or 32 bytes nor URL-safe base64 text of as many"
        )
    return given
