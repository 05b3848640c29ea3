"""Client: a backend as stores use it, its calls repeated where that does no harm."""

from __future__ import annotations

import contextlib
import functools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, ParamSpec, TypeVar

from qstate import plugins
from qstate.backend import (
    DEFAULT_TIMEOUT,
    Backend,
    Buffer,
    CountsKeys,
    Operation,
    Put,
    ReadsData,
    Record,
    RemembersWrites,
    RemovesKeys,
    StateURL,
    Version,
    deadline,
    read_options,
    time_left,
)
from qstate.errors import ConflictError, InvalidURLError, StateError, StoreUnavailableError
from qstate.observing import observe

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5
_spread: Final = random.Random()  # its own: a user's seeded one is left alone


class Client:
    """A backend as stores use it: its optional methods made up for, its errors told with the store.

    Attributes:
        url: The address it was made for, in canonical form.
        backend: The backend itself.
        read_data: The data under keys; the backend's own fast way where it has one.
    """

    def __init__(self, key: object, url: StateURL, options: Mapping[str, Any]) -> None:
        self.key = key
        self.url = url
        self.timeout = _timeout(url, options)
        self.backend: Backend = plugins.backend_for(url, options)
        self.capabilities = self.backend.capabilities
        self.holders = 0
        self._answered = False
        self._sleep: Callable[[float], None] = time.sleep
        self._use(self.backend)

    def _use(self, backend: Backend) -> None:
        self._read = backend.read
        self._write = backend.write
        self._read_data = (
            backend.read_data if isinstance(backend, ReadsData) else self._data_of_records
        )
        self._remove = backend.remove if isinstance(backend, RemovesKeys) else None
        self._count = backend.count if isinstance(backend, CountsKeys) else None
        self._write_once = backend.write_once if isinstance(backend, RemembersWrites) else None
        self._remove_once = backend.remove_once if isinstance(backend, RemembersWrites) else None
        self._harmless = (self._read, self._read_data, backend.scan, self._count)
        observe(self, str(self.url))

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under keys."""
        return self._call(self._read, keys)

    def read_data(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """The data under keys."""
        started = time.monotonic()
        try:
            found = self._read_data(keys)
        except StateError as error:
            return self._repeated(error, started, self._read_data, keys)
        self._answered = True
        return found

    def put(self, puts: Sequence[Put]) -> None:
        """Write without requirements. Where the answer is lost, the versions tell what happened.

        Raises:
            StoreUnavailableError: With ``outcome="unknown"`` where the writes are not found:
                sending them again could undo what others have written since.
        """
        started = time.monotonic()
        try:
            self._write(puts)
        except StateError as error:
            self._put_again(error, started, puts)
        self._answered = True

    def _put_again(self, error: StateError, started: float, puts: Sequence[Put]) -> None:
        try:
            self._repeated(error, started, self._write, puts)
        except StoreUnavailableError as lost:
            if lost.outcome != "unknown" or not self._stands(puts, lost, started):
                raise

    def write(self, operations: Sequence[Operation], require: Mapping[str, Version | None]) -> None:
        """Apply operations as one, if the requirements hold; exactly once, though answers are lost.

        Raises:
            ConflictError: A requirement did not hold; nothing was applied.
            StoreUnavailableError: With ``outcome="unknown"`` where it can't be told any more.
        """
        send: Callable[..., None] = self._write
        if self._write_once is not None:
            send = functools.partial(self._write_once, Version.new())
        started = time.monotonic()
        try:
            self._call(send, operations, require=require)
        except StoreUnavailableError as lost:
            if lost.outcome != "unknown":
                raise
            again = functools.partial(send, operations, require=require)
            self._settle(lost, again, operations, started)

    def remove(self, keys: Sequence[str]) -> int | None:
        """Remove keys as one and count those that stood; None where the backend has no such way."""
        if self._remove_once is not None:
            return self._settled_removal(functools.partial(self._remove_once, Version.new(), keys))
        return None if self._remove is None else self._call(self._remove, keys)

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """One page of keys."""
        return self._call(self.backend.scan, prefix, cursor, limit)

    def count(self, prefix: str) -> int | None:
        """How many keys stand under a prefix; None where the backend has no such way."""
        return None if self._count is None else self._call(self._count, prefix)

    def pause(self, seconds: float) -> None:
        """Sleep for about so long, spread so that clients cut together return apart."""
        self._sleep(seconds * _spread.uniform(0.5, 1))

    def _data_of_records(self, keys: Sequence[str]) -> list[Buffer | None]:
        return [None if record is None else record.data for record in self._read(keys)]

    def _call(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        started = time.monotonic()
        try:
            result = call(*args, **kwargs)
        except StateError as error:
            return self._repeated(error, started, call, *args, **kwargs)
        self._answered = True
        return result

    def _repeated(
        self,
        error: StateError,
        started: float,
        call: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """What a call gives that failed, where it may be repeated; else its error is raised."""
        harmless = call in self._harmless
        if not self._may_repeat(self._told(error), harmless):
            raise error
        return self._again(functools.partial(call, *args, **kwargs), error, started, harmless)

    def _again(self, call: Callable[[], R], error: StateError, started: float, harmless: bool) -> R:
        """Repeat a call that did no harm, within what is left of its timeout."""
        pause = _FIRST_PAUSE
        with self._bounded(started) as left:
            while left() > pause:
                self.pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                try:
                    return call()
                except StateError as failed:
                    error = self._told(failed)
                    if not self._may_repeat(error, harmless):
                        break
        raise error

    def _bounded(self, started: float) -> AbstractContextManager[Callable[[], float]]:
        """The timeout of a call that began then, or what the call that it is part of has left."""
        now = time.monotonic()
        return deadline(now + time_left(started + self.timeout - now))

    def _may_repeat(self, error: StateError, harmless: bool) -> bool:
        """Whether a failed call is tried again: it did no harm, and the store has answered before.

        A store that never answered is more likely mistyped than restarting: told at once.
        """
        if not isinstance(error, StoreUnavailableError) or not self._answered:
            return False
        return harmless or error.outcome == "not applied"

    def _settle(
        self,
        lost: StoreUnavailableError,
        send: Callable[[], None],
        operations: Sequence[Operation],
        started: float,
    ) -> None:
        """Send a write whose answer was lost again, with the same versions; judge by the answer."""
        try:
            self._again_until_answered(send, lost, started)
        except ConflictError:
            if self._write_once is not None:
                raise  # the backend remembers what it has applied, and this was not
            puts = [operation for operation in operations if isinstance(operation, Put)]
            if not self._stands(puts, lost, started):
                raise lost from None

    def _settled_removal(self, remove: Callable[[], int]) -> int:
        started = time.monotonic()
        try:
            return self._call(remove)
        except StoreUnavailableError as lost:
            if lost.outcome != "unknown":
                raise
            return self._again_until_answered(remove, lost, started)

    def _again_until_answered(
        self, send: Callable[[], R], lost: StoreUnavailableError, started: float
    ) -> R:
        pause = _FIRST_PAUSE
        with self._bounded(started) as left:
            while left() > pause:
                self.pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                with contextlib.suppress(StoreUnavailableError):
                    return send()
        raise lost

    def _stands(self, puts: Sequence[Put], lost: StoreUnavailableError, started: float) -> bool:
        """Whether one of the writes is in place, and so all of them were applied."""
        try:
            with self._bounded(started):
                records = self.read([put.key for put in puts])
        except StoreUnavailableError:
            raise lost from None
        found = zip(puts, records, strict=True)
        return any(record is not None and record.version == put.version for put, record in found)

    def _told(self, error: StateError) -> StateError:
        error.store = error.store or str(self.url)
        return error


def _timeout(url: StateURL, options: Mapping[str, Any]) -> float:
    given = {"timeout": options.get("timeout", DEFAULT_TIMEOUT)}
    timeout: float = read_options(url, given, {"timeout": float})["timeout"]
    if not 0 < timeout < float("inf"):
        raise InvalidURLError(f"{url}: timeout is a number of seconds above 0, not {timeout}")
    return timeout
