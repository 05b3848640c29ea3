"""Arrays through a real Redis: no copy of the data on the way there, none on the way back."""

import tracemalloc

import numpy as np
import pytest

import qstate

SIZE = 32 * 2**20


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: {"deep": [(a,)]}], ids=["bare", "nested"])
def test_memory_stays_below_a_twentieth_above_the_array(redis_url, wrap):
    """At its peak, in ``set``, and in ``get`` above the bytes that came."""
    array = np.random.default_rng(1).random(SIZE // 8)
    with qstate.connect(redis_url, timeout=60) as store:
        store["warm"] = [np.arange(3)]
        assert store["warm"][0].tolist() == [0, 1, 2]
        set_peak = peak(lambda: store.set("a", wrap(array)))
        found = []
        get_peak = peak(lambda: found.append(store.get("a")))
        [value] = found
        got = value if isinstance(value, np.ndarray) else value["deep"][0][0]
        assert np.array_equal(got, array)
        assert not got.flags.writeable
    assert set_peak < 0.05 * SIZE
    assert get_peak < 1.05 * SIZE


def test_what_a_transaction_writes_is_the_array_as_it_was(redis_url):
    """Changes after the ``set`` change nothing, though the write comes later."""
    array = np.zeros(10_000)
    with qstate.connect(redis_url) as store:
        with store.transaction() as tx:
            tx["a"] = array
            array[:] = 1
        assert store["a"].sum() == 0


def peak(call):
    """The most memory that a call took, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
