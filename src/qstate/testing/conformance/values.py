"""Values and isolation: what goes in comes out, and is nobody else's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, ClassVar, Final
from uuid import UUID

import pytest

from qstate.backend import Put, Version
from qstate.errors import MissingKeyError, SerializationError, ValueTooLargeError
from qstate.store import StateStore
from qstate.testing.conformance.faults import declaring_less
from qstate.testing.conformance.laws import Laws, backend_of, can, found


class Outcome(Enum):
    """An enum of a user's own."""

    KNOWN = "known"
    LOST = "lost"


@dataclass
class Place:
    """A dataclass of a user's own."""

    at: Any
    outcome: Outcome = Outcome.KNOWN


VALUES: Final[dict[str, Any]] = {
    "none": None,
    "truths": [True, False],
    "integers": [0, -1, 2**63 - 1, -(2**63), 2**64, 10**300],
    "floats": [0.1, -0.0, 1e308, 5e-324, float("inf"), float("-inf")],
    "complex": 1 - 2j,
    "text": ["", "a", "naïve", "日本語", "😀", "\0", "a\nb"],
    "bytes": [b"", b"\0", bytes(range(256)), bytearray(b"ab")],
    "containers": {"list": [1, [2]], "tuple": (1, (2,)), "set": {1, 2}, "frozen": frozenset({3})},
    "empties": [[], {}, (), set(), frozenset(), "", b""],
    "odd_keys": {1: "a", (2, 3): "b", None: "c", 2.5: "d"},
    "times": [datetime(2026, 1, 2, 3, 4, 5, 6, UTC), date(2026, 1, 2), timedelta(microseconds=1)],
    "members": [Outcome.KNOWN, Place(1), Place((Place(None),), Outcome.LOST)],
    "numbers": [Decimal("1.10"), Fraction(1, 3), UUID(int=7)],
}

SIZES: Final = (0, 1, 255, 256, 4095, 4096, 65_535, 65_536, 2**20, 2**23)
"""Bytes of values, at the edges where stores and formats change their ways."""

LARGEST_TRIED: Final = 16 * 2**20


