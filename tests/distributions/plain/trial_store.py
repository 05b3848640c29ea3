"""A store that a test drives: its URL says what it can do, the test when it fails."""

import time

from plain_store import PlainBackend

from qstate.backend import KEEP, Capabilities, Put, Record, hookimpl

made = []


class TrialBackend(PlainBackend):
    """A plain one with expiry, a log of its calls, and faults on demand.

    Attributes:
        calls: The names of the methods called, in order.
        refusals: Raised instead of the next calls, one each.
        lost: Raised by the next calls once they were applied, one each.
        age: Seconds by which its clock is ahead.
        before: Called before each call, with the method's name.
    """

    def __init__(self, capabilities):
        super().__init__()
        self.capabilities = capabilities
        self.calls = []
        self.refusals = []
        self.lost = []
        self.age = 0.0
        self.before = lambda method: None

    def read(self, keys):
        return self.answer("read", super().read, keys)

    def write(self, operations, *, require={}):  # noqa: B006 - only read
        return self.answer("write", super().write, operations, require=require)

    def scan(self, prefix, cursor, limit):
        return self.answer("scan", super().scan, prefix, cursor, limit)

    def apply(self, operation):
        standing = self.records.get(operation.key)
        super().apply(operation)
        ttl = operation.ttl if isinstance(operation, Put) else None
        if ttl is KEEP:
            expires_at = standing.expires_at if standing else None
        else:
            expires_at = None if ttl is None else self.now() + ttl
        if expires_at is not None:
            written = self.records[operation.key]
            self.records[operation.key] = Record(written.version, written.data, expires_at)

    def now(self):
        return time.time() + self.age

    def answer(self, method, call, *arguments, **options):
        self.calls.append(method)
        self.before(method)
        if self.refusals:
            raise self.refusals.pop(0)
        for key, record in list(self.records.items()):
            if record.expires_at is not None and record.expires_at <= self.now():
                del self.records[key]
        result = call(*arguments, **options)
        if self.lost:
            raise self.lost.pop(0)
        return result


class FastBackend(TrialBackend):
    """One that offers every optional method of a synchronous store."""

    def read_data(self, keys):
        return self.answer("read_data", self._data, keys)

    def _data(self, keys):
        return [self.records[key].data if key in self.records else None for key in keys]

    def remove(self, keys):
        return self.answer("remove", self._remove, keys)

    def _remove(self, keys):
        with self.lock:
            return sum(self.records.pop(key, None) is not None for key in keys)

    def count(self, prefix):
        return self.answer("count", self._count, prefix)

    def _count(self, prefix):
        names = [key for key in self.records if not key.startswith("\0") and key != prefix]
        return sum(key.startswith(prefix) for key in names)


@hookimpl
def qstate_backend(url, options):
    """A new store, with the capabilities that the options say."""
    if url.scheme != "trial":
        return None
    can = Capabilities(
        reach=options.get("reach", "cluster"),
        several_keys=options.get("several_keys", "yes") == "yes",
        expiry=options.get("expiry", "yes") == "yes",
        max_value_bytes=int(options["max"]) if "max" in options else None,
        scan_window=int(options["window"]) if "window" in options else None,
    )
    made.append((FastBackend if "fast" in options else TrialBackend)(can))
    return made[-1]
