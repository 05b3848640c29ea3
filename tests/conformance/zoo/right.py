"""Two backends that are right: they fail no law."""

import contextlib
import queue
import threading
import time

from qstate.backend import (
    KEEP,
    NO_REQUIREMENTS,
    Capabilities,
    ConflictError,
    Delete,
    Put,
    Record,
    StoreUnavailableError,
)


class RightBackend:
    """Right in every way, and offering every optional method that matters here."""

    capabilities = Capabilities(reach="process", durable=True, max_value_bytes=2**20)

    def __init__(self):
        self.records = {}
        self.lock = threading.RLock()
        self.watchers = []
        self.ledger = {}
        self.down = False

    # -- the five methods ------------------------------------------------------------------------

    def read(self, keys):
        self.answer()
        with self.lock:
            return [self.standing(key) for key in keys]

    def write(self, operations, *, require=NO_REQUIREMENTS):
        self.answer()
        with self.lock:
            self.check(require)
            for operation in operations:
                self.apply(operation)

    def scan(self, prefix, cursor, limit):
        self.answer()
        with self.lock:
            found = [key for key in self.names() if self.begins(key, prefix)]
        page = [key for key in found if cursor is None or key > cursor.decode()][:limit]
        more = page and page[-1] != found[-1]
        return page, page[-1].encode() if more else None

    def close(self):
        """Nothing to let go of."""

    # -- optional ones ---------------------------------------------------------------------------

    def remove(self, keys):
        self.answer()
        with self.lock:
            stood = [key for key in keys if self.standing(key) is not None]
            for key in keys:
                self.apply(Delete(key))
        return len(stood)

    def count(self, prefix):
        self.answer()
        with self.lock:
            return sum(key.startswith(prefix) and key[0] != "\0" for key in self.names())

    def write_once(self, operation, operations, *, require=NO_REQUIREMENTS):
        return self.once(operation, lambda: self.write(operations, require=require))

    def remove_once(self, operation, keys):
        return self.once(operation, lambda: self.remove(keys))

    @contextlib.contextmanager
    def watch(self, prefix):
        self.answer()
        told = queue.SimpleQueue()
        self.watchers.append((prefix, told))
        try:
            yield iter(told.get, None)
        finally:
            self.watchers.remove((prefix, told))
            told.put(None)

    # -- what the wrong ones do otherwise --------------------------------------------------------

    def answer(self):
        if self.down:
            raise StoreUnavailableError("it is down", outcome="not applied")

    def standing(self, key):
        record = self.records.get(key)
        gone = record is None or (
            record.expires_at is not None and record.expires_at <= time.time()
        )
        return None if gone else record

    def names(self):
        return sorted(key for key in list(self.records) if self.standing(key) is not None)

    def begins(self, key, prefix):
        return key.startswith(prefix)

    def check(self, require):
        for key, version in require.items():
            standing = self.standing(key)
            actual = standing and standing.version
            if actual != version:
                raise ConflictError(key, version, actual)

    def apply(self, operation):
        if isinstance(operation, Put):
            record = Record(operation.version, operation.data, self.expiry(operation))
            self.records[operation.key] = record
        else:
            self.records.pop(operation.key, None)
        self.tell(operation)

    def expiry(self, put):
        if put.ttl is KEEP:
            standing = self.standing(put.key)
            return standing and standing.expires_at
        return None if put.ttl is None else time.time() + put.ttl

    def tell(self, operation):
        for prefix, told in list(self.watchers):
            if operation.key.startswith(prefix):
                told.put(operation.key)

    def once(self, operation, call):
        with self.lock:
            if operation not in self.ledger:
                self.ledger[operation] = call()
            return self.ledger[operation]

    def restart(self):
        """It keeps what it holds."""


class SparseBackend(RightBackend):
    """Right too, and offering as little as a backend can."""

    capabilities = Capabilities(
        reach="process", several_keys=False, expiry=False, max_value_bytes=100_000
    )
    remove = count = write_once = remove_once = watch = None

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if value is None:
            raise AttributeError(name)
        return value
