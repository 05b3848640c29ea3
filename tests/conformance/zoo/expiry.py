"""Backends whose records expire too late, too early, or not at all."""

import math
import time

from qstate.backend import KEEP, NO_REQUIREMENTS, Put, Version

from .right import RightBackend


class OverwriteKeepsExpiry(RightBackend):
    """A write without a ttl leaves an earlier expiry in place."""

    def expiry(self, put):
        return super().expiry(put._replace(ttl=KEEP) if put.ttl is None else put)


class KeepDrops(RightBackend):
    """A write with KEEP drops the expiry."""

    def expiry(self, put):
        return None if put.ttl is KEEP else super().expiry(put)


class ExpiresASecondLate(RightBackend):
    """Each expiry is off by a second."""

    def expiry(self, put):
        found = super().expiry(put)
        return found if found is None or put.ttl is KEEP else found + 1


class ExpiresInWholeSeconds(RightBackend):
    """A ttl is rounded up to whole seconds."""

    def expiry(self, put):
        if put.ttl is None or put.ttl is KEEP:
            return super().expiry(put)
        return time.time() + math.ceil(put.ttl)


class ExpiresEarly(RightBackend):
    """A ttl is cut to tenths of a second, and one less."""

    def expiry(self, put):
        if put.ttl is None or put.ttl is KEEP:
            return super().expiry(put)
        return time.time() + put.ttl - 0.1


class ExpiredIsListed(RightBackend):
    """What has expired is found by scans until it is reaped."""

    def names(self):
        return sorted(self.records)


class TouchChangesVersion(RightBackend):
    """Gives what is touched a version of its own making."""

    def apply(self, operation):
        standing = self.records.get(operation.key)
        if isinstance(operation, Put) and standing and standing.version == operation.version:
            operation = operation._replace(version=Version.new())
        super().apply(operation)


class TouchIsIgnored(RightBackend):
    """Takes a write of the version that stands for one that was made already."""

    def apply(self, operation):
        standing = self.records.get(operation.key)
        if not (isinstance(operation, Put) and standing and standing.version == operation.version):
            super().apply(operation)


class ExpiredIsRead(RightBackend):
    """What has expired is read until it is reaped, though no scan finds it."""

    def read(self, keys):
        self.answer()
        with self.lock:
            return [self.records.get(key) for key in keys]


class BatchNeverExpires(RightBackend):
    """The ttl of several keys is dropped."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        if len(operations) > 1:
            operations = [
                each._replace(ttl=None) if isinstance(each, Put) else each for each in operations
            ]
        super().write(operations, require=require)


class RequiredWritesNeverExpire(RightBackend):
    """The ttl of a write that requires something is dropped."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        if require:
            operations = [
                each._replace(ttl=None)
                if isinstance(each, Put) and each.ttl is not KEEP and each.key[0] != "\0"
                else each
                for each in operations
            ]
        super().write(operations, require=require)


class KeepOutlivesRemoval(RightBackend):
    """What was removed has left its expiry behind, and KEEP finds it."""

    def __init__(self):
        super().__init__()
        self.left = {}

    def expiry(self, put):
        found = super().expiry(put)
        if put.ttl is KEEP and self.standing(put.key) is None:
            found = self.left.get(put.key)
        self.left[put.key] = found
        return found
