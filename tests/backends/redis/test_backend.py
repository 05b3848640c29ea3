"""RedisBackend: what is written, read, required, removed and scanned, on every version of Redis."""

from __future__ import annotations

from collections import Counter

import pytest

import qstate
from qstate.backend import KEEP, ConflictError, Delete, Put, Record, Version
from qstate_backends.redis import RedisBackend, RememberingRedisBackend
from tests.backends.redis.conftest import Connect
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer

VALUES = {
    "empty": b"",
    "small": b"data",
    "all bytes": bytes(range(256)),
    "like a record": b"\xc1R" + bytes(30),
    "with line ends": b"\r\n$5\r\n" * 10,
    "just below large": bytes(64 * 1024 - 19),
    "just large": bytes(64 * 1024 - 18),
    "large": bytes(range(256)) * 10_000,
}
several_bytes = pytest.mark.parametrize("data", VALUES.values(), ids=VALUES.keys())


def put(key: str, data: bytes = b"data", ttl: float | None = None) -> Put:
    return Put(key, Version.new(), (data,), ttl)


def data_of(backend: RedisBackend, *keys: str) -> list[bytes | None]:
    return [None if data is None else bytes(data) for data in backend.read_data(keys)]


@several_bytes
def test_what_is_written_is_read(backend: RedisBackend, data: bytes) -> None:
    """Bytes of any content and size come back, alone, among others, and with their version."""
    written = put("a", data)
    backend.write([written])

    assert data_of(backend, "a") == [data]
    assert data_of(backend, "absent", "a", "a") == [None, data, data]
    record, absent = backend.read(["a", "absent"])
    assert record is not None
    assert (record.version, bytes(record.data), record.expires_at) == (written.version, data, None)
    assert absent is None


@several_bytes
def test_pieces_are_written_as_one(backend: RedisBackend, data: bytes) -> None:
    """A value given in pieces, some of them views, is stored as their sum, on each way to write."""
    parts = (b"head", memoryview(data), bytearray(b"tail"))
    first, second = Put("a", Version.new(), parts), Put("b", Version.new(), parts)
    whole = b"head" + data + b"tail"

    backend.write([first])
    assert data_of(backend, "a") == [whole]
    backend.write([first, second])
    assert data_of(backend, "a", "b") == [whole, whole]
    backend.write([second], require={"b": second.version})
    assert data_of(backend, "b") == [whole]
    backend.write([first, Delete("b")])
    assert data_of(backend, "a", "b") == [whole, None]


def test_a_stored_value_is_one_plain_string(any_redis: RedisServer, backend: RedisBackend) -> None:
    """Any Redis client reads magic, version and data with one GET."""
    written = put("a")
    backend.write([written])
    with any_redis.client() as client:
        assert client.get("a") == b"\xc1R" + written.version + b"data"


@pytest.mark.parametrize(
    "key", ["a", "ä", "\0lock", "日本/\U0001f680", "a b", "a\n", "{x}", "k" * 1024]
)
def test_keys_are_any_text(backend: RedisBackend, key: str) -> None:
    """A key of any characters names one value, in a scan too."""
    backend.write([put(key)])
    assert data_of(backend, key, key + "x") == [b"data", None]
    assert backend.scan("", None, 10) == ([key], None)


def test_an_expiry_keeps_its_fraction(any_redis: RedisServer, backend: RedisBackend) -> None:
    """Milliseconds of an expiry are stored and told."""
    backend.write([put("a", ttl=10.25)])
    with any_redis.client() as client:
        assert 10_000 < client.pttl("a") <= 10_250
        seconds, microseconds = client.time()
    (record,) = backend.read(["a"])
    assert record is not None
    assert record.expires_at == pytest.approx(seconds + microseconds / 1e6 + 10.25, abs=1.0)


@pytest.mark.parametrize("ttl", [0.0001, 0.02])
def test_an_expired_key_is_absent_to_all(backend: RedisBackend, ttl: float) -> None:
    """After its time a key is not read, not scanned, not counted and not required."""
    written = put("a", ttl=ttl)
    backend.write([written])
    wait_until(lambda: data_of(backend, "a") == [None], what="the expiry")
    assert backend.read(["a"]) == [None]
    assert backend.scan("", None, 10) == ([], None)
    assert backend.remove(["a"]) == 0
    with pytest.raises(ConflictError):
        backend.write([put("a")], require={"a": written.version})
    backend.write([put("a")], require={"a": None})


