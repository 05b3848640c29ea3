"""A value whose large arrays stand behind it, so that they are neither copied nor searched for.

::

    c9, length (4 bytes), 10           an extension of type 16, which holds four MessagePack values
                                       or more, one after the other:
    c6, length (4 bytes)               a bin: the sizes, in 8 bytes each, of the value …
                                       … and of each buffer
    …                                  the value; an extension of type 17 stands for a buffer
    c6, length (4 bytes), …            a bin for each buffer
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from qstate.backend import Buffer
from qstate.errors import SerializationError

NUMBER: Final = 16
_LARGEST: Final = 2**32 - 1
_HEAD: Final = struct.Struct(">BIB")
_BIN: Final = struct.Struct(">BI")
_BIN32: Final = 0xC6


def joined(packed: bytes, views: Sequence[memoryview]) -> tuple[Buffer, ...]:
    """A value and its buffers as one MessagePack value, in pieces."""
    sizes = [len(packed), *(view.nbytes for view in views)]
    table = struct.pack(f">{len(sizes)}Q", *sizes)
    total = len(table) + sum(sizes) + _BIN.size * len(sizes)
    if total > _LARGEST:
        raise SerializationError(
            f"the arrays of the value have {total:,} bytes together, but a value holds at most "
            f"{_LARGEST:,}; store them under several keys"
        )
    pieces: list[Buffer] = [
        _HEAD.pack(0xC9, total, NUMBER) + _BIN.pack(_BIN32, len(table)) + table + packed
    ]
    for view in views:
        pieces += (_BIN.pack(_BIN32, view.nbytes), view)
    return tuple(pieces)


def taken_apart(payload: Buffer) -> tuple[memoryview, list[memoryview]]:
    """The value and its buffers, as read-only views of a payload."""
    view = memoryview(payload).toreadonly()
    _, total, _ = _HEAD.unpack_from(view)
    if total != len(view) - _HEAD.size:
        raise SerializationError("the payload has another length than it says")
    table, start = _bin(view, _HEAD.size)
    sizes = struct.unpack(f">{len(table) // 8}Q", table)
    packed, start = view[start : start + sizes[0]], start + sizes[0]
    found = []
    for size in sizes[1:]:
        part, start = _bin(view, start)
        if len(part) != size:
            raise SerializationError("a buffer has another length than the payload says")
        found.append(part)
    if start != len(view):
        raise SerializationError("the payload goes on after its end")
    return packed, found


def _bin(view: memoryview, start: int) -> tuple[memoryview, int]:
    mark, size = _BIN.unpack_from(view, start)
    end = start + _BIN.size + size
    if mark != _BIN32 or end > len(view):
        raise SerializationError("the payload is cut short, or has no buffer where one belongs")
    return view[start + _BIN.size : end], end
