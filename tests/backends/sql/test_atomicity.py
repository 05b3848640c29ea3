"""Atomicity: all or nothing, seen whole, and one winner, whoever else is at work."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from qstate.backend import ConflictError, Delete, Put, Version
from tests.backends.sql.conftest import make
from tests.backends.sql.test_records import put

CLIENTS = 6


@pytest.fixture(scope="module")
def processes():
    """Processes that all tests share: starting them takes longer than what they do."""
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.1] * 4))  # they are there before a test begins
        yield pool


@pytest.fixture(params=["threads", "processes"])
def pool(request, processes):
    """Several clients at once: threads that share a backend's process, or processes."""
    if request.param == "processes":
        yield processes
    else:
        with ThreadPoolExecutor(CLIENTS) as pool:
            yield pool


def for_all(pool, work, url, *arguments):
    """What ``work(url, number, …)`` gave in each client, all at once."""
    started = [pool.submit(work, url, number, *arguments) for number in range(CLIENTS)]
    return [each.result(120) for each in started]


def test_a_conflict_leaves_nothing(backend):
    """Neither what was to be written nor what was to be deleted has changed."""
    version = put(backend, "a", b"a")
    put(backend, "b", b"b")
    stale = Version.new()
    for require in (
        {"a": stale},
        {"a": version, "b": stale},
        {"x": stale},
        {"a": None},
        {"z": stale},
    ):
        operations = [
            Put("a", Version.new(), (b"2",)),
            Delete("b"),
            Put("x", Version.new(), (b"",)),
        ]
        with pytest.raises(ConflictError):
            backend.write(operations, require=require)
        assert backend.read_data(["a", "b", "x", "z"]) == [b"a", b"b", None, None]
    assert backend.count("") == 2


def test_a_conflict_tells_key_expected_and_actual(backend):
    """Whether the requirement is told with the write or apart from it."""
    actual, expected = put(backend, "a"), Version.new()
    for operations in ([], [Put("a", expected, (b"",))], [Delete("a")], [Delete("b")]):
        with pytest.raises(ConflictError) as raised:
            backend.write(operations, require={"a": expected})
        conflict = raised.value
        assert (conflict.key, conflict.expected, conflict.actual) == ("a", expected, actual)
    with pytest.raises(ConflictError) as raised:
        put(backend, "a", require={"a": None})
    assert (raised.value.expected, raised.value.actual) == (None, actual)


def test_requirements_without_operations_are_checked(backend):
    """A transaction that only read is told whether it saw what stands."""
    version = put(backend, "a")
    backend.write([], require={"a": version, "x": None})
    with pytest.raises(ConflictError):
        backend.write([], require={"a": version, "x": version})


def test_a_removal_that_requires_absence_is_a_check(backend):
    """Nothing stands, nothing is removed; something stands, it stays."""
    backend.write([Delete("a")], require={"a": None})
    put(backend, "a")
    with pytest.raises(ConflictError):
        backend.write([Delete("a")], require={"a": None})
    assert backend.read_data(["a"]) == [b"data"]


def test_a_key_required_absent_leaves_no_trace(backend):
    """Locking what is not there shows in no reading, and makes no conflict later."""
    backend.write([Put("a", Version.new(), (b"",))], require={"x": None, "y": None})
    assert backend.read(["x", "y"]) == [None, None]
    assert backend.scan("", None, 10)[0] == ["a"]
    put(backend, "x", require={"x": None})


def claim(url, number, keys):
    """Try to be the first to write each key; return those won."""
    backend = make(url, timeout=60)
    won = []
    for key in random.Random(number).sample(keys, len(keys)):
        try:
            put(backend, key, b"%d" % number, require={key: None})
            won.append(key)
        except ConflictError:
            assert backend.read_data([key]) != [None]
    backend.close()
    return won


def test_of_many_who_set_if_absent_one_wins(sql_url, pool):
    """Each key is won once, and holds what its winner wrote."""
    keys = [f"key/{number}" for number in range(40)]
    won = for_all(pool, claim, sql_url, keys)
    assert sorted(key for each in won for key in each) == sorted(keys)
    backend = make(sql_url)
    for number, each in enumerate(won):
        assert backend.read_data(each) == [b"%d" % number] * len(each)
    backend.close()


def claim_pairs(url, number, pairs):
    """Try to be the first to write both keys of each pair; return the pairs won."""
    backend = make(url, timeout=60)
    won = []
    for pair in random.Random(number).sample(pairs, len(pairs)):
        try:
            puts = [Put(key, Version.new(), (b"%d" % number,)) for key in pair]
            backend.write(puts, require=dict.fromkeys(pair))
            won.append(pair)
        except ConflictError:
            pass
    backend.close()
    return won


def test_overlapping_pairs_of_absent_keys_are_won_whole(sql_url, pool):
    """No key belongs to two winners, and each winner has both."""
    names = [f"key/{number}" for number in range(12)]
    pairs = [(one, other) for one in names for other in names if one != other]
    won = [pair for each in for_all(pool, claim_pairs, sql_url, pairs) for pair in each]
    keys = [key for pair in won for key in pair]
    assert len(keys) == len(set(keys)) >= len(names) - 1


