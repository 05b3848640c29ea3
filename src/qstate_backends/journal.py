"""Memory that writes each change to another store before it is acknowledged, and reads it again."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from qstate.backend import (
    NO_REQUIREMENTS,
    ConflictError,
    Delete,
    Operation,
    Put,
    Record,
    StateLostError,
    StoreUnavailableError,
    ValueTooLargeError,
    Version,
)
from qstate.store import StateStore
from qstate_backends.ledger import REMEMBERED, Ledger
from qstate_backends.memory import MemoryBackend
from qstate_backends.wire import size

_PAGE: Final = 1000


class _Step(NamedTuple):
    """A change on its way to the journal.

    Attributes:
        turn: The version that it gives the journal's turn.
        records: What stands under each key after it.
        operation: Its id; None where it need not be remembered.
        answer: What the one who asked for it is told.
    """

    turn: Version
    records: Mapping[str, Record | None]
    operation: Version | None
    answer: Any


class Journal:
    """Where one store's changes are kept in another, under keys that no user of that one sees.

    The journal's turn is a key whose version each change requires and replaces. So changes follow
    one another, one whose answer was lost can be told from one that was not made, and of two that
    write the journal the older is refused.

    Args:
        store: What the changes are written to.
        name: Of the store whose changes they are.
    """

    def __init__(self, store: StateStore, name: str) -> None:
        self.max_value_bytes = store.info().max_value_bytes
        self._client = store._open()
        self._prefix = f"\0journal/{hashlib.sha256(name.encode()).hexdigest()[:16]}/"
        self._turn_key = f"{self._prefix}turn"
        self._turn = Version.new()
        self._client.put([Put(self._turn_key, self._turn, (b"",))])
        self._doubtful: tuple[_Step, Version] | None = None

    def load(self, part: str) -> Iterator[tuple[str, Record]]:
        """All records of a part: ``"keys/"`` or ``"done/"``, each with its name there."""
        prefix, cursor = self._prefix + part, None
        while True:
            page, cursor = self._client.scan(prefix, cursor, _PAGE)
            for key, record in zip(page, self._client.read(page) if page else (), strict=True):
                if record is not None:
                    yield key.removeprefix(prefix), record
            if cursor is None:
                return

    def write(self, step: _Step) -> None:
        """Write a change.

        Raises:
            StateLostError: Another has begun to write this journal.
            StoreUnavailableError: The journal does not answer; where it is not known whether the
                change was made, :meth:`settle` will tell.
        """
        try:
            self._send(list(self._operations(step)), step.turn)
        except StoreUnavailableError as lost:
            if lost.outcome != "not applied":
                self._doubtful = step, Version.new()
            raise

    def settle(self) -> _Step | None:
        """The change whose answer was lost, if it was made; if not, it can't be made any more.

        Raises:
            StoreUnavailableError: The journal does not answer; nothing else can be written.
        """
        if self._doubtful is None:
            return None
        step, fence = self._doubtful
        try:
            self._send([], fence, known=(step.turn, fence))
        except StoreUnavailableError as error:
            raise StoreUnavailableError(str(error.args[0]), outcome="not applied") from error
        self._doubtful = None
        return step if self._turn == step.turn else None

    def _send(
        self, operations: list[Operation], turn: Version, known: Sequence[Version] = ()
    ) -> None:
        operations.append(Put(self._turn_key, turn, (b"",)))
        try:
            self._client.backend.write(operations, require={self._turn_key: self._turn})
        except ConflictError as error:
            if error.actual not in known:
                raise StateLostError(
                    "another actor of this name has taken over the journal; this one has ended"
                ) from error
            turn = Version(error.actual or b"")
        self._turn = turn

    def _operations(self, step: _Step) -> Iterator[Operation]:
        for key, record in step.records.items():
            name = f"{self._prefix}keys/{key}"
            if record is None:
                yield Delete(name)
                continue
            expires_at = record.expires_at
            ttl = None if expires_at is None else max(expires_at - time.time(), 0.001)
            yield Put(name, record.version, (record.data,), ttl)
        if step.operation is not None:
            data = msgpack.packb(step.answer)
            name = f"{self._prefix}done/{step.operation.hex()}"
            yield Put(name, Version.new(), (data,), REMEMBERED)


class JournaledMemory(MemoryBackend):
    """Records in memory, as a journal has them; made from what the journal holds.

    Args:
        store: What each change is written to before it is acknowledged.
        name: Of this store; another name has another journal in the same store.
    """

    def __init__(self, store: StateStore, name: str) -> None:
        super().__init__()
        self._journal = Journal(store, name)
        self._writing = threading.Lock()
        self._done = Ledger()
        self._put_all(dict(self._journal.load("keys/")))
        for operation, record in self._journal.load("done/"):
            self._done.add(bytes.fromhex(operation), msgpack.unpackb(record.data))

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one, if every requirement holds, once the journal has them."""
        self._write(None, operations, require)

    def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``; does nothing where this operation has been applied."""
        self._write(operation, operations, require)

    def remove(self, keys: Sequence[str]) -> int:
        """Remove ``keys`` as one, once the journal has that; return how many stood."""
        return self._remove(None, keys)

    def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``; answers as the first time where this operation has been applied."""
        return self._remove(operation, keys)

    def _write(
        self,
        operation: Version | None,
        operations: Sequence[Operation],
        require: Mapping[str, Version | None],
    ) -> None:
        self._refuse_large(operations)
        with self._writing:
            self._settle()
            if operation in self._done:
                return
            with self._lock:
                records = self._records.made(operations, require)
            self._apply(_Step(Version.new(), records, operation, None))

    def _remove(self, operation: Version | None, keys: Sequence[str]) -> int:
        with self._writing:
            self._settle()
            if operation is not None and operation in self._done:
                answer: int = self._done.answer(operation)
                return answer
            with self._lock:
                standing = self._records.removals(keys)
            if standing or operation is not None:
                self._apply(_Step(Version.new(), standing, operation, len(standing)))
            return len(standing)

    def _apply(self, step: _Step) -> None:
        try:
            self._journal.write(step)
        except StoreUnavailableError as lost:
            if lost.outcome == "not applied":
                raise
            self._apply_doubtful(step, lost)
        else:
            self._adopt(step)

    def _apply_doubtful(self, step: _Step, lost: StoreUnavailableError) -> None:
        """Ask the journal at once whether a change was made; where it does not answer, later."""
        try:
            made = self._settle()
        except StoreUnavailableError:
            raise lost from None
        if made is not step:
            raise StoreUnavailableError(str(lost.args[0]), outcome="not applied") from lost

    def _settle(self) -> _Step | None:
        made = self._journal.settle()
        if made is not None:
            self._adopt(made)
        return made

    def _adopt(self, step: _Step) -> None:
        self._put_all(step.records)
        if step.operation is not None:
            self._done.add(step.operation, step.answer)

    def _put_all(self, records: Mapping[str, Record | None]) -> None:
        with self._lock:
            self._records.adopt(records)
            self._tell(records)

    def _refuse_large(self, operations: Sequence[Operation]) -> None:
        most = self._journal.max_value_bytes
        for each in operations:
            if most is not None and isinstance(each, Put) and sum(map(size, each.parts)) > most:
                raise ValueTooLargeError(f"the actor's journal takes values of {most:,} bytes")