def test_an_expiry_beyond_all_calendars_is_stored(backend: RedisBackend) -> None:
    """A ttl that Redis has no number for is stored as one of some thousand years."""
    backend.write([put("a", ttl=1e300)])
    (record,) = backend.read(["a"])
    assert record is not None
    assert record.expires_at is not None
    assert record.expires_at > 1e11


@pytest.mark.parametrize("others", [[], [put("b")]], ids=["alone", "among others"])
@pytest.mark.parametrize("required", [False, True], ids=["plain", "required"])
def test_an_expiry_is_kept_set_or_gone(
    backend: RedisBackend, others: list[Put], required: bool
) -> None:
    """KEEP leaves the expiry, seconds set it, None removes it, on each way to write."""

    def expiry_after(ttl: object) -> float | None:
        before = backend.read(["a"])[0]
        require = {"a": before.version if before else None} if required else {}
        operation = Put("a", Version.new(), (b"data",), ttl)  # type: ignore[arg-type]
        backend.write([operation, *others], require=require)
        (record,) = backend.read(["a"])
        assert record is not None
        return record.expires_at

    assert expiry_after(KEEP) is None
    first = expiry_after(100.0)
    assert first is not None
    assert expiry_after(KEEP) == pytest.approx(first, abs=0.05)
    assert expiry_after(200.0) == pytest.approx(first + 100, abs=10)
    assert expiry_after(None) is None


def test_a_requirement_that_holds_lets_all_be_written(backend: RedisBackend) -> None:
    """Puts and deletes are applied together where versions and absences are as required."""
    a, b = put("a"), put("b")
    backend.write([a, b])
    backend.write(
        [put("a", b"new"), Delete("b"), put("c", b"new")],
        require={"a": a.version, "b": b.version, "c": None, "elsewhere": None},
    )
    assert data_of(backend, "a", "b", "c", "elsewhere") == [b"new", None, b"new", None]


def test_a_requirement_that_fails_lets_nothing_be_written(backend: RedisBackend) -> None:
    """The error names key, what was required and what stands; no operation was applied."""
    a = put("a")
    backend.write([a])
    other = Version.new()
    cases = [({"a": other}, "a", other, a.version), ({"a": None}, "a", None, a.version)]
    cases += [({"a": a.version, "b": other}, "b", other, None)]
    for require, key, expected, actual in cases:
        with pytest.raises(ConflictError) as caught:
            backend.write([put("a", b"new"), Delete("a"), put("c")], require=require)
        error = caught.value
        assert (error.key, error.expected, error.actual) == (key, expected, actual)
        assert data_of(backend, "a", "c") == [b"data", None]


def test_requirements_alone_are_checked(backend: RedisBackend) -> None:
    """A write without operations tells whether its requirements hold."""
    a = put("a")
    backend.write([a])
    backend.write([], require={"a": a.version})
    with pytest.raises(ConflictError):
        backend.write([], require={"a": Version.new()})


def test_nothing_to_do_is_done(backend: RedisBackend) -> None:
    """Empty reads and writes are fine."""
    backend.write([])
    assert backend.read([]) == []
    assert list(backend.read_data([])) == []


def test_the_script_is_loaded_again(any_redis: RedisServer, backend: RedisBackend) -> None:
    """A server that has forgotten its scripts is sent ours anew."""
    for _ in range(2):
        with any_redis.client() as client:
            client.script_flush()
        backend.write([put("a")], require={"b": None})
    assert data_of(backend, "a") == [b"data"]


def test_remove_counts_what_stood(backend: RedisBackend) -> None:
    """Absent keys are not counted."""
    backend.write([put("a"), put("b")])
    assert backend.remove(["a", "b", "c"]) == 2
    assert backend.remove(["a"]) == 0


@pytest.mark.parametrize("prefix", ["a*", "a?", "a[bc]", "a\\", "a^-]", "a_", "a%", "", "日"])
def test_a_prefix_means_its_characters(backend: RedisBackend, prefix: str) -> None:
    """Signs that patterns are made of match themselves and nothing else."""
    wanted = {f"{prefix}{end}" for end in ("1", "*", "\\", "/x")}
    backend.write([put(key) for key in sorted(wanted)])
    if prefix:
        backend.write([put("axx"), put("ab"), put("a"), put("b*1"), put("A*1")])
    keys, cursor = backend.scan(prefix, None, 1000)
    assert (set(keys), cursor) == (wanted, None)


