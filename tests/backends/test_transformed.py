"""Compressed and encrypted values, on each store."""

import pickle

import pytest

import qstate
from qstate import Keys, Rotation, SerializationError
from tests.servers.process import wait_until

OLD = Keys(current="old", keys={"old": b"o" * 16})
BOTH = Keys(current="new", keys={"old": b"o" * 16, "new": b"n" * 32})
NEW = Keys(current="new", keys={"new": b"n" * 32})
SECRET = "nobody else shall read this"
LONG = {"energies": [index / 8 for index in range(5000)], "note": SECRET}


@pytest.fixture(scope="session", params=["memory", "redis", "cached redis", "sqlite", "postgresql"])
def url(request, tmp_path_factory):
    """Where each kind of store is."""
    servers = {"redis": "redis_server", "postgresql": "postgres_server"}
    kind = request.param.split()[-1]
    if kind in servers:
        cached = "?cache=100" if request.param.startswith("cached") else ""
        return request.getfixturevalue(servers[kind]).url + cached
    return {
        "memory": "memory://transformed",
        "sqlite": f"sqlite:///{tmp_path_factory.mktemp('transformed')}/state.db",
    }[kind]


@pytest.fixture
def plain(url):
    """The store without keys, emptied at the end."""
    with qstate.connect(url) as store, store.scope("transformed") as scope:
        scope.clear()
        yield scope
        scope.clear()


@pytest.fixture
def opened(url, plain):
    """Opens the same store with options."""
    stores = []

    def open_with(**options):
        stores.append(qstate.connect(url, **options))
        stores.append(stores[-1].scope("transformed"))
        return stores[-1]

    yield open_with
    for store in stores:
        store.close()


def stored(store, key):
    """The bytes that stand under a key."""
    return bytes(store._client.read([store._prefix + key])[0].data)


def test_all_calls_work_on_an_encrypted_store(opened, plain):
    """Nothing of the value can be read in the store, and each call reads what another wrote."""
    store = opened(encrypt=OLD, compress="zstd")
    store["k"] = LONG
    data = stored(store, "k")
    assert SECRET.encode() not in data
    assert len(data) < 20_000
    assert store["k"] == store["k"] == store.get_many(["k"])["k"] == store.entry("k").value == LONG
    assert store.increment("n") == 1
    assert store.increment("n") == 2
    assert store.modify("list", lambda known: [*known, SECRET], default=[]) == [SECRET]
    with store.transaction() as tx:
        tx["sum"] = tx["n"] + 1
        assert tx["sum"] == 3
    store.touch("sum", 1000)
    assert store.pop("sum") == 3
    assert store.setdefault("n", 7) == 2
    with store.lock("x") as lease:
        assert lease.held
    with store.watch() as changes:
        store["told"] = SECRET
        change = changes.next(timeout=10)
    assert (change.key, change.entry.value) == ("told", SECRET)
    assert dict(store.items())["told"] == SECRET
    assert pickle.loads(pickle.dumps(store))["told"] == SECRET
    with pytest.raises(SerializationError, match="encrypt="):
        plain["told"]


def test_compressed_values_are_read_by_any_store(opened, plain):
    """With `compress=`, with another, and without."""
    zstd, lz4 = opened(compress="zstd"), opened(compress="lz4")
    zstd["zstd"], lz4["lz4"], plain["plain"] = LONG, LONG, LONG
    for store in (zstd, lz4, plain):
        assert store.get_many(["zstd", "lz4", "plain"]) == {
            "zstd": LONG,
            "lz4": LONG,
            "plain": LONG,
        }
    assert len(stored(plain, "zstd")) < len(stored(plain, "plain")) / 2
    zstd["small"] = plain["small"] = 7
    assert stored(plain, "small")[:6] == b"\xc1q\x01\x01\x00\x00"


def test_one_store_is_rotated_while_it_is_read(opened, plain):
    """From no keys to the newest, with the expiry that stood."""
    plain["a"] = SECRET
    plain.set("expiring", LONG, ttl=1000)
    before = plain.entry("expiring")
    old = opened(encrypt=OLD)
    assert old.rotate(plain=True) == Rotation(rewritten=2)
    both, new = opened(encrypt=BOTH), opened(encrypt=NEW)
    assert both["a"] == SECRET
    assert both.rotate() == Rotation(rewritten=2)
    wait_until(lambda: both["a"] == SECRET)
    assert new["a"] == SECRET
    after = new.entry("expiring")
    assert (after.value, after.version) == (LONG, before.version)
    assert abs((after.expires_at - before.expires_at).total_seconds()) < 1
    assert new.rotate() == Rotation(current=2)
    with pytest.raises(SerializationError, match="'new'"):
        old["a"]


def test_a_value_moved_in_the_store_does_not_open(opened):
    """As one who can write to the store, but has no key, would move it."""
    store = opened(encrypt=NEW)
    store["mine"], store["yours"] = 1, 2
    mine = store._client.read([store._prefix + "mine"])[0]
    put = qstate.backend.Put(store._prefix + "yours", qstate.Version.new(), (mine.data,), None)
    store._client.put([put])
    with pytest.raises(SerializationError, match="'yours' can't be read"):
        store.get("yours", "default")
    assert store["mine"] == 1
