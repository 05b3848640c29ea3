"""Versions: every write has one of its own, and a write may require the one that stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from qstate.backend import Version
from qstate.encoded import ABSENT
from qstate.errors import ConflictError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws


def standing(store: StateStore, key: str) -> Version | None:
    """The version that stands under a key."""
    entry = store.entry(key)
    return None if entry is None else entry.version


class VersionLaws(Laws):
    """What a version is, and what may be required."""

    promise: ClassVar[str] = "Versions and requirements"

    def test_every_write_has_a_new_version(self, store: StateStore) -> None:
        """Whichever call makes it, and though the value be the same."""
        versions = [store.set("k", 1), store.set("k", 1)]
        for write in (
            lambda: store.update({"k": 1}),
            lambda: store.modify("k", lambda value: value),
            lambda: store.increment("k", 0),
            lambda: store.transact(lambda tx: tx.set("k", 1)),
            lambda: store.set("k", 1, if_version=versions[-1]),
        ):
            write()
            found = standing(store, "k")
            assert found is not None
            versions.append(found)
        assert len(set(versions)) == len(versions)
        assert all(len(version) == 16 and version[6] >> 4 == 7 for version in versions)

    def test_the_version_that_set_returns_is_the_one_that_stands(self, store: StateStore) -> None:
        """As ``entry`` tells it, until the next write."""
        for _ in range(3):
            version = store.set("k", 1)
            assert standing(store, "k") == standing(store, "k") == version

    def test_a_write_over_a_version_that_stands_is_applied(self, store: StateStore) -> None:
        """``if_version=`` with what ``set`` or ``entry`` gave."""
        version = store.set("k", 0)
        for step in range(1, 4):
            version = store.set("k", step, if_version=version)
            assert (store["k"], standing(store, "k")) == (step, version)

    def test_a_write_over_another_version_is_refused(self, store: StateStore) -> None:
        """``ConflictError`` with key, expected and actual; what stands is as it was."""
        old = store.set("k", 1)
        new = store.set("k", 2)
        with pytest.raises(ConflictError) as refused:
            store.set("k", 3, if_version=old)
        error = refused.value
        assert (error.key, error.expected, error.actual) == ("k", old, new)
        assert (store["k"], standing(store, "k")) == (2, new)

    def test_a_write_over_a_version_of_an_absent_key_is_refused(self, store: StateStore) -> None:
        """It was removed, so it no longer has that version; it stays absent."""
        old = store.set("k", 1)
        store.delete("k")
        with pytest.raises(ConflictError) as refused:
            store.set("k", 2, if_version=old)
        assert (refused.value.expected, refused.value.actual) == (old, None)
        assert "k" not in store

    def test_a_write_where_nothing_stands_is_applied_once(self, store: StateStore) -> None:
        """``if_version=qstate.ABSENT``: the first is applied, the second refused."""
        first = store.set("k", 1, if_version=ABSENT)
        with pytest.raises(ConflictError) as refused:
            store.set("k", 2, if_version=ABSENT)
        assert (refused.value.expected, refused.value.actual) == (None, first)
        assert store["k"] == 1
        store.delete("k")
        store.set("k", 3, if_version=ABSENT)
        assert store["k"] == 3

    def test_a_key_that_was_removed_and_written_again_has_another_version(
        self, store: StateStore
    ) -> None:
        """The old version is not mistaken for the new, though the value be the same."""
        old = store.set("k", 1)
        store.delete("k")
        new = store.set("k", 1)
        assert new != old
        with pytest.raises(ConflictError):
            store.set("k", 2, if_version=old)
        assert store["k"] == 1

    def test_a_removal_may_require_a_version(self, store: StateStore) -> None:
        """``delete(if_version=)``: that version or ``ConflictError``; of an absent key too."""
        old = store.set("k", 1)
        new = store.set("k", 2)
        with pytest.raises(ConflictError):
            store.delete("k", if_version=old)
        assert store["k"] == 2
        assert store.delete("k", if_version=new) is True
        with pytest.raises(ConflictError) as refused:
            store.delete("k", if_version=new)
        assert refused.value.actual is None

    def test_a_removal_says_whether_something_stood(self, store: StateStore) -> None:
        """True once, then False."""
        store["k"] = 1
        assert (store.delete("k"), store.delete("k")) == (True, False)

    def test_an_entry_tells_when_it_was_written(self, store: StateStore) -> None:
        """``modified`` is the writer's time, in UTC, to a second or better."""
        slack = timedelta(seconds=1)
        before = datetime.now(UTC)
        store["k"] = 1
        after = datetime.now(UTC)
        entry = store.entry("k")
        assert entry is not None
        assert entry.modified is not None
        assert before - slack <= entry.modified <= after + slack
        assert entry.expires_at is None
