"""Records: what is written is what is read, whatever the key and the value."""

from __future__ import annotations

import itertools
import os
import time

import pytest

from qstate.backend import KEEP, ConflictError, Delete, Put, Version
from tests.servers.process import wait_until

ALIKE = [
    "key",
    "KEY",
    "Key",
    "kéy",
    "ke\u0301y",
    "key ",
    "key  ",
    " key",
    "key\t",
    "\0key",
    "\0",
    "ke\0y",
    "ß",
    "ss",
    "\u017f",
    "🔑",
    "\ud7ff",
    "\uffff",
    "\U0010ffff",
    "%",
    "_",
    "k_y",
    "k%",
    "'",
    '"',
    "\\",
    "`",
    "?",
    "a" * 1023,
    "a" * 1024,
    "é" * 512,
    "🔑" * 256,
]


def put(backend, key, data=b"data", ttl=None, **options):
    """Write one value; return its version."""
    version = Version.new()
    backend.write([Put(key, version, (data,), ttl)], **options)
    return version


def scan(backend, prefix="", limit=100):
    """All keys that scanning gives, page after page."""
    keys, cursor = backend.scan(prefix, None, limit)
    while cursor is not None:
        page, cursor = backend.scan(prefix, cursor, limit)
        keys += page
    return keys


def test_an_empty_database_is_ready_for_use(backend):
    """The table is made by whatever comes first, reading included."""
    assert backend.read(["a"]) == [None]
    assert scan(backend) == []
    assert backend.count("") == 0


def test_a_record_has_the_version_and_the_data_it_was_written_with(backend):
    """Version, data and no expiry come back."""
    version = put(backend, "a", b"first")
    assert backend.read(["a"]) == [(version, b"first", None)]
    assert backend.read_data(["a"]) == [b"first"]


def test_a_value_in_pieces_is_stored_as_one(backend):
    """The parts of a put are joined, and may be views."""
    backend.write([Put("a", Version.new(), (b"one ", memoryview(b"two "), bytearray(b"three")))])
    assert backend.read_data(["a"]) == [b"one two three"]


@pytest.mark.parametrize("size", [0, 1, 255, 4096, 1 << 20, 32 << 20])
def test_values_of_any_size_come_back(backend, size):
    """From nothing to 32 MB, all byte values in them."""
    data = (bytes(range(256)) + os.urandom(3841))[:size] if size < 5000 else os.urandom(size)
    put(backend, "a", data)
    assert backend.read_data(["a"]) == [data]
    assert backend.read(["a"])[0].data == data


def test_keys_that_differ_in_any_code_point_are_different_keys(backend):
    """Case, accents, spaces at the end, NUL, quotes: nothing is folded."""
    backend.write([Put(key, Version.new(), (key.encode(),)) for key in ALIKE])
    assert backend.read_data(ALIKE) == [key.encode() for key in ALIKE]
    assert [backend.read_data([key])[0] for key in ALIKE] == [key.encode() for key in ALIKE]
    assert scan(backend) == sorted(ALIKE)
    for key in ALIKE:
        put(backend, key, b"again")
    assert backend.remove(ALIKE) == len(ALIKE)


def test_a_prefix_means_itself_and_nothing_more(backend):
    """Neighbours and pattern characters do not leak in."""
    keys = [
        "a_b/1",
        "axb/1",
        "a%/1",
        "a%b",
        "a",
        "A_b/1",
        "a_b",
        "a_c/1",
        "a_b0",
        "run/1",
        "run-2/1",
    ]
    backend.write([Put(key, Version.new(), (b"",)) for key in keys])
    for prefix in ["", "a_b/", "a_b", "a%", "a%/", "run", "run/", "a", "z", "\U0010ffff"]:
        expected = sorted(key for key in keys if key.startswith(prefix))
        assert scan(backend, prefix) == expected
        assert backend.count(prefix) == len(expected)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_give_each_key_once_and_in_order(backend, limit):
    """Whatever the size of a page."""
    keys = sorted(f"k/{letters}" for letters in map("".join, itertools.product("ab\0🔑", repeat=2)))
    backend.write([Put(key, Version.new(), (b"",)) for key in keys])
    assert scan(backend, "k/", limit) == keys


def test_keys_of_the_core_are_in_no_count(backend):
    """Keys that begin with NUL stand, and are not counted."""
    put(backend, "\0internal")
    put(backend, "a")
    assert backend.count("") == 1
    assert backend.read_data(["\0internal"]) == [b"data"]


def test_thousands_of_keys_are_written_read_and_removed_as_one(backend):
    """More keys than a statement takes parameters."""
    keys = [f"k/{number}" for number in range(5000)]
    backend.write([Put(key, Version.new(), (key.encode(),)) for key in keys])
    assert backend.read_data([*keys, "absent"]) == [*(key.encode() for key in keys), None]
    assert [record.data for record in backend.read(keys)] == [key.encode() for key in keys]
    assert backend.remove([*keys, "absent"]) == 5000
    assert backend.count("") == 0


def test_keys_are_read_in_the_order_asked_and_as_often(backend):
    """A key asked for twice is told twice."""
    put(backend, "a", b"1")
    put(backend, "b", b"2")
    assert backend.read_data(["b", "x", "a", "b"]) == [b"2", None, b"1", b"2"]


