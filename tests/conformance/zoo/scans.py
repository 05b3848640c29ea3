"""Backends that scan wrongly, or mistake what the core keeps for itself."""

import fnmatch
import re

from qstate.backend import Capabilities, Delete, Put

from .right import RightBackend


class LikePrefix(RightBackend):
    """Looks for prefixes by LIKE, and does not escape ``_`` and ``%``."""

    def begins(self, key, prefix):
        pattern = re.escape(prefix).replace("_", ".").replace("%", ".*")
        return re.match(pattern, key, re.DOTALL) is not None


class GlobPrefix(RightBackend):
    """Looks for prefixes by a glob pattern, and does not escape ``*``, ``?`` and ``[``."""

    def begins(self, key, prefix):
        return fnmatch.fnmatchcase(key, prefix + "*")


class SkipsBetweenPages(RightBackend):
    """The first key of each further page is skipped."""

    def scan(self, prefix, cursor, limit):
        page, following = super().scan(prefix, cursor, limit)
        return (page if cursor is None else page[1:]), following


class PagesByOffset(RightBackend):
    """A page begins after so many keys, wherever those are now."""

    def scan(self, prefix, cursor, limit):
        self.answer()
        with self.lock:
            found = [key for key in self.names() if key.startswith(prefix)]
        start = int(cursor or 0)
        end = start + limit
        return found[start:end], str(end).encode() if end < len(found) else None


class RepeatsBetweenPages(RightBackend):
    """Each page begins with the last key of the one before; it says that none comes twice."""

    capabilities = Capabilities(
        reach="process", durable=True, max_value_bytes=2**20, ordered_scan=True
    )

    def scan(self, prefix, cursor, limit):
        page, following = super().scan(prefix, cursor, limit)
        return ([] if cursor is None else [cursor.decode()]) + page, following


class ShowsInternalKeys(RightBackend):
    """Counts the keys that the core keeps for itself."""

    def count(self, prefix):
        self.answer()
        with self.lock:
            return sum(key.startswith(prefix) for key in self.names())


class RemovesLocksToo(RightBackend):
    """Forgets what the core keeps for itself whenever a key is removed."""

    def remove(self, keys):
        for key in [key for key in self.records if key[0] == "\0"]:
            del self.records[key]
        return super().remove(keys)


class StopsAfterAPage(RightBackend):
    """One page is all."""

    def scan(self, prefix, cursor, limit):
        page, _ = super().scan(prefix, cursor, limit)
        return page, None


class CountsExpired(RightBackend):
    """Counts what has expired until it is reaped."""

    def count(self, prefix):
        self.answer()
        with self.lock:
            return sum(key.startswith(prefix) and key[0] != "\0" for key in self.records)


class ForgetsTokens(RightBackend):
    """Forgets how far a lock has counted when it is released."""

    def apply(self, operation):
        super().apply(operation)
        if isinstance(operation, Delete) and operation.key.startswith("\0lock/"):
            self.records.pop(operation.key.replace("lock", "token", 1), None)


class DoesNotRenew(RightBackend):
    """Leaves what the core keeps for itself as it was first written."""

    def apply(self, operation):
        stands = self.standing(operation.key) is not None
        lease = isinstance(operation, Put) and operation.key.startswith("\0lock/")
        if not (stands and lease):
            super().apply(operation)
