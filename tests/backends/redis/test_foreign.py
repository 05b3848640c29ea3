"""What other programs keep in the same Redis."""

from __future__ import annotations

import pytest
import redis

from qstate.backend import ConflictError, Put, SerializationError, Version
from qstate_backends.redis import RedisBackend
from tests.servers.redis import RedisServer

JSON = b'{"energy": -1.137}'
KINDS = {
    "hash": lambda client: client.hset("theirs", "field", "value"),
    "list": lambda client: client.rpush("theirs", "item"),
    "set": lambda client: client.sadd("theirs", "member"),
    "zset": lambda client: client.zadd("theirs", {"member": 1}),
    "stream": lambda client: client.xadd("theirs", {"field": "value"}),
}
NEW = Put("theirs", Version.new(), (b"new",))


@pytest.fixture
def theirs(any_redis: RedisServer) -> redis.Redis:
    """Another program's client."""
    with any_redis.client() as client:
        yield client


@pytest.mark.parametrize("data", [JSON, b"", b"\xc1R", b"\xc1R" + bytes(15), b"\xff" * 100_000])
def test_a_plain_string_is_its_own_data(
    backend: RedisBackend, theirs: redis.Redis, data: bytes
) -> None:
    """A string that qstate did not write is read as it is, under a version made of its bytes."""
    theirs.set("theirs", data)
    assert [bytes(found) for found in backend.read_data(["theirs"])] == [data]  # type: ignore[arg-type]
    (record,) = backend.read(["theirs"])
    assert record is not None
    assert (record.version, bytes(record.data)) == (Version.derived(data), data)


@pytest.mark.parametrize("data", [JSON, b"", b"\xc1R" + bytes(15), b"\xff" * 100_000])
def test_a_plain_string_can_be_required(
    backend: RedisBackend, theirs: redis.Redis, data: bytes
) -> None:
    """The version made of its bytes holds until it is overwritten."""
    theirs.set("theirs", data)
    for wrong in (Version.new(), None, Version.derived(data + b"x")):
        with pytest.raises(ConflictError) as caught:
            backend.write([NEW], require={"theirs": wrong})
        assert caught.value.actual == Version.derived(data)
    backend.write([NEW], require={"theirs": Version.derived(data)})
    assert theirs.get("theirs") == b"\xc1R" + NEW.version + b"new"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_string_is_refused(
    backend: RedisBackend, theirs: redis.Redis, kind: str
) -> None:
    """Every way to read it, or to write where it stands, says what it is; it stays as it was."""
    KINDS[kind](theirs)
    before = theirs.dump("theirs")
    for call in (
        lambda: backend.read_data(["theirs"]),
        lambda: backend.read_data(["absent", "theirs"]),
        lambda: backend.read(["absent", "theirs"]),
        lambda: backend.write([NEW], require={"theirs": None}),
        lambda: backend.write([NEW], require={"theirs": Version.new()}),
    ):
        with pytest.raises(SerializationError, match=f"'theirs' holds a Redis {kind}") as caught:
            call()
        assert caught.value.key == "theirs"
    assert theirs.dump("theirs") == before


def test_a_scan_leaves_out_what_can_not_be_read(backend: RedisBackend, theirs: redis.Redis) -> None:
    """Keys that hold no string, or are no text, are not ours to list."""
    for kind in KINDS.values():
        kind(theirs)
        assert backend.scan("", None, 100) == ([], None)
        theirs.delete("theirs")
    theirs.set(b"\xff\xfe", "value")
    theirs.set("text", "value")
    assert backend.scan("", None, 100) == (["text"], None)