def test_nothing_asked_is_nothing_done(backend):
    """No keys, no operations, no requirements."""
    assert (backend.read([]), backend.read_data([]), backend.remove([])) == ([], [], 0)
    backend.write([])


def test_removal_counts_what_stood(backend):
    """Absent and expired keys are not counted, repeated ones once."""
    put(backend, "a")
    put(backend, "b")
    put(backend, "gone", ttl=0.001)
    wait_until(lambda: backend.read(["gone"]) == [None])
    assert backend.remove(["gone"]) == 0
    assert backend.remove(["a", "gone", "x", "a", "b"]) == 2
    assert backend.remove(["a"]) == 0
    assert backend.read(["a", "b", "gone", "x"]) == [None] * 4


def test_deleting_what_is_absent_is_no_error(backend):
    """Neither alone nor among others."""
    backend.write([Delete("x")])
    backend.write([Delete("x"), Put("a", Version.new(), (b"",)), Delete("y")])
    assert scan(backend) == ["a"]


def test_an_expired_record_is_absent_to_every_call(backend):
    """Reading, scanning, counting, removing, and requiring."""
    version = put(backend, "a", ttl=0.05)
    assert backend.read(["a"])[0].version == version
    wait_until(lambda: backend.read(["a"]) == [None])
    assert backend.read_data(["a"]) == [None]
    assert backend.read_data(["a", "b"]) == [None, None]
    assert scan(backend) == []
    assert backend.count("") == 0
    assert backend.remove(["a"]) == 0
    with pytest.raises(ConflictError) as raised:
        put(backend, "a", require={"a": version})
    assert raised.value.actual is None
    with pytest.raises(ConflictError):
        backend.write([Delete("a")], require={"a": version})
    put(backend, "a", b"new", require={"a": None})
    assert backend.read(["a"])[0][1:] == (b"new", None)


def test_a_record_lives_as_long_as_it_was_given(backend):
    """The expiry that is told is the time of writing and the ttl; an hour is not over at once."""
    before = time.time()
    put(backend, "a", ttl=3600)
    assert before + 3599 < backend.read(["a"])[0].expires_at < time.time() + 3601


def test_a_ttl_of_ages_is_taken(backend):
    """Longer than any clock runs."""
    put(backend, "a", ttl=1e300)
    assert backend.read_data(["a"]) == [b"data"]


def test_writing_without_a_ttl_ends_an_earlier_expiry(backend):
    """Plain, conditional and in a batch."""
    for number, also in enumerate(([], [Put("b", Version.new(), (b"",))])):
        version = put(backend, "a", ttl=100)
        require = {"a": version} if number else {}
        backend.write([Put("a", Version.new(), (b"",)), *also], require=require)
        assert backend.read(["a"])[0].expires_at is None


def test_keep_leaves_the_expiry_of_a_live_record(backend):
    """Plain, conditional and in a batch."""
    version = put(backend, "a", ttl=100)
    expires_at = backend.read(["a"])[0].expires_at
    version = put(backend, "a", b"2", KEEP, require={"a": version})
    put(backend, "a", b"3", KEEP)
    backend.write([Put("a", Version.new(), (b"4",), KEEP), Put("b", Version.new(), (b"",), 5)])
    backend.write([Put("a", Version.new(), (b"5",), KEEP), Delete("b")])
    assert backend.read(["a"])[0][1:] == (b"5", expires_at)


def test_keep_of_nothing_is_no_expiry(backend):
    """Where nothing stood, or something that had expired."""
    put(backend, "gone", ttl=0.001)
    wait_until(lambda: backend.read(["gone"]) == [None])
    backend.write(
        [Put("gone", Version.new(), (b"",), KEEP), Put("new", Version.new(), (b"",), KEEP)]
    )
    put(backend, "alone", b"", KEEP)
    put(backend, "required", b"", KEEP, require={"required": None})
    records = backend.read(["gone", "new", "alone", "required"])
    assert [record.expires_at for record in records] == [None] * 4


def test_expired_records_do_not_pile_up(backend):
    """Writing reaps them, some at a time."""
    backend.write([Put(f"gone/{n}", Version.new(), (b"",), 0.001) for n in range(250)])
    wait_until(lambda: backend.count("gone/") == 0)
    backend._reap_at = 0
    for _ in range(5):
        put(backend, "a")
    assert backend.call(lambda session: session.rows("SELECT count(*) FROM qstate")) in (
        [(1,)],
        [[1]],
    )


def test_writing_the_same_over_itself_is_a_write(backend):
    """With the same version, data and expiry, as when an expiry is taken away that is not there."""
    version = put(backend, "a")
    for ttl in (None, KEEP, 100, KEEP, None):
        backend.write([Put("a", version, (b"data",), ttl)], require={"a": version})
        assert backend.read(["a"])[0][:2] == (version, b"data")
        assert (backend.read(["a"])[0].expires_at is None) == (ttl is None or ttl is KEEP)
        backend.write([Put("a", version, (b"data",))])


def test_tables_of_one_database_are_separate_stores(sql_url, connect):
    """What stands in one is absent in the other."""
    one, other = connect(sql_url, table="one"), connect(sql_url, table="other")
    put(one, "a")
    assert other.read(["a"]) == [None]
    assert scan(one) == ["a"]