class ValueLaws(Laws):
    """What a value is."""

    promise: ClassVar[str] = "Values and isolation"

    def test_a_value_comes_back_as_it_went_in(self, store: StateStore) -> None:
        """Equal, and of the same type."""
        for kind, value in VALUES.items():
            store[kind] = value
            entry = store.entry(kind)
            assert entry is not None
            assert repr(store[kind]) == repr(entry.value) == repr(value)

    def test_values_of_every_size_come_back(self, store: StateStore) -> None:
        """From nothing at all to 8 MiB, or to what the store takes."""
        limit = can(store).max_value_bytes
        sizes = [size for size in SIZES if limit is None or size + 1024 <= limit]
        for size in sizes:
            value = (bytes(range(256)) * (size // 256 + 1))[:size]
            store["k"] = value
            assert store["k"] == value

    def test_the_largest_value_is_taken_and_one_byte_more_is_refused(
        self, store: StateStore
    ) -> None:
        """``ValueTooLargeError`` before anything is sent; what stood there stays.

        A store with a limit too large to try is tried with a smaller one.
        """
        limit = min(can(store).max_value_bytes or LARGEST_TRIED, LARGEST_TRIED)
        bounded, backend = declaring_less(store, max_value_bytes=limit)
        around = sum(len(part) for part in store._codec.encode(bytes(limit))) - limit
        bounded["k"] = bytes(limit - around)
        asked = len(backend.asked)
        for write in (
            lambda: bounded.set("k", bytes(limit - around + 1)),
            lambda: bounded.modify("k", lambda value: value + b"x"),
            lambda: bounded.transact(lambda tx: [tx.set("new", 1), tx.set("k", bytes(limit))]),
        ):
            with pytest.raises(ValueTooLargeError):
                write()
        assert len(backend.asked) == asked
        assert store["k"] == bytes(limit - around)
        assert "new" not in store

    def test_a_value_read_is_the_readers_own(self, store: StateStore) -> None:
        """Changing it changes nothing stored, whichever way it was read."""
        store["k"] = {"list": [1]}
        entry = store.entry("k")
        assert entry is not None
        with store.transaction() as tx:
            read = [store["k"], store.get("k"), entry.value, tx.get("k"), *store.values()]
            read += [found(store, ["k"])["k"], store.setdefault("k", {})]
        for value in read:
            value["list"].append(2)
            value["more"] = 3
        assert store["k"] == {"list": [1]}

    def test_a_value_written_is_as_it_was_then(self, store: StateStore) -> None:
        """Changing it afterwards changes nothing stored, whichever way it was written."""
        value = [1]
        store["set"] = value
        store.update({"update": value})
        store.setdefault("setdefault", value)
        store.modify("modify", lambda _: value, None)
        with store.transaction() as tx:
            tx["transaction"] = value
        value.append(2)
        kept = dict(store.items())
        assert list(kept.values()) == [[1]] * 5

    def test_bytes_that_can_change_are_copied(self, store: StateStore) -> None:
        """A ``bytearray`` that is written, or was read, is no window onto the store."""
        value = bytearray(b"x" * 60_000)
        store["k"] = value
        value[0] = 0
        store["k"][1] = 0
        assert store["k"] == bytearray(b"x" * 60_000)

    def test_a_backend_keeps_bytes_of_its_own(self, store: StateStore) -> None:
        """Neither who gave them nor who got them can change what stands by changing theirs."""
        backend = backend_of(store)
        data = b"".join(store._codec.encode("text"))
        given = bytearray(data)
        backend.write([Put("k", Version.new(), (given[:3], memoryview(given)[3:]))])
        given[:] = bytes(len(given))
        for _ in range(2):
            [record] = backend.read(["k"])
            assert record is not None
            assert bytes(record.data) == data
            if not memoryview(record.data).readonly:
                memoryview(record.data)[:] = bytes(len(data))

    def test_nothing_is_not_a_value(self, store: StateStore) -> None:
        """``None``, ``""`` and ``0`` are values; an absent key has none."""
        values: dict[str, Any] = {"none": None, "text": "", "zero": 0, "empty": []}
        for key, value in values.items():
            store[key] = value
            assert key in store
            assert store.get(key, "default") == value
        assert store.get("absent") is None
        assert store.get("absent", "default") == "default"
        assert store.entry("absent") is None
        assert "absent" not in store
        with pytest.raises(MissingKeyError):
            store["absent"]

    def test_it_is_a_mapping(self, store: StateStore) -> None:
        """``len``, iteration, ``items``, ``setdefault``, ``pop``, ``popitem``, ``del``, ``==``."""
        store["a"] = 1
        store["b"] = 2
        assert len(store) == 2
        assert sorted(store.items()) == [("a", 1), ("b", 2)]
        assert sorted(store.keys()) == ["a", "b"]
        assert sorted(store.values()) == [1, 2]
        assert (store.setdefault("a", 9), store.setdefault("c", 3)) == (1, 3)
        assert (store.pop("c"), store.pop("c", None)) == (3, None)
        del store["b"]
        assert store.popitem() == ("a", 1)
        for call in (store.popitem, lambda: store.pop("a"), lambda: store.__delitem__("a")):
            with pytest.raises(MissingKeyError):
                call()
        assert len(store) == 0

    def test_a_value_that_cannot_be_written_leaves_what_stood(self, store: StateStore) -> None:
        """``SerializationError``, and nothing is written."""
        store["k"] = 1
        for call in (
            lambda: store.set("k", object()),
            lambda: store.update({"k": 2, "l": object()}),
            lambda: store.modify("k", lambda _: object()),
        ):
            with pytest.raises(SerializationError):
                call()
        assert dict(store.items()) == {"k": 1}
