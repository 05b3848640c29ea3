"""Bytes by another way: what is corrupt is no absence, what is foreign is read with care."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from qstate.encoded import ABSENT
from qstate.errors import ConflictError, SerializationError, ValueTypeError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, needs_hook
from qstate.testing.conformance.versions import standing

FOREIGN = {"a": [1, 2.5, None, "é"]}


class ForeignLaws(Laws):
    """What stands in the store by another hand."""

    promise: ClassVar[str] = "Corrupt is not missing; foreign values"

    def test_what_is_written_is_found_by_another_way(self, store: StateStore) -> None:
        """A write leaves bytes, a removal leaves none."""
        raw_get = needs_hook(self.raw_get, "raw_get")
        store["k"] = "text"
        assert b"text" in raw_get("k")
        store.delete("k")
        assert raw_get("k") is None

    @pytest.mark.parametrize("damage", ["cut short", "altered", "longer", "empty", "hostile"])
    def test_bytes_that_cannot_be_read_are_an_error(self, store: StateStore, damage: str) -> None:
        """``SerializationError`` from every way of reading, never the default."""
        raw_get, raw_set = (
            needs_hook(self.raw_get, "raw_get"),
            needs_hook(self.raw_set, "raw_set"),
        )
        store["k"] = "some text of a certain length"
        sound = bytes(raw_get("k"))
        raw_set("k", _DAMAGES[damage](sound))
        calls: list[Callable[[], object]] = [
            lambda: store.get("k", "default"),
            lambda: store["k"],
            lambda: store.entry("k"),
            lambda: store.get_many(["k"]),
            lambda: store.setdefault("k", "default"),
            lambda: store.pop("k", "default"),
            lambda: list(store.items()),
            lambda: store.transaction().get("k", "default"),
        ]
        for call in calls:
            with pytest.raises(SerializationError):
                call()
        assert "k" in store
        assert list(store) == ["k"]
        store["k"] = "mended"
        assert store["k"] == "mended"

    def test_a_foreign_value_that_is_json_is_read(self, store: StateStore) -> None:
        """As what it holds; it stands, is counted, scanned and removed like any other."""
        self._foreign(FOREIGN)
        assert store["k"] == FOREIGN
        entry = store.entry("k")
        assert entry is not None
        assert (entry.value, entry.modified, entry.writer) == (FOREIGN, None, None)
        assert (list(store), len(store), "k" in store) == (["k"], 1, True)
        assert store.pop("k") == FOREIGN
        assert list(store) == []

    def test_a_foreign_value_has_a_version_of_its_bytes(self, store: StateStore) -> None:
        """The same for the same bytes; a write may require it."""
        self._foreign(1)
        first = standing(store, "k")
        assert first is not None
        self._foreign(2)
        assert standing(store, "k") != first
        with pytest.raises(ConflictError):
            store.set("k", 3, if_version=first)
        with pytest.raises(ConflictError):
            store.set("k", 3, if_version=ABSENT)
        self._foreign(1)
        assert standing(store, "k") == first
        store.set("k", 3, if_version=first)
        assert store["k"] == 3

    def test_a_foreign_value_is_not_changed_by_accident(self, store: StateStore) -> None:
        """``increment`` and ``modify`` refuse it until it is ``set``."""
        self._foreign(7)
        with pytest.raises(ValueTypeError):
            store.increment("k")
        with pytest.raises(ValueTypeError):
            store.modify("k", lambda value: value)
        assert store["k"] == 7
        store["k"] = 7
        assert store.increment("k") == 8

    def test_a_foreign_write_is_a_conflict(self, store: StateStore) -> None:
        """What was read by a transaction, and then written by another way, has changed."""
        store["k"] = 1
        with pytest.raises(ConflictError), store.transaction() as tx:
            tx["k"] = tx["k"] + 1
            self._foreign(5)
        assert store["k"] == 5

    def _foreign(self, value: Any) -> None:
        needs_hook(self.raw_set, "raw_set")("k", json.dumps(value).encode())


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda sound: sound[:-3],
    "altered": lambda sound: sound[:-5] + bytes([sound[-5] ^ 1]) + sound[-4:],
    "longer": lambda sound: sound + b"x",
    "empty": lambda _: b"",
    "hostile": lambda _: b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.",
}
