"""Views and scans: all keys, each once, a page at a time."""

import itertools
import tracemalloc

import pytest

from qstate import MissingKeyError
from qstate.views import PAGE_SIZE, pages


@pytest.fixture
def filled(open_trial):
    """Two and a half pages of values."""
    store, backend = open_trial()
    store.set_many({f"k{number:05}": number for number in range(5 * PAGE_SIZE // 2)})
    backend.calls.clear()
    return store, backend


def test_values_are_read_a_page_at_a_time(filled):
    """A view of many values takes a round trip for each page, not for each key."""
    store, backend = filled
    assert sorted(iter(store.values())) == list(range(5 * PAGE_SIZE // 2))
    assert backend.calls.count("read") == 3
    assert backend.calls.count("scan") <= 4


def test_items_are_read_a_page_at_a_time(filled):
    """Keys come with their values."""
    store, backend = filled
    assert dict(iter(store.items())) == {f"k{n:05}": n for n in range(5 * PAGE_SIZE // 2)}
    assert backend.calls.count("read") == 3


def test_a_scan_is_lazy(filled):
    """What is not asked for is not read."""
    store, backend = filled
    keys = store.scan(page_size=10)
    assert not backend.calls
    assert len(list(itertools.islice(keys, 15))) == 15
    assert backend.calls == ["scan", "scan"]


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 100, 10_000])
def test_a_key_that_a_backend_repeats_comes_once(store, page_size):
    """Pages of this backend overlap; the scan gives each key once, whatever the page."""
    written = {f"k{number}" for number in range(50)}
    store.set_many(dict.fromkeys(written))
    found = list(store.scan(page_size=page_size))
    assert len(found) == 50
    assert set(found) == written


class Repeating:
    """Gives each key, and with it again the one that came so many before it."""

    def __init__(self, number, distance):
        self._number = number
        self._distance = distance

    def scan(self, prefix, cursor, limit):
        first = int(cursor or 0)
        end = min(first + limit, self._number)
        again = range(max(first - self._distance, 0), max(end - self._distance, 0))
        found = [f"k{number:07}" for number in (*again, *range(first, end))]
        return found, b"%d" % end if end < self._number else None


def test_keys_that_come_again_within_the_window_come_once(open_trial):
    """All of them are there, in their order, and no other of as many that came long before."""
    store, backend = open_trial(window="1000")
    for distance in (1, 100, 999, 1000):
        backend.scan = Repeating(20_000, distance).scan
        found = list(store.scan(page_size=100))
        assert found == [f"k{number:07}" for number in range(20_000)], distance


def test_a_scan_of_a_window_takes_the_same_memory_for_any_number_of_keys(open_trial):
    """Keys are remembered for as long as they may come again."""
    store, backend = open_trial(window="1000")

    def peak(number):
        backend.scan = Repeating(number, 10).scan
        tracemalloc.start()
        found = sum(1 for _ in store.scan(page_size=100))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == number
        return most

    assert peak(100_000) < 1.2 * peak(5000)


def test_a_scan_gives_the_keys_of_a_prefix(store):
    """A prefix is compared character by character, and need not end at a slash."""
    store.set_many(dict.fromkeys(["run", "run-2", "run/a", "Run", "a_b", "axb", "a%", "ab"]))
    assert set(store.scan("run")) == {"run", "run-2", "run/a"}
    assert set(store.scan("run/")) == {"run/a"}
    assert set(store.scan("a_")) == {"a_b"}
    assert set(store.scan("a%")) == {"a%"}
    assert set(store.scan("b")) == set()
    assert len(list(store.scan(""))) == 8


def test_a_page_has_at_least_one_key(store):
    """A page size that means nothing is a ValueError, at once."""
    with pytest.raises(ValueError, match="page_size is a number of keys above 0, not 0"):
        store.scan(page_size=0)


def test_what_goes_while_a_view_is_read_is_left_out(filled):
    """A key that is gone when its page is read is in neither view."""
    store, _ = filled
    items = iter(store.items())
    next(items)
    store.delete_many([f"k{number:05}" for number in range(PAGE_SIZE, 2 * PAGE_SIZE)])
    assert len(list(items)) == 3 * PAGE_SIZE // 2 - 1


def test_views_count_and_contain(store):
    """The views of a store are those of a mapping."""
    store.set_many({"a": 1, "b": [2]})
    assert (len(store.keys()), len(store.items()), len(store.values())) == (2, 2, 2)
    assert ("b", [2]) in store.items()
    assert ("b", 3) not in store.items()
    assert [2] in store.values()
    assert "a" in store.keys()  # noqa: SIM118 - the view is what is asked
    assert store.keys() & {"a", "c"} == {"a"}


def test_what_the_core_keeps_for_itself_is_in_no_view(open_trial):
    """Keys that begin with NUL are in no scan, count or view, and nothing clears them."""
    store, backend = open_trial()
    store["a"] = 1
    backend.records["\0lock/x"] = backend.records["a"]
    assert list(store) == ["a"]
    assert list(store.scan()) == ["a"]
    assert len(store) == 1
    assert dict(store.items()) == {"a": 1}
    store.clear(everything=True)
    assert "\0lock/x" in backend.records
    assert not store
    with pytest.raises(MissingKeyError):
        store.popitem()


def test_a_corrupt_value_is_told_by_a_view(open_trial):
    """Reading many values stops at one that can't be read, and names its key."""
    store, backend = open_trial()
    store["a"] = 1
    backend.records["a"] = backend.records["a"]._replace(data=b"\xc1q")
    with pytest.raises(ValueError, match="'a' can't be read"):
        list(store.values())


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_pages_hold_all_in_order(count):
    """Pages are full except the last."""
    made = list(pages(map(str, range(count)), 3))
    assert [key for page in made for key in page] == [str(number) for number in range(count)]
    assert all(len(page) == 3 for page in made[:-1])
    assert all(made)
