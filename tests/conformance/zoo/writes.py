"""Backends that write wrongly."""

import contextlib
import threading
import time

from qstate.backend import NO_REQUIREMENTS, ConflictError, Put, Version

from .right import RightBackend


class LostUpdate(RightBackend):
    """Looks whether the requirements hold, and writes a moment later."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        self.answer()
        self.check(require)
        time.sleep(0.001)
        with self.lock:
            for operation in operations:
                self.apply(operation)

    def once(self, operation, call):
        if operation not in self.ledger:
            self.ledger[operation] = call()
        return self.ledger[operation]


class HalfAppliedBatch(RightBackend):
    """Writes one key after the other, and lets readers in between."""

    def __init__(self):
        super().__init__()
        self.writing = threading.RLock()

    def write(self, operations, *, require=NO_REQUIREMENTS):
        self.answer()
        with self.writing:
            self.check(require)
            for operation in operations:
                with self.lock:
                    self.apply(operation)
                if len(operations) > 1:
                    time.sleep(0.0005)

    def remove(self, keys):
        return sum(self.remove_one(key) for key in keys)

    def remove_one(self, key):
        with self.writing:
            stood = super().remove([key])
        time.sleep(0.0005)
        return stood

    def once(self, operation, call):
        with self.writing:
            if operation not in self.ledger:
                self.ledger[operation] = call()
            return self.ledger[operation]


class HalfFailedBatch(RightBackend):
    """Checks each requirement when it comes to its key, and leaves what it wrote before."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        self.answer()
        left = dict(require)
        with self.lock:
            for operation in operations:
                if operation.key in left:
                    self.check({operation.key: left.pop(operation.key)})
                self.apply(operation)
            self.check(left)


class RetriedTwice(RightBackend):
    """Says that it remembers what it has applied, and does it again when it is sent again."""

    def once(self, operation, call):
        return call()


class IgnoresRequirementOfAbsentKey(RightBackend):
    """Takes any requirement as met where nothing stands."""

    def check(self, require):
        super().check({key: require[key] for key in require if self.standing(key) is not None})


class IgnoresRequiredAbsence(RightBackend):
    """Takes a requirement that nothing stands as no requirement."""

    def check(self, require):
        super().check({key: version for key, version in require.items() if version is not None})


class RequirementOutlivesExpiry(RightBackend):
    """Compares with what has expired but was not reaped yet."""

    def check(self, require):
        for key, version in require.items():
            record = self.records.get(key)
            actual = record and record.version
            if actual != version:
                raise ConflictError(key, version, actual)


class CountsWhatItWasAskedToRemove(RightBackend):
    """Says that all keys stood that it was to remove."""

    def remove(self, keys):
        super().remove(keys)
        return len(keys)


class Truncates(RightBackend):
    """Cuts values at 64 KiB, as a column of a database may."""

    def apply(self, operation):
        if isinstance(operation, Put):
            operation = operation._replace(parts=(operation.data[:65_535],))
        super().apply(operation)


class Aliases(RightBackend):
    """Keeps the caller's own buffers."""

    def apply(self, operation):
        super().apply(operation)
        if isinstance(operation, Put):
            kept = self.records[operation.key]
            self.records[operation.key] = kept._replace(data=operation.parts)

    def standing(self, key):
        record = super().standing(key)
        if record is None or not isinstance(record.data, tuple):
            return record
        return record._replace(data=b"".join(record.data))


class ChecksOnlyWhatItWrites(RightBackend):
    """Forgets what is required of keys that are not written."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        written = {operation.key for operation in operations}
        required = {key: version for key, version in require.items() if key in written}
        super().write(operations, require=required)


class ChecksOneRequirement(RightBackend):
    """Takes the first requirement for all of them."""

    def check(self, require):
        super().check(dict(list(require.items())[:1]))


class ComparesValues(RightBackend):
    """Takes a version for the one that stands if their values are the same."""

    def __init__(self):
        super().__init__()
        self.values = {}

    def apply(self, operation):
        if isinstance(operation, Put):
            self.values[operation.version] = operation.data
        super().apply(operation)

    def check(self, require):
        for key, version in require.items():
            standing = self.standing(key)
            if standing is None or self.values.get(version) != standing.data:
                super().check({key: version})


class VagueConflict(RightBackend):
    """Says of a conflict that nothing stands there, without a look."""

    def check(self, require):
        try:
            super().check(require)
        except ConflictError as error:
            raise ConflictError(error.key, error.expected, None) from None


class SwallowsConflicts(RightBackend):
    """Writes nothing where a requirement does not hold, and does not say so."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        with contextlib.suppress(ConflictError):
            super().write(operations, require=require)


class MakesVersionsOfItsOwn(RightBackend):
    """Keeps another version than the writer's, except for what the core keeps for itself."""

    def apply(self, operation):
        if isinstance(operation, Put) and operation.key[0] != "\0":
            operation = operation._replace(version=Version.new())
        super().apply(operation)


class ConflictsWithItself(RightBackend):
    """Says of what is sent again that something else was written meanwhile."""

    def once(self, operation, call):
        if operation in self.ledger:
            raise ConflictError("k", None, None)
        return super().once(operation, call)


class TakesAThousand(RightBackend):
    """Applies no more than a thousand operations, as many parameters as a statement has."""

    def write(self, operations, *, require=NO_REQUIREMENTS):
        super().write(operations[:1000], require=require)

    def remove(self, keys):
        return super().remove(keys[:1000])
