"""Copying: whole stores as they stand, between stores of any kind, and to files and back."""

import io
import itertools
import json
import time
import uuid

import pytest

import qstate
from qstate import copying
from qstate.backend import Capabilities, Put, Version


@pytest.fixture
def ends(request, tmp_path, redis_server, postgres_server):
    """A scope of its own in SQLite, Redis and PostgreSQL, and another one in SQLite."""
    name = f"copy-{uuid.uuid4().hex}"
    urls = [f"sqlite:///{tmp_path}/a.db", redis_server.url, postgres_server.url]
    stores = [qstate.connect(url) for url in (*urls, f"sqlite:///{tmp_path}/b.db")]
    yield [store.scope(name) for store in stores]
    for store in stores:
        store.scope(name).clear()
        store.close()


@pytest.fixture
def pair():
    """Two memory stores, empty."""
    with qstate.connect("memory://") as source, qstate.connect("memory://") as destination:
        yield source, destination


def records(store):
    """All that stands in a store, by key: versions and bytes."""
    found = {}
    for batch in copying.batches(store):
        found.update({key: (record.version, bytes(record.data)) for key, record in batch})
    return found


def test_a_copy_goes_round_through_every_kind_of_store(ends):
    """SQLite → Redis → PostgreSQL → SQLite: values, versions, writers and expiries are kept."""
    first = ends[0]
    first.set_many({f"k/{number}": {"n": number, "c": 1j * number} for number in range(300)})
    unreadable = Put(f"{first._prefix}unreadable", Version.new(), (b"\xc1\xff of another format",))
    first._client.put([unreadable])
    first.set("ümlaut\n", b"\x00")
    first.set("expiring", "soon", ttl=3600)
    expires_at = first.entry("expiring").expires_at
    for source, destination in itertools.pairwise(ends):
        copied = qstate.copy(source, destination)
        assert copied == qstate.Copied(copied=303)
        assert copied.complete
        assert records(destination) == records(first)
        left = destination.entry("expiring").expires_at - expires_at
        assert abs(left.total_seconds()) < 2
    assert ends[-1]["k/7"] == {"n": 7, "c": 7j}


def test_a_copy_that_was_cut_off_is_resumed(pair):
    """What stands there with the same version is not written again."""
    source, destination = pair
    source.set_many({f"k{number:03}": number for number in range(200)})
    seen = []

    def stop_after_fifty(outcome):
        seen.append(outcome)
        if len(seen) == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        qstate.copy(source, destination, told=stop_after_fifty)
    there = len(destination)
    assert 50 <= there < 200
    copied = qstate.copy(source, destination)
    assert (copied.same, copied.copied) == (there, 200 - there)
    assert records(destination) == records(source)


def test_what_stands_there_with_another_version_is_a_conflict(pair):
    """It stays and is told, and is replaced only where that is asked for."""
    source, destination = pair
    source.set_many({"a": 1, "b": 2})
    destination["a"] = "another"
    told = []
    assert qstate.copy(source, destination, told=told.append) == qstate.Copied(
        copied=1, conflicts=1
    )
    conflict = next(outcome for outcome in told if outcome.kind == "conflict")
    assert conflict.key == "a"
    assert str(destination.entry("a").version) in conflict.reason
    assert destination["a"] == "another"
    assert qstate.copy(source, destination, overwrite=True) == qstate.Copied(copied=1, same=1)
    assert records(destination) == records(source)


def test_an_expiry_that_was_changed_is_a_conflict_too(pair):
    """The version says nothing of it, so that both are told."""
    source, destination = pair
    source.set("a", 1, ttl=3600)
    qstate.copy(source, destination)
    source.touch("a", 7200)
    assert qstate.copy(source, destination).conflicts == 1
    source.touch("a", None)
    assert qstate.copy(source, destination).conflicts == 1
    qstate.copy(source, destination, overwrite=True)
    assert destination.entry("a").expires_at is None


def test_a_dry_run_writes_nothing(pair):
    """It counts what would be copied."""
    source, destination = pair
    source["a"] = 1
    assert qstate.copy(source, destination, dry_run=True) == qstate.Copied(copied=1)
    assert not len(destination)


