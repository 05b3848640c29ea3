"""Backends that tell of changes wrongly."""

import contextlib
import time

from qstate.backend import NO_REQUIREMENTS, Delete, Put

from .right import RightBackend


class MissesLastChange(RightBackend):
    """Tells of a key only if it has not told of it in the moment before."""

    def __init__(self):
        super().__init__()
        self.last = {}

    def tell(self, operation):
        now = time.monotonic()
        if now - self.last.get(operation.key, 0.0) > 0.1:
            super().tell(operation)
            self.last[operation.key] = now


class SilentOnRemoval(RightBackend):
    """Does not tell of what is removed."""

    def tell(self, operation):
        if isinstance(operation, Put):
            super().tell(operation)


class TellsTooEarly(RightBackend):
    """Tells of a change before it can be seen."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        for operation in operations:
            super().tell(operation)
        time.sleep(0.005)
        super().write(operations, require=require)

    def once(self, operation, call):
        if operation not in self.ledger:
            self.ledger[operation] = call()
        return self.ledger[operation]

    def tell(self, operation):
        """It has been told already, except of a removal."""
        if isinstance(operation, Delete):
            super().tell(operation)


class TellsOneWatcher(RightBackend):
    """Of several watchers the first is told."""

    def tell(self, operation):
        for prefix, told in self.watchers:
            if operation.key.startswith(prefix):
                told.put(operation.key)
                break


class TellsFirstOfBatch(RightBackend):
    """Of several keys that are written at once, tells of the first."""

    silent = False

    def write(self, operations, *, require=NO_REQUIREMENTS):
        super().write(operations[:1], require=require)
        with self.lock:
            self.silent = True
            super().write(operations[1:])
            self.silent = False

    def tell(self, operation):
        if not self.silent:
            super().tell(operation)


class OneEndEndsAll(RightBackend):
    """When a watch ends, all end that are of the same store; they are not told so."""

    @contextlib.contextmanager
    def watch(self, prefix):
        with super().watch(prefix) as told:
            yield told
            self.watchers[:] = [each for each in self.watchers if each[0] == prefix][-1:]


class TellsOnce(RightBackend):
    """Tells of a key when it changes first, and never again."""

    def __init__(self):
        super().__init__()
        self.told = set()

    def tell(self, operation):
        if operation.key not in self.told:
            super().tell(operation)
        self.told.add(operation.key)


class DeafAfterCut(RightBackend):
    """Who watches again is let in, and told of nothing."""

    def __init__(self):
        super().__init__()
        self.known = set()

    @contextlib.contextmanager
    def watch(self, prefix):
        with super().watch(prefix) as told:
            if prefix in self.known:
                self.watchers.pop()
                self.watchers.append(("\0nothing", None))
            self.known.add(prefix)
            yield told
