"""A store that processes share: a plain one, read from a file and written back under its lock."""

import fcntl
import pickle
from contextlib import contextmanager
from pathlib import Path

from plain_store import PlainBackend

from qstate.backend import Capabilities, hookimpl, read_options


class FiledBackend(PlainBackend):
    """Records in a file."""

    capabilities = Capabilities(reach="cluster")

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)

    @contextmanager
    def _loaded(self):
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            stored = file.read()
            self.records = pickle.loads(stored) if stored else {}
            yield
            self.path.write_bytes(pickle.dumps(self.records))

    def read(self, keys):
        with self._loaded():
            return super().read(keys)

    def write(self, operations, *, require={}):  # noqa: B006 - only read
        with self._loaded():
            super().write(operations, require=require)

    def scan(self, prefix, cursor, limit):
        with self._loaded():
            return super().scan(prefix, cursor, limit)


@hookimpl
def qstate_backend(url, options):
    """The store of a file."""
    if url.scheme != "filed":
        return None
    read_options(url, options, {"timeout": float, "password": str})
    return FiledBackend(url.path)