def test_scopes_and_prefixes_are_copied_alone(pair):
    """A scope's keys go without its name; siblings stay where they are."""
    source, destination = pair
    source.set_many({"run/a": 1, "run/b/c": 2, "run-2/a": 3, "run": 4})
    qstate.copy(source / "run", destination / "archive")
    assert dict(destination) == {"archive/a": 1, "archive/b/c": 2}
    destination.clear(everything=True)
    qstate.copy(source, destination, prefix="run-")
    assert dict(destination) == {"run-2/a": 3}


def test_a_store_is_not_copied_into_itself():
    """A scope within the source would grow while it is copied."""
    with qstate.connect("memory://") as store:
        for destination in (store, store.scope("backup")):
            with pytest.raises(ValueError, match="share keys"):
                qstate.copy(store, destination)
        store["a/k"] = 1
        assert qstate.copy(store / "a", store / "b").copied == 1


def test_locks_and_the_like_are_not_copied(pair):
    """What the core keeps for itself is no key."""
    source, destination = pair
    source["a"] = 1
    with source.lock("x"):
        qstate.copy(source, destination)
    assert list(copying._joined(destination, destination._client, "")) == ["a"]


def test_what_other_programs_wrote_is_copied_as_it_is(redis_server, pair):
    """A plain string is read at the destination as it was at the source."""
    name = f"copy-{uuid.uuid4().hex}"
    _, destination = pair
    with redis_server.client() as raw, qstate.connect(redis_server.url) as source:
        raw.set(f"{name}/plain", b'{"k": 1}')
        copied = qstate.copy(source / name, destination)
        raw.delete(f"{name}/plain")
    assert copied == qstate.Copied(copied=1)
    assert dict(destination) == {"plain": {"k": 1}}
    assert destination.entry("plain").version.modified is None


def test_what_other_programs_wrote_is_never_overwritten_unread(redis_server, pair):
    """A hash that stands in the way is refused by name, whatever is asked; the rest is copied."""
    name = f"copy-{uuid.uuid4().hex}"
    source, _ = pair
    source.set_many({"hash": 1, "own": 2})
    told = []
    with redis_server.client() as raw, qstate.connect(redis_server.url) as destination:
        raw.hset(f"{name}/hash", "field", "value")
        copied = qstate.copy(source, destination / name, overwrite=True, told=told.append)
        stands = raw.hgetall(f"{name}/hash")
        raw.delete(f"{name}/hash", f"{name}/own")
    assert copied == qstate.Copied(copied=1, refused=1)
    assert [outcome.key for outcome in told if outcome.kind == "refused"] == ["hash"]
    assert stands == {b"field": b"value"}


def test_what_the_destination_can_not_take_is_refused_by_name(open_trial):
    """Too large, or with an expiry where values can't expire; the rest is copied."""
    destination, backend = open_trial(expiry=False)
    backend.capabilities = Capabilities(reach="process", expiry=False, max_value_bytes=100)
    destination._client.capabilities = backend.capabilities
    told = []
    with qstate.connect("memory://") as source:
        source.set("expiring", 1, ttl=60)
        source.set("large", "x" * 200)
        source.set("fitting", 1)
        copied = qstate.copy(source, destination, told=told.append)
    assert copied == qstate.Copied(copied=1, refused=2)
    reasons = {outcome.key: outcome.reason for outcome in told}
    assert "at most 100" in reasons["large"]
    assert "expires" in reasons["expiring"]


def test_a_key_that_is_too_long_there_is_refused(pair):
    """The scope of the destination counts."""
    source, destination = pair
    source["k" * 1020] = 1
    assert qstate.copy(source, destination / "archive").refused == 1


def test_stores_that_write_one_key_at_a_time_are_copied_singly(open_trial):
    """As on a Redis cluster."""
    destination, backend = open_trial()
    destination._client.capabilities = Capabilities(reach="process", several_keys=False)
    sizes = []
    written = backend.write
    destination._client._write = lambda puts, **more: (
        sizes.append(len(puts)),
        written(puts, **more),
    )
    with qstate.connect("memory://") as source:
        source.set_many({"a": 1, "b": 2, "c": 3})
        assert qstate.copy(source, destination).copied == 3
    assert sizes == [1, 1, 1]


