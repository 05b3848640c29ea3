"""Keys: which a store takes, and how a scope's prefix joins them."""

from __future__ import annotations

from typing import Final

from qstate.errors import InvalidKeyError

MAX_KEY_BYTES: Final = 1024
SEPARATOR: Final = "/"
INTERNAL: Final = "\0"
"""Begins every key that the core keeps for itself; no user's key has it."""


def join(prefix: str, key: object) -> str:
    """The key as a backend gets it.

    Raises:
        InvalidKeyError: No store takes the key.

    Example:
        >>> join("run-42/", "energy")
        'run-42/energy'
        >>> join("", "")
        Traceback (most recent call last):
        qstate.errors.InvalidKeyError: a key has at least one character; '' has none
    """
    if type(key) is str and key and "\0" not in key:
        joined = prefix + key
        if len(joined) <= MAX_KEY_BYTES and joined.isascii():
            return joined
    return _join_any(prefix, key)


def _join_any(prefix: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidKeyError(f"a key is a str, not {type(key).__name__}; use str({key!r})")
    joined = prefix + str.__str__(key)
    if not key:
        raise InvalidKeyError("a key has at least one character; '' has none", key=key)
    if "\0" in key:
        raise InvalidKeyError(f"a key has no NUL character; {key!r} does", key=key)
    try:
        size = len(joined.encode())
    except UnicodeEncodeError:
        raise InvalidKeyError(f"a key is text; {key!r} has a lone surrogate", key=key) from None
    if size > MAX_KEY_BYTES:
        raise InvalidKeyError(
            f"a key has at most {MAX_KEY_BYTES} bytes of UTF-8 with its scope; "
            f"{joined[:40]!r}… has {size}",
            key=key,
        )
    return joined


def check_prefix(prefix: str) -> str:
    """A prefix that is fit for a scan: text without NUL, maybe empty.

    Raises:
        InvalidKeyError: It is not.
    """
    return join("", prefix) if prefix != "" else ""
