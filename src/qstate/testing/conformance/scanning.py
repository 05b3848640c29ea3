"""Scanning: each key that was there all the time exactly once, whatever comes and goes."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import ClassVar

import pytest

from qstate.errors import InvalidKeyError
from qstate.store import StateStore
from qstate.testing.conformance.keys import ALIKE
from qstate.testing.conformance.laws import Laws, Tally, fill
from qstate.testing.conformance.waiting import meanwhile


class ScanLaws(Laws):
    """What a scan gives."""

    promise: ClassVar[str] = "Scanning"

    def test_a_scan_gives_each_key_exactly_once(self, store: StateStore) -> None:
        """Whatever the size of its pages."""
        keys = [f"{number:03}" for number in range(150)]
        fill(store, dict.fromkeys(keys, 1))
        for page_size in (1, 7, 100, 1000):
            assert sorted(store.scan(page_size=page_size)) == keys, page_size

    def test_more_keys_than_a_page_are_counted_iterated_and_cleared(
        self, store: StateStore
    ) -> None:
        """``len``, iteration, ``items`` and ``clear`` go on to the last page."""
        keys = [f"k{number:04}" for number in range(2345)]
        fill(store, dict.fromkeys(keys, 1))
        assert len(store) == len(keys)
        assert sorted(store) == keys
        assert sum(value for _, value in store.items()) == len(keys)
        store.clear(everything=True)
        assert (len(store), list(store)) == (0, [])

    def test_a_scan_of_a_prefix_gives_what_begins_with_it(self, store: StateStore) -> None:
        """Compared code point by code point: no pattern, no folding."""
        keys = sorted({key for group in ALIKE.values() for key in group})
        fill(store, dict.fromkeys(keys, 1))
        for prefix in [*keys, "", "k" * 500, "no such", "a" * 3]:
            found = sorted(store.scan(prefix, page_size=20))
            assert found == [key for key in keys if key.startswith(prefix)], repr(prefix)

    def test_keys_that_stay_come_exactly_once_while_others_come_and_go(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """None is skipped and none comes twice; what comes and goes may be in or not."""
        stay = {f"{number:03}/stay" for number in range(0, 120, 2)}
        fill(store, dict.fromkeys(sorted(stay), 1))
        passing = [f"{number:03}/pass" for number in range(120)]
        numbers = itertools.cycle(range(len(passing)))

        def come_and_go() -> None:
            number = next(numbers)
            store[passing[number]] = 1
            store.delete(passing[number - 10])

        with meanwhile(come_and_go):
            for page_size in (1, 3, 10, 40) * more:
                found = Counter(store.scan(page_size=page_size))
                assert stay <= found.keys()
                assert found.keys() <= stay | set(passing)
                assert found.most_common(1)[0][1] == 1
        tally("scans while keys come and go", 4 * more)

    def test_keys_removed_while_they_are_scanned_take_no_others_with_them(
        self, store: StateStore
    ) -> None:
        """Each key removed as it comes: all of them come."""
        keys = [f"{number:03}" for number in range(60)]
        fill(store, dict.fromkeys(keys, 1))
        removed = []
        for key in store.scan(page_size=5):
            store.delete(key)
            removed.append(key)
        assert sorted(removed) == keys
        assert list(store) == []

    def test_a_scan_is_lazy(self, store: StateStore) -> None:
        """What was added after it began, but before it was asked, is found."""
        scan = store.scan()
        store["k"] = 1
        assert list(scan) == ["k"]

    def test_what_is_no_prefix_is_refused(self, store: StateStore) -> None:
        """NUL, a number; and a page has at least one key."""
        for prefix in ("\0", "a\0", 7, None, b"a"):
            with pytest.raises(InvalidKeyError):
                list(store.scan(prefix))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="page_size"):
            list(store.scan(page_size=0))
