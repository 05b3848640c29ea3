"""Backends that read wrongly, or answer where they can't."""

import threading
import time

from qstate.backend import Put, SerializationError, StoreUnavailableError
from qstate.serializers.codec import ValueCodec

from .right import RightBackend


class StaleRead(RightBackend):
    """Shows a value to other threads than its writer's a moment late."""

    def __init__(self):
        super().__init__()
        self.before = {}

    def apply(self, operation):
        written = (threading.get_ident(), time.monotonic() + 0.01, self.records.get(operation.key))
        self.before[operation.key] = written
        super().apply(operation)

    def read_data(self, keys):
        return [record and record.data for record in map(self.looked_up, keys)]

    def looked_up(self, key):
        [record] = self.read([key])
        writer, until, before = self.before.get(key, (0, 0, None))
        stale = writer != threading.get_ident() and time.monotonic() < until
        return before if stale else record


class ReadsOneByOne(RightBackend):
    """Reads several keys one after the other, not as of one moment."""

    def read(self, keys):
        return list(map(self.read_one, keys))

    def read_one(self, key):
        [record] = super().read([key])
        time.sleep(0.0002)
        return record


class CorruptIsMissing(RightBackend):
    """Takes what can't be read for absent."""

    codec = ValueCodec("msgpack")

    def read(self, keys):
        return [record and self.readable(record) for record in super().read(keys)]

    def readable(self, record):
        try:
            self.codec.decode(record.data)
        except SerializationError:
            return None
        return record


class UnavailableIsEmpty(RightBackend):
    """Answers while it can't: nothing stands, nothing is found."""

    def read(self, keys):
        return [None] * len(keys) if self.down else super().read(keys)

    def scan(self, prefix, cursor, limit):
        return ([], None) if self.down else super().scan(prefix, cursor, limit)


class LateError(RightBackend):
    """Tells only long after the timeout that it does not answer."""

    def answer(self):
        if self.down:
            time.sleep(4)
        super().answer()


class ForgetsOnRestart(RightBackend):
    """Says that it is durable, and is not."""

    def restart(self):
        self.records.clear()


class ReadsInItsOwnOrder(RightBackend):
    """Gives records in the order of their keys, not in that in which they were asked for."""

    def read(self, keys):
        return super().read(sorted(keys))


class EmptyIsMissing(RightBackend):
    """Takes no bytes for no record."""

    def standing(self, key):
        record = super().standing(key)
        return record if record and record.data else None


class LendsItsBuffer(RightBackend):
    """Gives readers the very memory that it keeps."""

    def apply(self, operation):
        super().apply(operation)
        if isinstance(operation, Put):
            kept = self.records[operation.key]
            self.records[operation.key] = kept._replace(data=memoryview(bytearray(kept.data)))


class LeaksDriverErrors(RightBackend):
    """Lets errors out as its driver raises them."""

    def answer(self):
        if self.down:
            raise OSError("connection refused")


class StaysAway(RightBackend):
    """Does not look again whether what was out of reach is back."""

    away = False

    def answer(self):
        self.away = self.away or self.down
        if self.away:
            raise StoreUnavailableError("it was down before", outcome="not applied")
