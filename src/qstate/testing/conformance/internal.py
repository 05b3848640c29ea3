"""Nothing internal shows: what locks keep in the store is in no scan, count, watch or clear."""

from __future__ import annotations

from typing import ClassVar

import pytest

from qstate.errors import InvalidKeyError, MissingKeyError, StateTimeoutError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, needs
from qstate.testing.conformance.waiting import told


class InternalLaws(Laws):
    """What nobody sees."""

    promise: ClassVar[str] = "Nothing internal shows"

    def test_what_locks_keep_is_in_no_scan_and_no_count(self, store: StateStore) -> None:
        """While they are held and after."""
        needs(store, "expiry", "several_keys")
        scope = store.scope("run")
        with store.lock("lock"), scope.lock("lock"):
            self._shows_nothing(store)
            self._shows_nothing(scope)
        self._shows_nothing(store)

    def test_what_locks_keep_is_not_watched(self, store: StateStore) -> None:
        """No watcher is told of a lock that was taken and released."""
        needs(store, "expiry", "several_keys")
        with store.watch() as changes:
            with store.lock("lock"):
                pass
            store["k"] = 1
            assert [change.key for change in told(changes, lambda _: True)] == ["k"]

    def test_clearing_a_store_takes_no_lock_away(self, store: StateStore) -> None:
        """Its holder still holds it."""
        needs(store, "expiry", "several_keys")
        with store.lock("lock") as lease:
            store["k"] = 1
            store.clear(everything=True)
            with pytest.raises(StateTimeoutError), store.lock("lock", wait=0):
                pass
            lease.check()
        assert list(store) == []

    def test_no_key_names_what_the_store_keeps_for_itself(self, store: StateStore) -> None:
        """Keys with NUL are refused, whatever is asked of them."""
        for key in ("\0", "\0lock/lock", "\0token/lock", "a\0"):
            for call in (store.get, store.delete, store.entry, lambda key: store.set(key, 1)):
                with pytest.raises(InvalidKeyError):
                    call(key)

    def _shows_nothing(self, store: StateStore) -> None:
        assert (list(store), len(store), dict(store.items())) == ([], 0, {})
        assert list(store.scan(page_size=1)) == []
        with pytest.raises(MissingKeyError):
            store.popitem()
