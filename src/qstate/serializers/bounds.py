"""What bytes from outside may ask of a reader: no more than in proportion to their number."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack

from qstate.backend import Buffer
from qstate.errors import SerializationError

Restore: TypeAlias = Callable[[int, bytes], Any]

UNCHECKED: Final = 1024
"""Bytes up to which lengths that lie do no harm."""

_LARGE: Final = 1 << 16
_FEW: Final = 4096
# By their first byte: those with a size (its width, and a byte for the type of an extension), those
# with a number of members (its width), and others (their width).
_SIZED: Final = (
    dict.fromkeys((0xC4, 0xD9), (1, 0))
    | dict.fromkeys((0xC5, 0xDA), (2, 0))
    | dict.fromkeys((0xC6, 0xDB), (4, 0))
    | {0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
)
_COUNTED: Final = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_FIXED: Final = (
    dict.fromkeys((0xCC, 0xD0), 1)
    | dict.fromkeys((0xCD, 0xD1), 2)
    | dict.fromkeys((0xCA, 0xCE, 0xD2), 4)
    | dict.fromkeys((0xCB, 0xCF, 0xD3), 8)
    | {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
)

UNWATCHED: Final = 1 << 14
"""Bytes up to which keys that were chosen to collide do no harm."""

_FORESEEABLE: Final = {int, tuple, frozenset, complex, Decimal, Fraction, UUID, timedelta}
_SAMPLED: Final = 1 / 16
_COLLIDING: Final = 8
_draw: Final = random.Random().random
_WIDEST: Final = 1 << 16
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]{1,64}(?:/[A-Za-z0-9_+-]{1,64}){0,3}")
_LONGEST_REASON: Final = 200


def checked(payload: Buffer, restore: Restore) -> Restore:
    """What restores extensions, for a payload above :data:`UNCHECKED` that was looked through.

    Raises:
        ValueError: The payload ends before its value does, or goes on after it.
    """
    check_lengths(payload)
    return watched(restore) if len(payload) > UNWATCHED else restore


def check_lengths(payload: Buffer) -> None:
    """Refuse MessagePack with arrays longer than what follows; call it above :data:`UNCHECKED`.

    An unpacker makes room for an array by what its header says. One array may claim as many items
    as the payload has bytes; arrays inside one another would claim that a thousand times.

    Raises:
        ValueError: The payload ends before the value does, or goes on after it.
    """
    size = len(payload)
    if size > _LARGE and _walked(memoryview(payload), size):
        return
    unpacker = msgpack.Unpacker(max_buffer_size=size, read_size=1, strict_map_key=False)
    unpacker.feed(payload)
    unpacker.skip()
    if unpacker.tell() != size:
        raise ValueError("it goes on after its end")


def _walked(payload: memoryview, size: int) -> bool:
    """Whether a payload of few parts was looked through; its bytes are not copied for it."""
    at, awaited = 0, 1
    for _ in range(_FEW):
        if awaited == 0:
            break
        awaited += _members(payload, at) - 1
        at = _end(payload, at)
        if at + awaited > size:
            raise ValueError("it claims to hold more than follows")
    if awaited == 0 and at != size:
        raise ValueError("it goes on after its end")
    return awaited == 0


def _members(payload: memoryview, at: int) -> int:
    """How many values the one that begins there holds, by what its head says."""
    head = payload[at]
    if 0x80 <= head < 0xA0:
        return 2 * (head & 15) if head < 0x90 else head & 15
    width = _COUNTED.get(head, 0)
    members = int.from_bytes(payload[at + 1 : at + 1 + width])
    return 2 * members if head >= 0xDE else members


def _end(payload: memoryview, at: int) -> int:
    """Where a value ends, or the head of one that holds others."""
    head = payload[at]
    if head < 0xC0 or head >= 0xE0:
        return at + 1 + (head & 31 if 0xA0 <= head < 0xC0 else 0)
    if head in _SIZED:
        width, kind = _SIZED[head]
        return at + 1 + width + kind + int.from_bytes(payload[at + 1 : at + 1 + width])
    return at + 1 + _COUNTED.get(head, _FIXED.get(head, 0))


def watched(restore: Restore) -> Restore:
    """The same, for one payload above :data:`UNWATCHED`: it refuses values made to collide.

    Dicts and sets compare each two values whose hashes are the same, and anyone can find thousands
    of large ints or tuples of one hash. Some values are drawn to look for that.
    """
    seen: dict[int, list[Any]] = {}

    def restored(number: int, data: bytes) -> Any:
        value = restore(number, data)
        if _draw() < _SAMPLED and type(value) in _FORESEEABLE:
            _look_at(value, seen)
        return value

    return restored


def _look_at(value: Any, seen: dict[int, list[Any]]) -> None:
    try:
        alike = seen.setdefault(hash(value), [])
    except TypeError:
        return  # it holds what can't be hashed, and so is no key
    if value not in alike:
        alike.append(value)
        if len(alike) > _COLLIDING:
            raise SerializationError("the value holds many that were made to have one hash")


def fraction(numerator: Any, denominator: Any) -> Fraction:
    """A fraction of numbers that are reduced in good time: it grows with the square of the digits.

    Raises:
        ValueError: A number has more than 65,536 bits.
    """
    if max(numerator.bit_length(), denominator.bit_length()) > _WIDEST:
        raise ValueError(f"a Fraction of numbers of more than {_WIDEST:,} bits")
    return Fraction(numerator, denominator)


def zone(name: str) -> ZoneInfo:
    """A time zone by its name, which is looked up among files.

    Raises:
        ValueError: The name is not of the form that zones have.
    """
    if not _ZONE.fullmatch(name):
        raise ValueError("no name of a time zone")
    return ZoneInfo(name)


def reason(error: BaseException) -> str:
    """What an error says, cut short where bytes from outside made it long or unprintable."""
    try:
        text = str(error)
    except ValueError:  # an int of more digits than Python prints
        text = type(error).__name__
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"
