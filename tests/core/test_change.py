"""Changes of what stands: touched, incremented, modified; none is lost."""

import pytest

from qstate import (
    MissingKeyError,
    ValueTypeError,
    Version,
)
from tests.core.threads import at_once


def test_increment_counts_every_thread(store):
    """No increment is lost, and each thread sees another number."""
    got = at_once(6, lambda number: [store.increment("n") for _ in range(20)])
    assert sorted(count for counts in got for count in counts) == list(range(1, 121))
    assert store["n"] == 120


def test_modify_loses_no_change(store):
    """Changes of threads are all in the value."""
    at_once(6, lambda n: store.modify("all", lambda known: [*known, n], default=[]))
    assert sorted(store["all"]) == list(range(6))


def test_modify_of_nothing_needs_a_default(store):
    """Without a default an absent key is a KeyError, and nothing is written."""
    with pytest.raises(MissingKeyError):
        store.modify("a", lambda value: value)
    assert "a" not in store


@pytest.mark.parametrize("value", ["1", None, [1], True])
def test_what_is_no_number_is_not_incremented(store, value):
    """The value stays, and the error is a TypeError that names the key."""
    store["a"] = value
    with pytest.raises(ValueTypeError, match="'a'"):
        store.increment("a")
    assert store["a"] == value


@pytest.mark.parametrize(
    "call", [lambda s: s.increment("a"), lambda s: s.modify("a", lambda value: value + 1)]
)
def test_a_foreign_value_is_not_changed_by_accident(open_trial, call):
    """What something else wrote must be set first, and the message says so."""
    store, backend = open_trial()
    store["a"] = 1
    foreign = backend.records["a"]._replace(version=Version.derived(b"7"), data=b"7")
    backend.records["a"] = foreign
    assert store["a"] == 7
    with pytest.raises(ValueTypeError, match=r"set\(\) it first"):
        call(store)
    assert backend.records["a"] == foreign
