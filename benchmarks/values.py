"""What is read and written: the small value of the targets, and arrays."""

from __future__ import annotations

from typing import Any

import msgpack

SMALL: dict[str, Any] = {
    "k": 42,
    "name": "abc",
    "xs": list(range(10)),
    "nested": {"a": 1.5, "b": [1, 2, 3]},
}
PACKED: bytes = msgpack.packb(SMALL)
"""The small value as plain MessagePack: what the raw clients carry."""


def many(count: int) -> dict[str, Any]:
    """The small value under so many keys."""
    return {f"key/{number:07}": SMALL for number in range(count)}
