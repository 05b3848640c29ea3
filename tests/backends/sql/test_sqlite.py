"""SQLite files: where they are, who may open them, and what they outlive."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

import qstate
from qstate.backend import InvalidURLError, StoreUnavailableError
from tests.backends.sql.test_records import put

UNPRIVILEGED = 65534


@pytest.fixture
def path(tmp_path):
    """Where a file may be."""
    return tmp_path / "state.db"


def as_nobody(work, *arguments):
    """Run in a child without the rights of root, to whom nothing is read-only."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(UNPRIVILEGED)
            work(*arguments)
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - it ends here, whatever it was
            print(repr(error), file=sys.stderr, flush=True)  # noqa: T201
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def expect_unavailable(url, *words):
    """Writing fails with these words."""
    with qstate.connect(url) as store, pytest.raises(StoreUnavailableError) as raised:
        store["a"] = 1
    assert raised.value.outcome == "not applied"
    for word in words:
        assert word in str(raised.value)


def test_a_relative_path_means_the_same_file_wherever_it_travels(tmp_path, monkeypatch):
    """It is made absolute where the store is opened, not where a copy is used."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    with qstate.connect("sqlite:///state.db") as store:
        store["a"] = 1
        copy = pickle.dumps(store)
    monkeypatch.chdir(there)
    with pickle.loads(copy) as store:
        assert store["a"] == 1
    assert (here / "state.db").exists()
    assert list(there.iterdir()) == []


def test_folders_on_the_way_are_made(tmp_path, connect):
    """However many."""
    path = tmp_path / "some" / "new folder?" / "state.db"
    url = f"sqlite:///{tmp_path}/some/new%20folder%3F/state.db"
    put(connect(url), "a")
    assert path.exists()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/a"]
)
def test_a_url_without_a_file_is_refused(url):
    """A store in memory has its own scheme, which is told."""
    with pytest.raises(InvalidURLError, match="memory://"):
        qstate.connect(url)


def test_opening_makes_no_file(path):
    """The first call does."""
    with qstate.connect(f"sqlite:///{path}") as store:
        assert not path.exists()
        assert store.get("a") is None
        assert path.exists()


def test_a_file_that_is_no_database_is_told_and_left_alone(path):
    """With its path."""
    path.write_text("no database, but something of the user's " * 100)
    before = path.read_bytes()
    expect_unavailable(f"sqlite:///{path}", str(path), "not a database")
    assert path.read_bytes() == before


def test_a_folder_is_no_file(tmp_path):
    """With its path."""
    expect_unavailable(f"sqlite:///{tmp_path}", str(tmp_path), "unable to open")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_read_only_file_is_told(path):
    """Writing is refused, with the reason."""
    with qstate.connect(f"sqlite:///{path}") as store:
        store["a"] = 1
    path.chmod(0o444)
    make_reachable(path.parent)
    as_nobody(expect_unavailable, f"sqlite:///{path}", str(path), "readonly")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_read_only_folder_is_told(tmp_path):
    """Whether the file or a folder can't be made."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)
    make_reachable(folder)
    as_nobody(expect_unavailable, f"sqlite:///{folder}/state.db", "unable to open")
    as_nobody(expect_unavailable, f"sqlite:///{folder}/more/state.db", "Permission denied")


def make_reachable(folder):
    """Let everyone walk to a folder of the tests."""
    for each in (folder, *list(folder.parents)[:4]):
        if "pytest" in str(each):
            each.chmod(each.stat().st_mode | 0o055)


def test_a_file_held_by_another_is_waited_for(path, connect):
    """Until the timeout, and no longer; then nothing was applied."""
    backend = connect(f"sqlite:///{path}?timeout=2")
    put(backend, "a")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="locked") as raised:
        put(backend, "a")
    assert raised.value.outcome == "not applied"
    assert 1.8 < time.monotonic() - started < 3.5  # not the timeout twice
    assert backend.read_data(["a"]) == [b"data"]
    patient = connect(f"sqlite:///{path}?timeout=30")
    release = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    release.start()
    put(patient, "a", b"after")
    release.join()
    other.close()


def test_a_full_disk_is_told_and_what_stood_is_left(path, connect):
    """Nothing was applied, and the store goes on where there is room again."""
    backend = connect(f"sqlite:///{path}")
    put(backend, "a", b"before")
    session = backend.sessions.current()
    session.run("PRAGMA max_page_count = 8")
    with pytest.raises(StoreUnavailableError, match="full") as raised:
        put(backend, "a", bytes(100_000))
    assert raised.value.outcome == "not applied"
    assert backend.read_data(["a"]) == [b"before"]
    session.run("PRAGMA max_page_count = 10000")
    put(backend, "a", bytes(100_000))
    assert backend.read_data(["a"]) == [bytes(100_000)]


def test_a_write_whose_end_is_not_known_is_not_sent_again(path, connect, monkeypatch):
    """Where the disk fails, what the file holds is not known; the store opens it anew."""
    backend = connect(f"sqlite:///{path}")
    put(backend, "a", b"before")
    session = backend.sessions.current()
    sent = []

    def fail(sql, parameters=()):
        sent.append(sql)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    monkeypatch.setattr(session, "run", fail)
    with pytest.raises(StoreUnavailableError) as raised:
        put(backend, "a", b"after")
    assert (raised.value.outcome, len(sent)) == ("unknown", 1)
    assert backend.read_data(["a"]) == [b"before"]
    put(backend, "a", b"after")
    assert backend.read_data(["a"]) == [b"after"]


def test_a_table_that_is_gone_is_made_anew(path, connect):
    """By whoever writes next."""
    backend = connect(f"sqlite:///{path}")
    put(backend, "a")
    backend.sessions.current().run("DROP TABLE qstate")
    put(backend, "b")
    assert backend.read_data(["a", "b"]) == [None, b"data"]


def test_values_larger_than_sqlite_takes_are_refused_before_they_are_sent(path):
    """With the limit."""
    with qstate.connect(f"sqlite:///{path}") as store:
        assert store.info().max_value_bytes < 1_000_000_000


def test_what_was_acknowledged_survives_the_killing_of_the_writer(path):
    """Every key that a killed process had reported is there."""
    program = (
        "import itertools, qstate, sys\n"
        "with qstate.connect(sys.argv[1]) as store:\n"
        "    for n in itertools.count():\n"
        "        store[str(n)] = n\n"
        "        print(n, flush=True)\n"
    )
    url = f"sqlite:///{path}"
    for _ in range(3):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE)
        for _ in range(500):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate()[0].split()
        last = int(rest[-2]) if len(rest) > 1 else 499
        with qstate.connect(url) as store:
            assert all(store[str(n)] == n for n in range(last + 1))


@pytest.mark.parametrize("setting", ["normal", "full"])
def test_how_durable_a_file_is_can_be_chosen(path, connect, setting):
    """By the option ``synchronous``."""
    backend = connect(f"sqlite:///{path}", synchronous=setting)
    level = backend.call(lambda session: session.rows("PRAGMA synchronous"))
    assert level == [({"normal": 1, "full": 2}[setting],)]
    assert backend.call(lambda session: session.rows("PRAGMA journal_mode")) == [("wal",)]


def test_readers_do_not_wait_for_a_writer(path, connect):
    """They see what was committed before."""
    backend = connect(f"sqlite:///{path}?timeout=0.1")
    put(backend, "a", b"before")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM qstate")
    assert backend.read_data(["a"]) == [b"before"]
    assert backend.read(["a", "b"])[0].data == b"before"
    assert backend.scan("", None, 10)[0] == ["a"]
    other.close()