def count_up(url, number, rounds):
    """Add one to one counter by compare-and-set, and to two others in one transaction."""
    backend = make(url, timeout=60)
    for _ in range(rounds):
        while not add_one(backend, ["n", "m", "o"]):
            pass
        while not add_one(backend, ["single"]):
            pass
    backend.close()


def add_one(backend, names):
    """Add one to each of the counters, if none has changed since it was read."""
    records = backend.read(names)
    require = {name: record and record.version for name, record in zip(names, records, strict=True)}
    puts = [
        Put(name, Version.new(), (b"%d" % (int(record.data if record else 0) + 1),))
        for name, record in zip(names, records, strict=True)
    ]
    try:
        backend.write(puts, require=require)
    except ConflictError:
        return False
    return True


def test_counters_lose_nothing(sql_url, pool):
    """Alone and three at a time."""
    for_all(pool, count_up, sql_url, 15)
    backend = make(sql_url)
    assert backend.read_data(["n", "m", "o", "single"]) == [b"%d" % (15 * CLIENTS)] * 4
    backend.close()


def test_a_required_key_without_an_operation_holds_until_the_write(sql_url, pool):
    """Of two who each write their own key if the other's is absent, at most one succeeds."""
    for_all(pool, write_if_other_is_absent, sql_url, 30)
    backend = make(sql_url)
    for step in range(30):
        stands = backend.read_data([f"{step}/left", f"{step}/right"])
        assert stands.count(None) == 1, stands
    backend.close()


def write_if_other_is_absent(url, number, steps):
    """Write one key of each pair, requiring that the other is absent."""
    backend = make(url, timeout=60)
    mine, other = ("left", "right") if number % 2 else ("right", "left")
    for step in range(steps):
        operation = Put(f"{step}/{mine}", Version.new(), (b"%d" % number,))
        with contextlib.suppress(ConflictError):
            backend.write([operation], require={f"{step}/{other}": None})
    backend.close()


def test_plain_writes_respect_a_requirement_of_absence(sql_url):
    """Where a mark was made on condition that a key was absent, that key was written after it."""
    backend = make(sql_url, timeout=30)
    marks = 60

    def plain():
        for step in range(marks):
            backend.write([Put(f"{step}/key", Version.new(), (b"",))])
            marked[step] = backend.read_data([f"{step}/mark"])[0]

    marked = {}
    writer = threading.Thread(target=plain)
    writer.start()
    applied = set()
    for step in range(marks):
        try:
            put(backend, f"{step}/mark", require={f"{step}/key": None})
            applied.add(step)
        except ConflictError:
            pass
    writer.join()
    assert {step for step, mark in marked.items() if mark} <= applied
    # Marked after the plain write was acknowledged, the requirement would have been broken.
    assert all(marked[step] for step in applied)
    backend.close()


def test_half_a_batch_is_never_seen(sql_url):
    """Readers that look again and again see all keys of one batch, or of another."""
    writer, reader = make(sql_url, timeout=30), make(sql_url, timeout=30)
    names = [f"key/{number}" for number in range(1500)]
    shown = names[::100]
    done = threading.Event()

    def write():
        for step in range(12):
            data = (b"%d" % step,)
            puts = [Put(name, Version.new(), data) for name in names]
            writer.write([*puts, Delete("x")] if step % 2 else puts)
        writer.remove(names)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not done.is_set():
        for found in (reader.read_data(shown), reader.read_data(names)):
            assert len(set(found)) == 1
            seen.add(found[0])
    thread.join()
    assert len(seen) > 1
    writer.close()
    reader.close()


def test_batches_in_any_order_do_not_stand_in_each_others_way(sql_url, pool):
    """Writers of the same keys in different orders all come through, and leave one batch whole."""
    for_all(pool, write_shuffled, sql_url, 10)
    backend = make(sql_url)
    found = backend.read_data([f"key/{number}" for number in range(50)])
    assert len(set(found)) == 1
    backend.close()


def write_shuffled(url, number, rounds):
    """Write the same fifty keys, and remove others, in an order of this client's own."""
    backend = make(url, timeout=60)
    order = random.Random(number)
    for step in range(rounds):
        data = (b"%d %d" % (number, step),)
        operations = [Put(f"key/{n}", Version.new(), data) for n in range(50)]
        operations += [Delete(f"gone/{n}") for n in range(10)]
        order.shuffle(operations)
        backend.write(operations)
        backend.write(operations[:20])
        backend.remove([f"gone/{n}" for n in order.sample(range(20), 10)])
        backend.write([Put(f"key/{n}", Version.new(), data) for n in order.sample(range(50), 50)])
    backend.close()


def make_and_write(url, number):
    """Be among the first to use a database."""
    backend = make(url, timeout=60)
    put(backend, f"key/{number}")
    backend.close()


def test_many_may_come_first(sql_url, pool):
    """Clients that find an empty database at once make one table between them."""
    for_all(pool, make_and_write, sql_url)
    backend = make(sql_url)
    assert backend.count("key/") == CLIENTS
    backend.close()