def test_large_values_are_held_a_few_at_a_time(pair):
    """Batches shrink where values are large, and grow where they are small."""
    source, _ = pair
    for number in range(20):
        source[f"large{number:02}"] = b"x" * 2**20
    source.set_many({f"small{number:05}": number for number in range(3000)})
    sizes = [len(batch) for batch in copying.batches(source, "large")]
    assert sum(sizes) == 20
    assert max(sizes[1:]) <= 8
    assert max(len(batch) for batch in copying.batches(source, "small")) == 1000


def test_a_write_that_comes_between_is_not_overwritten(pair, monkeypatch):
    """What was absent when it was looked at, and is there when it is written, is a conflict."""
    source, destination = pair
    source["a"] = "from the source"
    client, write = destination._client, destination._client.write

    def write_after_another(puts, require):
        monkeypatch.setattr(client, "write", write)
        client.put([Put("a", Version.new(), puts[0].parts)])
        write(puts, require)

    monkeypatch.setattr(client, "write", write_after_another)
    assert qstate.copy(source, destination) == qstate.Copied(conflicts=1)


def test_what_expires_on_the_way_is_left_out(pair):
    """An expired record is not written without an expiry."""
    source, destination = pair
    source.set("a", 1, ttl=0.05)
    batch = next(copying.batches(source))
    time.sleep(0.06)
    assert copying.take([batch], destination) == qstate.Copied()
    assert not len(destination)


# -- files ----------------------------------------------------------------------------------------


def exported(store):
    """A store as the bytes of an export."""
    file = io.BytesIO()
    qstate.export_file(store, file)
    return file.getvalue()


def test_an_export_has_everything(ends):
    """Values, versions and expiries come back from a file, into another kind of store."""
    source, destination = ends[:2]
    source.set_many({"a": {"k": 1j}, "ü\n": b"\x00"})
    source.set("expiring", 1, ttl=3600)
    lines = exported(source)
    assert qstate.import_file(io.BytesIO(lines), destination) == qstate.Copied(copied=3)
    assert records(destination) == records(source)
    late = destination.entry("expiring").expires_at - source.entry("expiring").expires_at
    assert abs(late.total_seconds()) < 2
    assert qstate.import_file(io.BytesIO(lines), destination) == qstate.Copied(same=3)


def test_an_export_is_lines_of_json(pair):
    """As documented: a first line, one for each key, a last one with their number."""
    source, _ = pair
    version = source.set("a", 1)
    first, line, last = map(json.loads, exported(source).splitlines())
    assert (first["format"], first["version"]) == ("qstate export", 1)
    assert (line["key"], line["version"], line["expires_at"]) == ("a", version.hex(), None)
    assert last == {"end": 1}


@pytest.mark.parametrize("lines", [1, 2, 150, 200])
def test_an_export_that_is_cut_short_is_told(pair, lines):
    """What came before is there, and the whole file completes it."""
    source, destination = pair
    source.set_many({f"k{number:03}": number for number in range(200)})
    whole = exported(source)
    cut = b"".join(whole.splitlines(keepends=True)[:lines])
    with pytest.raises(qstate.SerializationError, match="cut short"):
        qstate.import_file(io.BytesIO(cut), destination)
    assert len(destination) == lines - 1
    assert qstate.import_file(io.BytesIO(whole), destination).copied == 201 - lines


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda whole: b"", "no file that"),
        (lambda whole: b"[1]\n", "no file that"),
        (lambda whole: b"\xff\n", "no file that"),
        (lambda whole: whole.replace(b'"version":1,', b'"version":2,'), "version 2; known here: 1"),
        (lambda whole: whole.replace(b'"data":"', b'"data":"!'), "line 2"),
        (lambda whole: whole.replace(b'"key":"a"', b'"key":7'), "line 2"),
        (lambda whole: whole.replace(b'"expires_at":null', b'"expires_at":"x"'), "line 2"),
        (lambda whole: whole.replace(b'"data"', b'"date"'), "line 2"),
        (lambda whole: whole.replace(b'{"key', b'["key'), "line 2"),
        (lambda whole: whole.replace(b'{"end":1}', b'{"end":3}'), "1 keys of 3"),
    ],
)
def test_a_damaged_export_is_told_with_its_line(pair, damage, told):
    """Nothing that can't be read is written."""
    source, destination = pair
    source["a"] = 1
    with pytest.raises(qstate.SerializationError, match=told):
        qstate.import_file(io.BytesIO(damage(exported(source))), destination)
    assert len(destination) == (1 if "keys of" in told else 0)
