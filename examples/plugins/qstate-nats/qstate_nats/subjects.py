"""Subjects: how a key is written where NATS allows letters, digits and few signs.

The parts of a path are the tokens of a subject, so that a scope is one wildcard: ``run-42/energy``
is ``run-42.energy``. Any other byte is ``=`` and two hexadecimal digits; an empty part is ``=``.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_OTHER = re.compile(rb"[^A-Za-z0-9_-]")


def subject_of(key: str) -> str:
    """The subject of a key, without the bucket's.

    Example:
        >>> subject_of("run-42/é"), subject_of("a/")
        ('run-42.=C3=A9', 'a.=')
    """
    return ".".join(_token(part) for part in key.split("/"))


def key_of(subject: str) -> str | None:
    """The key of a subject; None where no key is written so.

    Example:
        >>> key_of("run-42.=C3=A9"), key_of("a/b")
        ('run-42/é', None)
    """
    path = "/".join("" if part == "=" else part for part in subject.split("."))
    try:
        key = unquote(path.replace("=", "%"), errors="strict")
    except UnicodeDecodeError:
        return None
    return key if subject_of(key) == subject else None


def filter_of(prefix: str) -> str:
    """What a subject must match so that its key may begin with ``prefix``.

    Example:
        >>> filter_of("run-42/en"), filter_of("run")
        ('run-42.>', '>')
    """
    *whole, _ = prefix.split("/")
    return ".".join([*(_token(part) for part in whole), ">"])


def _token(part: str) -> str:
    return _OTHER.sub(lambda other: b"=%02X" % ord(other[0]), part.encode()).decode() or "="
