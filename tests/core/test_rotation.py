"""Rotation: what stands under an older key comes to stand under the current one."""

import asyncio

import pytest

import qstate
from qstate import KEEP, Keys, Rotation, SerializationError, UnsupportedOperationError
from qstate.backend import Put
from qstate.serializers import frame

OLD = Keys(current="old", keys={"old": b"o" * 32})
BOTH = Keys(current="new", keys={"old": b"o" * 32, "new": b"n" * 32})
NEW = Keys(current="new", keys={"new": b"n" * 32})
ADDRESS = "memory://rotation"


@pytest.fixture
def plain():
    """The store without encryption, emptied at the end."""
    with qstate.connect(ADDRESS) as store:
        yield store
        store.clear(everything=True)


@pytest.fixture
def old(plain):
    """The same store, before the rotation."""
    with qstate.connect(ADDRESS, encrypt=OLD) as store:
        yield store


@pytest.fixture
def both(plain):
    """The same store, with the older key to read by."""
    with qstate.connect(ADDRESS, encrypt=BOTH) as store:
        yield store


@pytest.fixture
def new(plain):
    """The same store, without the older key."""
    with qstate.connect(ADDRESS, encrypt=NEW) as store:
        yield store


def test_after_a_rotation_the_older_key_can_go(old, both, new):
    """All is read under the current key; the counts say what was done, and what had been."""
    old.set_many({f"k{number}": number for number in range(5)})
    both["newer"] = 6
    with pytest.raises(SerializationError):
        new["k0"]
    assert both.rotate() == Rotation(rewritten=5, current=1)
    assert new["k0"] == 0
    assert len(new.get_many(new)) == 6
    assert both.rotate() == new.rotate() == Rotation(current=6)


def test_version_expiry_and_writer_stay(old, both, new):
    """The value is the same one, so whoever holds its version goes on."""
    with qstate.entries.writing_as(qstate.Writer(job="j")):
        version = old.set("a", [1], ttl=1000)
    before = old.entry("a")
    both.rotate()
    assert new.entry("a") == before
    assert before.writer.job == "j"
    new.set("a", 2, if_version=version, ttl=KEEP)
    assert new.entry("a").expires_at == before.expires_at


def test_a_rotation_concerns_its_scope(old, both, new):
    """Values elsewhere stay as they are."""
    old.set_many({"run/a": 1, "run-2/a": 2})
    assert (both / "run").rotate() == Rotation(rewritten=1)
    assert (new / "run")["a"] == 1
    with pytest.raises(SerializationError):
        new["run-2/a"]


def test_what_is_plain_is_taken_in_on_request_only(plain, both, new):
    """It may be anyone's; a value that something other than qstate wrote stays either way."""
    plain["a"] = "plain"
    backend = plain._client.backend
    assert both.rotate() == Rotation(plain=1)
    with pytest.raises(SerializationError, match=r"rotate\(plain=True\)"):
        both["a"]
    foreign = qstate.Version.derived(b'{"foreign": 1}')
    backend.write([Put("json", foreign, (b'{"foreign": 1}',), None)])
    assert both.rotate(plain=True) == Rotation(rewritten=1, plain=1)
    assert new["a"] == "plain"
    assert plain["json"] == {"foreign": 1}


def test_what_can_t_be_opened_is_named_and_left(old, both):
    """The rest is rotated."""
    old.set_many({"a": 1, "b": 2, "c": 3})
    record = old._client.read(["b"])[0]
    spoiled = bytearray(record.data)
    spoiled[-1] ^= 1
    head = bytes(spoiled[:6])
    checksum = frame._checksum(head + bytes(spoiled[14:])).to_bytes(8)
    spoiled = head + checksum + bytes(spoiled[14:])
    old._client.put([Put("b", record.version, (spoiled,), None)])
    assert both.rotate() == Rotation(rewritten=2, unreadable=("b",))
    assert bytes(old._client.read(["b"])[0].data) == spoiled


def test_a_write_that_comes_between_is_not_undone(old, both, monkeypatch):
    """The value is read again, and found to be current."""
    old["a"] = "first"
    client = both._client
    true, between = client.write, [lambda: both.set("a", "second")]

    def write(operations, require):
        if between:
            between.pop()()
        true(operations, require)

    monkeypatch.setattr(client, "write", write)
    assert both.rotate() == Rotation(current=1)
    assert both["a"] == "second"


def test_a_rotation_that_was_stopped_goes_on_where_it_was(old, both, new, monkeypatch):
    """Each value is either done or not; begun again, it does the rest."""
    old.set_many({f"k{number}": number for number in range(6)})
    client = both._client
    true, left = client.write, [1, 2]

    def write(operations, require):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        true(operations, require)

    monkeypatch.setattr(client, "write", write)
    with pytest.raises(KeyboardInterrupt):
        both.rotate()
    monkeypatch.undo()
    assert both.rotate() == Rotation(rewritten=4, current=2)
    assert sorted(new.values()) == list(range(6))


def test_compressed_values_stay_compressed(both, new):
    """And values are not looked into."""
    with qstate.connect(ADDRESS, encrypt=OLD, compress="zstd") as store:
        store["a"] = "text" * 1000
    assert both.rotate() == Rotation(rewritten=1)
    assert len(new._client.read(["a"])[0].data) < 300
    assert new["a"] == "text" * 1000


def test_a_store_without_keys_says_so(plain):
    """There is nothing to rotate to."""
    with pytest.raises(UnsupportedOperationError, match="opened with encrypt="):
        plain.rotate()


def test_async_code_rotates_too(old, both, new):
    """`store.aio.rotate`, awaited."""
    old["a"] = 1
    assert asyncio.run(both.aio.rotate()) == Rotation(rewritten=1)
    assert new["a"] == 1


def test_locks_exclude_stores_with_other_options(plain, old, both):
    """And outlast a rotation: their records are of one format for all."""
    with old.lock("x") as first:
        with pytest.raises(qstate.StateTimeoutError):
            plain.lock("x", wait=0).__enter__()
    both.rotate()
    with both.lock("x", wait=0) as second:
        assert second.token > first.token
