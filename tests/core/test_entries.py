"""What stands under a key besides the value: versions, times and who wrote it."""

from datetime import UTC, datetime, timedelta

import pytest

from qstate import KEEP, Entry, SerializationError, Version, Writer
from qstate.entries import encode_writer, read_writer, writing_as


def test_an_entry_has_value_version_and_time(store):
    """The entry tells what was written, when, and with which version."""
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    version = store.set("energy", -1.137)
    entry = store.entry("energy")
    assert (entry.value, entry.version) == (-1.137, version)
    assert before <= entry.modified <= datetime.now(UTC) + timedelta(milliseconds=1)
    assert (entry.expires_at, entry.writer) == (None, None)


def test_there_is_no_entry_where_nothing_stands(store):
    """An absent key has None for an entry."""
    assert store.entry("energy") is None


def test_an_entry_can_hold_none(store):
    """A value that is None is not an absence."""
    store["energy"] = None
    assert store.entry("energy").value is None


def test_an_entry_tells_when_it_expires(store):
    """The expiry is a moment in UTC."""
    store.set("energy", 1, ttl=60)
    left = store.entry("energy").expires_at - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    store.set("energy", 2, ttl=KEEP)
    assert store.entry("energy").expires_at is not None


def test_a_foreign_value_has_neither_time_nor_writer(open_trial):
    """What something else wrote has a version of its bytes, and no more is known of it."""
    store, backend = open_trial()
    foreign = Version.derived(b"[1, 2]")
    store.set("energy", 1)
    backend.records["energy"] = backend.records["energy"]._replace(version=foreign, data=b"[1, 2]")
    assert store.entry("energy") == Entry([1, 2], foreign, None, None, None)


def test_writes_are_signed_with_the_writer_of_their_context(store):
    """Every write inside has the writer; one outside has none."""
    writer = Writer(job="fqs_7", task="t1", attempt=0, node="n1", function="estimate")
    with writing_as(writer):
        store["a"] = 1
        store.set_many({"b": 2})
        store.increment("c")
    store["d"] = 4
    assert [store.entry(key).writer for key in "abcd"] == [writer, writer, writer, None]


def test_a_writer_is_known_in_part(store):
    """What was not known is None."""
    with writing_as(Writer(task="t1")):
        store["a"] = 1
    assert store.entry("a").writer == Writer(task="t1")


def test_writers_nest(store):
    """The innermost writer signs."""
    with writing_as(Writer(task="outer")):
        with writing_as(Writer(task="inner")):
            store["a"] = 1
        store["b"] = 1
    assert [store.entry(key).writer.task for key in "ab"] == ["inner", "outer"]


def test_of_a_writer_too_long_to_sign_the_ids_stay():
    """The field has 255 bytes: of a long name the end is kept, ids as they are."""
    ids = {"job": "fqs_" + "j" * 36, "task": "t" * 48, "attempt": 3, "node": "n" * 56}
    function = "package.module." + "é" * 200 + ".<locals>.Counter.add"
    field = encode_writer(Writer(**ids, function=function))
    signed = read_writer(field)
    assert len(field) <= 255
    assert signed == Writer(**ids, function=signed.function)
    assert signed.function.startswith("…")
    assert signed.function.endswith("é.<locals>.Counter.add")


def test_of_a_writer_with_ids_too_long_some_stay():
    """No write fails for what signs it."""
    field = encode_writer(Writer(job="j" * 200, task="t" * 200, attempt=3, function="f" * 300))
    assert len(field) <= 255
    assert read_writer(field) == Writer(job="j" * 200)


@pytest.mark.parametrize("field", [b"\xc1", b"\x01", b"\x91\x01", b"\x81"])
def test_a_writer_that_can_not_be_read_is_an_error(field):
    """Altered bytes are told, not taken for an unknown writer."""
    with pytest.raises(SerializationError, match="writer field"):
        read_writer(field)


def test_info_tells_what_a_store_is(open_trial):
    """Address, scope, reach, limits, serializer and plug-in, without asking the store."""
    store, backend = open_trial(max="100")
    info = (store / "run").info()
    assert (info.scope, info.reach, info.durable) == ("run/", "cluster", False)
    assert (info.max_value_bytes, info.serializer, info.plugin) == (
        100,
        "msgpack",
        "plain-store 1.0",
    )
    assert info.url.startswith("trial://")
    assert not backend.calls