def test_a_scan_brings_every_key(backend: RedisBackend) -> None:
    """Page by page all keys come, though others come and go meanwhile."""
    wanted = {f"run/{number}" for number in range(2000)}
    backend.write([put(key) for key in wanted] + [put("other")])
    seen: set[str] = set()
    cursor = None
    pages = 0
    while pages == 0 or cursor is not None:
        keys, cursor = backend.scan("run/", cursor, 100)
        seen |= set(keys)
        backend.write([put(f"run/new {pages}")])
        pages += 1
    assert seen >= wanted
    assert all(key.startswith("run/") for key in seen)
    assert pages > 5


def test_databases_do_not_mix(any_redis: RedisServer, connect: Connect) -> None:
    """A store of one database sees nothing of another's."""
    first, second = (connect(f"redis://{any_redis.address}/{number}") for number in (0, 1))
    first.write([put("a")])
    second.write([put("b")])
    try:
        assert data_of(first, "a", "b") == [b"data", None]
        assert second.scan("", None, 10) == (["b"], None)
    finally:
        any_redis.empty()


def test_records_tell_their_version(backend: RedisBackend) -> None:
    """Each write has its own version, and reading tells it."""
    versions = []
    for _ in range(3):
        backend.write([put("a")])
        (record,) = backend.read(["a"])
        assert isinstance(record, Record)
        versions.append(record.version)
    assert len(set(versions)) == 3
    assert versions == sorted(versions)


def test_a_remembered_write_is_applied_once(backend: RememberingRedisBackend) -> None:
    """Sent again with its id, a write does nothing and succeeds, whatever stands there by now."""
    operation = Version.new()
    backend.write_once(operation, [put("a", b"1")], require={"a": None})
    backend.write([put("a", b"by someone else")])
    backend.write_once(operation, [put("a", b"1")], require={"a": None})
    assert data_of(backend, "a") == [b"by someone else"]
    with pytest.raises(ConflictError):
        backend.write_once(Version.new(), [put("a", b"1")], require={"a": None})


def test_a_refused_write_is_not_remembered(backend: RememberingRedisBackend) -> None:
    """What was not applied is tried again in earnest."""
    operation = Version.new()
    backend.write([put("a")])
    with pytest.raises(ConflictError):
        backend.write_once(operation, [put("a", b"1")], require={"a": None})
    backend.remove(["a"])
    backend.write_once(operation, [put("a", b"1")], require={"a": None})
    assert data_of(backend, "a") == [b"1"]


def test_a_remembered_removal_answers_as_it_did(backend: RememberingRedisBackend) -> None:
    """Sent again with its id, a removal removes nothing and gives the first count."""
    operation = Version.new()
    backend.write([put("a"), put("b")])
    assert backend.remove_once(operation, ["a", "b", "c"]) == 2
    backend.write([put("a")])
    assert backend.remove_once(operation, ["a", "b", "c"]) == 2
    assert data_of(backend, "a") == [b"data"]


def test_what_is_remembered_is_not_listed_and_expires(
    any_redis: RedisServer, backend: RememberingRedisBackend
) -> None:
    """The memory of operations is in no scan, and gone after some minutes."""
    backend.write_once(Version.new(), [put("a")])
    assert backend.scan("", None, 100) == (["a"], None)
    with any_redis.client() as client:
        others = [key for key in client.scan_iter() if key != b"a"]
        assert len(others) == 1
        assert 60_000 < client.pttl(others[0]) < 600_000


def test_keys_come_once_though_the_servers_table_shrinks(
    any_redis: RedisServer, backend: RedisBackend
) -> None:
    """The server may give some again when most keys go in the middle of a scan."""
    stay = [f"stay/{number}" for number in range(3000)]
    going = [f"go/{number}" for number in range(250_000)]
    with any_redis.client() as client, qstate.connect(any_redis.url) as store:
        for _ in range(3):
            client.mset(dict.fromkeys(stay + going, "1"))
            found: Counter[str] = Counter()
            for number, key in enumerate(store.scan()):
                found[key] += 1
                if number == 100_000:
                    client.delete(*going)
            assert found.keys() >= set(stay)
            assert found.most_common(1)[0][1] == 1
