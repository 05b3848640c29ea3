"""What is LMDB's own: names that are too short for keys, one writer, one opening a process."""

import fcntl
import os

import lmdb
import pytest

import qstate
from qstate.testing.workers import Worker


@pytest.fixture
def url(tmp_path):
    return f"lmdb://{tmp_path}/state"


def write(url, items):
    with qstate.connect(url) as store:
        for key, value in items.items():
            store[key] = value


def names_in(url):
    """The names that stand in a folder, for a process that has it not open."""
    with lmdb.open(url.removeprefix("lmdb://"), readonly=True) as folder, folder.begin() as entries:
        return [name for name, _ in entries.cursor()]


def test_keys_longer_than_the_names_of_lmdb_are_kept_apart(url):
    """They differ at the end alone, and a prefix of any length finds those that begin with it."""
    long = "run/" + "é" * 300
    keys = [long + end for end in ("", "a", "b", "ba")]
    with qstate.connect(url) as store:
        store.set_many({key: number for number, key in enumerate(keys)} | {"run/": 9, "runs": 9})
        assert [store[key] for key in keys] == [0, 1, 2, 3]
        assert sorted(store.scan(long + "b")) == keys[2:]
        assert sorted(store.scan("run/é", page_size=1)) == keys
        assert sorted(store.scan("run/")) == ["run/", *keys]


def test_what_was_acknowledged_survives_the_killing_of_its_writer(url):
    """Nothing is lost, and nothing that it held keeps others from writing."""
    worker = Worker()
    worker.run(write, url, {"energy": -1.137})
    worker.kill()
    with qstate.connect(url) as store:
        assert store["energy"] == -1.137
        store["energy"] = 0


def test_a_writer_that_does_not_end_its_turn_keeps_others_only_so_long(url):
    """They are told within their timeout that nothing was written, and go on reading."""
    with qstate.connect(url, timeout=0.2) as store:
        store["k"] = 1
        with open(url.removeprefix("lmdb://") + "/turn", "ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            with pytest.raises(qstate.StoreUnavailableError) as refused:
                store["k"] = 2
            assert refused.value.outcome == "not applied"
            assert store["k"] == 1
        store["k"] = 2


def test_a_folder_grows_for_all_who_have_it_open(url):
    """Whoever writes more than it had room for, the others read it and write on."""
    with qstate.connect(url) as store, Worker() as worker:
        store["k"] = 1
        for number in range(4):
            worker.run(write, url, {f"theirs/{number}": bytes(30_000_000)})
            store[f"ours/{number}"] = bytes(30_000_000)
        assert store["theirs/3"] == bytes(30_000_000)
        store.clear(everything=True)
        assert len(store) == 0


def test_expired_records_leave_the_disk(url):
    """Though nobody reads them: each write removes a few."""
    with qstate.connect(url) as store:
        for number in range(50):
            store.set(f"k{number}", number, ttl=0.001)
        for _ in range(10):
            store["last"] = 1
    with Worker() as worker:
        assert worker.run(names_in, url) == [b"last"]


def test_stores_of_different_options_share_the_folder(url):
    """LMDB lets a process open a folder once; closing one store leaves the other working."""
    with qstate.connect(url) as store, qstate.connect(url, timeout=1) as other:
        store["k"] = 1
        assert other["k"] == 1
        store.close()
        other["k"] = 2
        with qstate.connect(url) as again:
            assert again["k"] == 2


def test_a_forked_child_opens_the_folder_anew(url):
    """It reads and writes, and its parent goes on."""
    with qstate.connect(url) as store:
        store["k"] = 1
        child = os.fork()
        if child == 0:
            try:
                store["child"] = store["k"] + 1
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert store["child"] == 2
        store["k"] = 3


@pytest.mark.parametrize("given", ["lmdb://", "lmdb:///", "lmdb://host/folder", "lmdb:///a?x=1"])
def test_a_url_that_names_no_folder_is_refused(given):
    """Or one with an option that means nothing, when the store is made."""
    with pytest.raises(qstate.InvalidURLError):
        qstate.connect(given).ping()


def test_a_folder_that_is_none_is_told_with_its_path(tmp_path):
    """What LMDB or the system say is an error of qstate, and never an absence."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "data.mdb").write_bytes(b"no database" * 1000)
    for name in ("file", "foreign"):
        with pytest.raises(qstate.StoreUnavailableError, match=name):
            qstate.connect(f"lmdb://{tmp_path}/{name}").get("k")
