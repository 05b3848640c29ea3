"""Backends of several processes, with their records in a file; the first is right."""

import fcntl
import os
import pickle
import threading
from pathlib import Path

from qstate.backend import Capabilities

from .right import RightBackend

OF_HOST = Capabilities(reach="host", durable=True, max_value_bytes=2**20)


class InFile:
    """A lock under which a backend has what stands in a file of this folder, and puts it back."""

    def __init__(self, backend, name):
        self.backend = backend
        self.path = Path(name)
        self.threads = threading.RLock()
        self.depth = 0

    def __enter__(self):
        self.threads.acquire()
        self.depth += 1
        if self.depth == 1:
            self.turn = self.path.with_suffix(".turn").open("ab")
            self.backend.take_turn(self.turn)
            self.before = self.path.read_bytes() if self.path.exists() else pickle.dumps(({}, {}))
            self.backend.records, self.backend.ledger = pickle.loads(self.before)

    def __exit__(self, *_):
        if self.depth == 1:
            remembered = dict(list(self.backend.ledger.items())[-100:])
            after = pickle.dumps((self.backend.records, remembered))
            if after != self.before:
                new = self.path.with_suffix(f".{os.getpid()}")
                new.write_bytes(after)
                new.rename(self.path)
            self.turn.close()
        self.depth -= 1
        self.threads.release()


class SharedBackend(RightBackend):
    """Right: one thread of one process at a time has the file. It is asked for changes."""

    capabilities = OF_HOST
    watch = None

    def __getattribute__(self, name):
        if name == "watch":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def keep_in(self, name):
        self.lock = InFile(self, name)

    def take_turn(self, turn):
        fcntl.flock(turn, fcntl.LOCK_EX)


class NotShared(RightBackend):
    """Says that it is the host's, and is each process's own."""

    capabilities = OF_HOST


class LocksItsProcessAlone(SharedBackend):
    """Two processes read, change and write the file at the same time."""

    def take_turn(self, turn):
        pass


class RemembersWhatItRead(SharedBackend):
    """Reads the file again only when it writes."""

    has_read = False

    def read(self, keys):
        if not self.has_read:
            self.has_read = True
            return super().read(keys)
        self.answer()
        with self.lock.threads:
            return [self.standing(key) for key in keys]


class LeasesForEver(SharedBackend):
    """What the core keeps for itself does not expire."""

    def expiry(self, put):
        return super().expiry(put._replace(ttl=None) if put.key[0] == "\0" else put)
