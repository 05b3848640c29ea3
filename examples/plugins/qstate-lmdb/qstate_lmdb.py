"""``lmdb:///absolute/folder``: a state store for the processes of one host, kept by LMDB."""

import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from hashlib import sha256

import lmdb

from qstate import backend

HEAD = struct.Struct(">16sdH")  # version, expiry or 0, length of the key; then the key, the data
KEPT = 511 - 32  # LMDB's names have 511 bytes: of a longer key so many, and its hash


def name_of(key: str) -> bytes:
    """The name of a key's record; the order of names is the order of keys."""
    name = key.encode()
    return name if len(name) < 511 else name[:KEPT] + sha256(name).digest()


def standing(entries: lmdb.Transaction, key: str) -> backend.Record | None:
    """The record under a key, unless it has expired."""
    packed = entries.get(name_of(key))
    if packed is None or is_expired(packed):
        return None
    version, expires_at, size = HEAD.unpack_from(packed)
    data = bytes(packed[HEAD.size + size :])
    return backend.Record(backend.Version(version), data, expires_at or None)


def is_expired(packed: backend.Buffer) -> bool:
    """Whether a record has expired."""
    return 0 < float(HEAD.unpack_from(packed)[1]) <= time.time()


def put(entries: lmdb.Transaction, new: backend.Put) -> None:
    """Write a record, with its expiry."""
    expires_at, key = 0.0, new.key.encode()
    if isinstance(new.ttl, backend.Keep):
        record = standing(entries, new.key)
        expires_at = (record and record.expires_at) or 0.0
    elif new.ttl is not None:
        expires_at = time.time() + new.ttl
    head = HEAD.pack(new.version, expires_at, len(key))
    entries.put(name_of(new.key), b"".join((head, key, *new.parts)))


# LMDB: a process opens a folder once, and neither forks nor grows it within a transaction.
access = threading.Lock()
opened: dict[str, lmdb.Environment] = {}


def grow(folder: lmdb.Environment, size: int) -> None:
    """Map all that a folder has, whoever wrote it, and room for ``size`` bytes more."""
    pages, room = folder.info()["last_pgno"] + 1, 2 * size + 2**26
    if folder.info()["map_size"] < pages * folder.stat()["psize"] + room:
        folder.set_mapsize(2 * (pages * folder.stat()["psize"] + room))


def forget() -> None:
    """In a forked child: what is open is its parent's."""
    while opened:
        opened.popitem()[1].close()
    access.release()


os.register_at_fork(before=access.acquire, after_in_parent=access.release, after_in_child=forget)


class LMDBBackend:
    """Records in an LMDB folder; a write is on disk before it is acknowledged."""

    capabilities = backend.Capabilities(
        reach="host", durable=True, max_value_bytes=2**30, ordered_scan=True
    )

    def __init__(self, url: backend.StateURL, options: Mapping[str, object]) -> None:
        if url.hosts or url.path in {"", "/"}:
            raise backend.InvalidURLError(f"{url} names no folder: write lmdb:///absolute/folder")
        options = {"timeout": backend.DEFAULT_TIMEOUT, **options}
        self._timeout = backend.read_options(url, options, {"timeout": float})["timeout"]
        self._path = os.path.realpath(url.path)
        self._swept = b""

    def read(self, keys: Sequence[str]) -> list[backend.Record | None]:
        """The records under ``keys``, as of one moment."""
        with self._transaction() as entries:
            return [standing(entries, key) for key in keys]

    def write(
        self,
        operations: Sequence[backend.Operation],
        *,
        require: Mapping[str, backend.Version | None] = backend.NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations in one transaction, if every requirement holds."""
        puts = (each for each in operations if isinstance(each, backend.Put))
        size = sum(memoryview(part).nbytes for each in puts for part in each.parts)
        with self._transaction(size) as entries:
            for key, expected in require.items():
                record = standing(entries, key)
                if (actual := record and record.version) != expected:
                    raise backend.ConflictError(key, expected, actual)
            for operation in operations:
                if isinstance(operation, backend.Put):
                    put(entries, operation)
                else:
                    entries.delete(name_of(operation.key))
            self._sweep(entries.cursor())

    def _sweep(self, records: lmdb.Cursor) -> None:
        records.set_range(self._swept)
        for _ in range(20):  # a few with each write, so that what nobody reads goes too
            if not records.key():
                break
            records.delete() if is_expired(records.value()) else records.next()
        self._swept = bytes(records.key())

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """One page of keys, in order; the cursor is the name of the next record."""
        found: list[str] = []
        begin = prefix.encode()[:KEPT]
        with self._transaction() as entries, entries.cursor() as records:
            records.set_range(cursor or begin)
            while (name := bytes(records.key())) and name.startswith(begin):
                if len(found) == limit:
                    return found, name
                size = HEAD.unpack_from(records.value())[2]
                key = bytes(records.value()[HEAD.size :][:size]).decode()
                if key.startswith(prefix) and not is_expired(records.value()):
                    found.append(key)
                records.next()
        return found, None

    def close(self) -> None:
        """Close the folder; another backend of this process would open it again."""
        with access:
            if self._path in opened:
                opened.pop(self._path).close()

    @contextmanager
    def _transaction(self, size: int | None = None) -> Iterator[lmdb.Transaction]:
        """One that writes about ``size`` bytes, or reads."""
        write = size is not None
        failures = dict.fromkeys((lmdb.Error, OSError), backend.StoreUnavailableError)
        with backend.translate_errors(self._path, failures) as gate:
            os.makedirs(self._path, exist_ok=True)
            with self._turn() if write else nullcontext(), access:
                if self._path not in opened:
                    opened[self._path] = lmdb.open(self._path, max_readers=1024)
                grow(opened[self._path], size or 0)
                with opened[self._path].begin(write=write, buffers=True) as entries:
                    gate.sent = write
                    yield entries

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the host's one writer; LMDB's own lock would wait for a stopped process for ever."""
        give_up = time.monotonic() + backend.time_left(self._timeout)
        with open(f"{self._path}/turn", "ab") as turn:
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > give_up:
                    raise TimeoutError("another process did not end its turn to write")
                time.sleep(0.0005)
            try:
                yield
            finally:  # a child forked meanwhile has the file open too
                fcntl.flock(turn, fcntl.LOCK_UN)
                time.sleep(0.001)  # so that those who wait have theirs


@backend.hookimpl
def qstate_backend(url: backend.StateURL, options: Mapping[str, object]) -> backend.Backend | None:
    """The store in a folder of this host."""
    return LMDBBackend(url, options) if url.scheme == "lmdb" else None
