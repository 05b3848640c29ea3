"""Watching: changes as they happen, whether the backend tells of them or has to be asked."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from qstate import keys
from qstate.backend import Record, Version, WatchesKeys
from qstate.encoded import EncodedStore
from qstate.entries import Entry
from qstate.errors import StateError, StoreUnavailableError
from qstate.views import PAGE_SIZE, at_once, pages

POLL_INTERVAL: Final = 0.1
"""Seconds between two looks at a store whose backend does not tell of changes."""

_LOAD: Final = 10
"""A look at everything is followed by a pause this many times as long."""

_RECHECK: Final = 0.02

WatchContext: TypeAlias = AbstractContextManager[Iterator[str]]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was seen.

    Attributes:
        key: What changed.
        kind: "set", "deleted" or "expired".
        entry: What stands there now; None where nothing does.
    """

    key: str
    kind: Literal["set", "deleted", "expired"]
    entry: Entry | None


class _Known(NamedTuple):
    version: Version
    expires_at: float | None


class Changes(Iterator[Change]):
    """What ``with store.watch(…) as changes:`` gives: an iterator that waits for the next change.

    Every change after the ``with`` statement was entered is told, with a state at least that new;
    states in between may be skipped, the last one never. It remembers one version for each key
    under the prefix. Closing it, from any thread, ends the iteration.
    """

    def __init__(self, store: EncodedStore, prefix: str, *, single: bool = False) -> None:
        self._store = store
        self._single = single
        self._prefix = keys.join(store._prefix, prefix) if prefix else store._prefix
        self._client = store._client or store._open()
        self._known: dict[str, _Known] = {}
        self._expiries: list[tuple[float, str]] = []
        self._due_at: dict[str, float] = {}
        self._ready: deque[Change] = deque()
        self._told = threading.Condition()
        self._changed: dict[str, None] = {}
        self._look_at_all = False
        self._failed: StateError | None = None
        self._closed = False
        self._established = False
        self._source: threading.Thread | None = None
        self._following: WatchContext | None = None
        self._next_look = 0.0
        self._took = 0.0
        self._unavailable_since: float | None = None

    def __enter__(self) -> Self:
        if isinstance(self._client.backend, WatchesKeys):
            self._source = threading.Thread(target=self._follow, name="qstate watch", daemon=True)
            self._source.start()
            self._await_source()
        self._look(first=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch; an iteration that waits in another thread ends."""
        with self._told:
            self._closed = True
            self._told.notify_all()
        self._leave()
        if self._source is not None and self._source is not threading.current_thread():
            self._source.join()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Change:
        change = self.next(None)
        if change is None:
            raise StopIteration
        return change

    def next(self, timeout: float | None = None) -> Change | None:
        """The next change; None if none came within ``timeout`` seconds, or the watch was closed.

        Raises:
            StoreUnavailableError: The store has been out of reach for longer than its timeout.
        """
        give_up = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            if self._closed:
                return None
            waited = self._wait(give_up)
            self._take_in()
            late = give_up is not None and time.monotonic() >= give_up
            if late and not waited and not self._ready:
                return None
        return self._ready.popleft()

    # -- waiting ---------------------------------------------------------------------------------

    def _wait(self, give_up: float | None) -> bool:
        """Until something was told, or it is time to look; whether something was told."""
        with self._told:
            while not (news := self._has_news()):
                moments = [moment for moment in (give_up, self._due()) if moment is not None]
                pause = min(moments) - time.monotonic() if moments else None
                if pause is not None and pause <= 0:
                    break
                self._told.wait(pause)
            return news

    def _has_news(self) -> bool:
        look = self._look_at_all and time.monotonic() >= self._next_look
        return bool(self._changed or look or self._failed or self._closed)

    def _due(self) -> float | None:
        """When to look unasked, by the monotonic clock: at an expiry, or again at everything."""
        moments = []
        if self._expiries:
            moments.append(time.monotonic() + max(0.0, self._expiries[0][0] - time.time()))
        if self._source is None or self._look_at_all:
            moments.append(self._next_look)
        return min(moments, default=None)

    def _take_in(self) -> None:
        with self._told:
            changed, self._changed = self._changed, {}
            failed, self._failed = self._failed, None
            asked = self._look_at_all or self._source is None
            everything = asked and time.monotonic() >= self._next_look
            self._look_at_all = self._look_at_all and not everything
        if failed is not None:
            raise failed
        try:
            if everything:
                self._look()
            else:
                self._compare([*changed, *self._expired()])
        except StoreUnavailableError as error:
            self._come_back(error)

    def _come_back(self, error: StoreUnavailableError) -> None:
        """After a failed look: look at everything soon, or give up after the timeout."""
        now = time.monotonic()
        since = self._unavailable_since = self._unavailable_since or now
        with self._told:
            self._look_at_all = True
        if now - since > self._client.timeout:
            self._unavailable_since = None
            raise error
        self._client.pause(POLL_INTERVAL)

    # -- looking ---------------------------------------------------------------------------------

    def _look(self, *, first: bool = False) -> None:
        """Compare all keys under the prefix with what was known."""
        started = time.monotonic()
        gone = set(self._known)
        for page in pages(self._keys(), PAGE_SIZE):
            gone.difference_update(page)
            self._compare(page, first=first)
        self._compare(gone)
        took = time.monotonic() - started
        usual, self._took = min(took, self._took), took  # one that was held up is no measure
        pause = POLL_INTERVAL if self._source is None else 0.0
        self._next_look = time.monotonic() + max(pause, _LOAD * usual)

    def _keys(self) -> Iterable[str]:
        if self._single:
            return (self._prefix,)
        return self._store._scan_joined(self._client, self._prefix, PAGE_SIZE)

    def _compare(self, joined: Iterable[str], *, first: bool = False) -> None:
        wanted = [key for key in dict.fromkeys(joined) if self._concerns(key)]
        for page in pages(wanted, at_once(self._client.capabilities)):
            for key, record in zip(page, self._client.read(page), strict=True):
                change = self._changed_to(key, record)
                if change is not None and not first:
                    self._ready.append(change)
            self._unavailable_since = None

    def _concerns(self, key: str) -> bool:
        if self._single:
            return key == self._prefix
        if key == self._store._prefix:
            return False  # it has no name inside the scope
        return key.startswith(self._prefix) and not key.startswith(keys.INTERNAL)

    def _changed_to(self, key: str, record: Record | None) -> Change | None:
        known = self._known.pop(key, None)
        name = key[len(self._store._prefix) :]
        if record is None:
            if known is None:
                return None
            expired = known.expires_at is not None and known.expires_at <= time.time() + _RECHECK
            return Change(name, "expired" if expired else "deleted", None)
        self._known[key] = _Known(record.version, record.expires_at)
        self._remember_expiry(key, record.expires_at)
        if known is not None and known.version == record.version:
            return None
        return Change(name, "set", self._store._entry(name, record))

    def _remember_expiry(self, key: str, expires_at: float | None) -> None:
        if expires_at is None or self._due_at.get(key, math.inf) <= expires_at:
            return  # an earlier look is due, and will find when the next one is
        due = max(expires_at, time.time() + _RECHECK)
        self._due_at[key] = due
        heapq.heappush(self._expiries, (due, key))

    def _expired(self) -> list[str]:
        """Keys whose expiry was due, or would have been had it not changed since."""
        due = []
        while self._expiries and self._expiries[0][0] <= time.time():
            moment, key = heapq.heappop(self._expiries)
            if self._due_at.get(key) == moment:
                del self._due_at[key]
                due.append(key)
        return due

    # -- the source ------------------------------------------------------------------------------

    def _await_source(self) -> None:
        with self._told:
            self._told.wait_for(lambda: self._established or self._failed or self._closed)
            failed, self._failed = self._failed, None
        if failed is not None:
            self.close()
            raise failed

    def _follow(self) -> None:
        """In a thread: pass on what the backend tells, and resume it after a cut."""
        failing_since: float | None = None
        while not self._closed:
            try:
                context = self._client.backend.watch(self._prefix)  # type: ignore[attr-defined]
                told = context.__enter__()
                self._begin(context)
                failing_since = None
                for key in told:
                    self._tell(key)
            except StateError as error:
                failing_since = failing_since or time.monotonic()
                patient = self._established and isinstance(error, StoreUnavailableError)
                if not patient or time.monotonic() - failing_since > self._client.timeout:
                    self._fail(error)
                    return
                time.sleep(_RECHECK)
            finally:
                self._leave()

    def _begin(self, context: WatchContext) -> None:
        with self._told:
            # What changed while nothing was told is found by a look at everything.
            self._look_at_all = self._established
            self._established = True
            self._following = context
            self._told.notify_all()
        if self._closed:
            self._leave()

    def _leave(self) -> None:
        with self._told:
            context, self._following = self._following, None
        if context is not None:
            context.__exit__(None, None, None)

    def _tell(self, key: str) -> None:
        with self._told:
            if key:
                self._changed[key] = None
            else:
                self._look_at_all = True
            self._told.notify_all()

    def _fail(self, error: StateError) -> None:
        error.store = error.store or str(self._client.url)
        with self._told:
            self._failed = error
            self._told.notify_all()
