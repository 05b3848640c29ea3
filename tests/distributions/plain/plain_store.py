"""The least that is a store of one's own: the five methods over a dict, none of the optional."""

import threading

from qstate.backend import Capabilities, ConflictError, Put, Record, hookimpl, read_options

made = []


class PlainBackend:
    """Records in a dict of this process."""

    capabilities = Capabilities(reach="process", max_value_bytes=1000, expiry=False)

    def __init__(self):
        self.records = {}
        self.closed = 0
        self.lock = threading.Lock()

    def read(self, keys):
        return [self.records.get(key) for key in keys]

    def write(self, operations, *, require={}):  # noqa: B006 - only read
        with self.lock:
            for key, version in require.items():
                standing = self.records.get(key)
                actual = standing.version if standing else None
                if actual != version:
                    raise ConflictError(key, version, actual)
            for operation in operations:
                self.apply(operation)

    def apply(self, operation):
        if isinstance(operation, Put):
            self.records[operation.key] = Record(operation.version, operation.data)
        else:
            self.records.pop(operation.key, None)

    def scan(self, prefix, cursor, limit):
        start = cursor.decode() if cursor else ""
        found = sorted(key for key in self.records if key.startswith(prefix) and key >= start)
        # The next page begins with the last key of this one, as a store's that rehashes may.
        page = found[: limit + 1]
        return page, (page[-1].encode() if len(found) > limit + 1 else None)

    def close(self):
        self.closed += 1


@hookimpl
def qstate_backend(url, options):
    """A new dict for each address."""
    if url.scheme != "plain":
        return None
    read_options(url, options, {"timeout": float, "colour": str})
    made.append(PlainBackend())
    return made[-1]
