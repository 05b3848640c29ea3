"""copy, export and import."""

import itertools
import json
import uuid

import pytest

import qstate
from tests.cli.conftest import ended, run, started


@pytest.fixture
def prefix(redis_server, postgres_server):
    """Begins the keys of a test in servers that others use too."""
    name = f"cli-{uuid.uuid4().hex}"
    yield f"{name}/"
    for server in (redis_server, postgres_server):
        with qstate.connect(server.url) as store:
            store.scope(name).clear()


def test_a_store_goes_round_through_servers(
    default_store, prefix, tmp_path, redis_server, postgres_server
):
    """SQLite → Redis → PostgreSQL → SQLite, the last of which is then found to be the same."""
    default_store.set_many({f"{prefix}{number}": number for number in range(100)})
    version = default_store.set(f"{prefix}expiring", 1, ttl=3600)
    origin = f"sqlite:///{tmp_path}/state.db"
    urls = [origin, redis_server.url, postgres_server.url, f"sqlite:///{tmp_path}/copy.db"]
    for source, destination in itertools.pairwise(urls):
        ran = run("copy", source, destination, "--prefix", prefix)
        assert ran == (0, "101 copied, 0 same, 0 conflicts, 0 refused\n", "")
    again = run("copy", urls[0], urls[-1], "--prefix", prefix, "--json")
    assert json.loads(again.out) == {"copied": 0, "same": 101, "conflicts": 0, "refused": 0}
    assert run("copy", urls[0], urls[-1], "--compare").code == 0
    told = json.loads(run("blame", f"{prefix}expiring", "--json", "-s", urls[-1]).out)
    assert told["version"] == str(version)
    assert told["expires_at"] is not None


def test_what_differs_is_listed_and_nothing_written(default_store, tmp_path):
    """Missing, in conflict, and only there: each with its key, and exit code 1."""
    here, there = f"sqlite:///{tmp_path}/state.db", f"sqlite:///{tmp_path}/other.db"
    default_store.set_many({"missing": 1, "differs": 1})
    with qstate.connect(there) as other:
        other.set_many({"differs": 2, "surplus": 3})
        for option in ("--compare", "--dry-run"):
            ran = run("copy", here, there, option)
            assert ran.code == 1
            assert [line.split()[:2] for line in ran.out.splitlines()[:-1]] == [
                ["conflict", "differs"],
                ["missing", "missing"],
                ["surplus", "surplus"],
            ]
        *listed, counted = map(
            json.loads, run("copy", here, there, "--compare", "--json").out.splitlines()
        )
        assert [line["difference"] for line in listed] == ["conflict", "missing", "surplus"]
        assert counted == {"missing": 1, "same": 0, "conflicts": 1, "refused": 0, "surplus": 1}
        assert dict(other) == {"differs": 2, "surplus": 3}


def test_a_conflict_stays_until_overwriting_is_asked_for(default_store, tmp_path):
    """It is told on stderr, with what to do; the rest is copied."""
    here, there = f"sqlite:///{tmp_path}/state.db", f"sqlite:///{tmp_path}/other.db"
    default_store.set_many({"a": 1, "b": 2})
    with qstate.connect(there) as other:
        other["a"] = "another"
        ran = run("copy", here, there)
        assert (ran.code, ran.out) == (1, "1 copied, 0 same, 1 conflicts, 0 refused\n")
        assert ran.err.startswith("conflict  a  version ")
        assert "--overwrite" in ran.err
        assert other["a"] == "another"
        assert run("copy", here, there, "--overwrite").code == 0
        assert other["a"] == 1


def test_a_copy_into_itself_is_refused(tmp_path):
    """It is told in a line."""
    here = f"sqlite:///{tmp_path}/state.db"
    ran = run("copy", here, here)
    assert ran.code == 1
    assert "share keys" in ran.err


def test_an_export_goes_through_a_file_and_through_pipes(default_store, tmp_path):
    """`export F` and `import F`; `export - | import -`; each again finds all there."""
    default_store.set_many({"a": 1, "ü\n": b"\x00"})
    file, there = tmp_path / "state.jsonl", f"sqlite:///{tmp_path}/other.db"
    assert run("export", file) == (0, "2 copied, 0 same, 0 conflicts, 0 refused\n", "")
    assert sorted(path.name for path in tmp_path.glob("state.jsonl*")) == ["state.jsonl"]
    piped = run("export", "-")
    assert piped.err == ""
    assert piped.out.splitlines()[1:] == file.read_text("utf-8").splitlines()[1:]
    imported = run("import", "-", "--store", there, stdin=piped.out.encode())
    assert imported == (0, "2 copied, 0 same, 0 conflicts, 0 refused\n", "")
    assert run("import", file, "--store", there).out.startswith("0 copied, 2 same")
    with qstate.connect(there) as other:
        assert dict(other) == dict(default_store)
        other["a"] = 2
    assert run("import", file, "--store", there).code == 1
    assert run("import", file, "--store", there, "--overwrite").code == 0


def test_an_export_that_fails_leaves_the_one_before(default_store, tmp_path):
    """A file takes its name when it is whole."""
    default_store["a"] = 1
    file = tmp_path / "state.jsonl"
    run("export", file)
    before = file.read_text()
    assert run("export", file, "--store", "redis://127.0.0.1:1/0").code == 1
    assert file.read_text() == before
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"format":"qstate export","version":1}\n'])
def test_what_is_no_export_or_is_cut_short_is_told(tmp_path, content):
    """In a line, with exit code 1."""
    file = tmp_path / "state.jsonl"
    file.write_bytes(content)
    ran = run("import", file)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("qstate: ")
    assert run("import", tmp_path / "nothing").err.startswith("qstate: FileNotFoundError")


def test_a_copy_that_was_interrupted_is_resumed(default_store, tmp_path, redis_server, prefix):
    """Ctrl-C ends it with 130; again copies the rest, and then the two are the same."""
    default_store.set_many({f"{prefix}{number:05}": b"x" * 20_000 for number in range(3000)})
    here, name = f"sqlite:///{tmp_path}/state.db", prefix.rstrip("/")
    process = started("copy", here, redis_server.url)
    with qstate.connect(redis_server.url) as there:
        with there.watch(prefix) as changes:
            assert changes.next(60) is not None
        process.send_signal(2)
        assert ended(process) == (130, "", "")
        copied = len(there / name)
        assert 0 < copied < 3000
        ran = run("copy", here, redis_server.url)
        assert ran.out == f"{3000 - copied} copied, {copied} same, 0 conflicts, 0 refused\n"
    assert run("copy", here, redis_server.url, "--prefix", prefix, "--compare").code == 0
