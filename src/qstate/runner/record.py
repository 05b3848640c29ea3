"""The record of a job: what is kept of it in stores, where it outlasts the Ray that ran it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from typing import Any, Final

from qstate.addresses import is_name
from qstate.errors import StateError, StoreUnavailableError
from qstate.injection import current
from qstate.runner.connection import is_joined
from qstate.store import StateStore, connect
from qstate.url import StateURL
from qstate.whereabouts import Origin

SCOPE: Final = "qstate-jobs"
"""Under ``qstate-jobs/<job id>/`` stand the keys ``record arguments progress result log``."""

LONGEST_LOG: Final = 100_000
"""How many characters of a job's log are kept: the last ones."""

_ENDED: Final = ("SUCCEEDED", "FAILED", "STOPPED")

Facts = dict[str, Any]


class Record:
    """The record of one job, in one store or in several.

    Args:
        job_id: The job's id.
        *stores: Where it stands. The first has the result; what is noted is noted in all.
    """

    def __init__(self, job_id: str, *stores: StateStore) -> None:
        self.job_id = job_id
        self.stores = tuple(map(copy, stores))  # whoever gave one may close it

    def begin(self, facts: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        """Write what is known when the job is submitted.

        Raises:
            SerializationError: An argument is nothing that a store takes.
            StoreUnavailableError: A store did not answer.
        """
        for store in self.stores:
            store.set(self._key("arguments"), dict(arguments))
            store.set(self._key("record"), dict(facts))

    def note(self, **news: Any) -> None:
        """Add to the facts wherever a store can be reached; what Ray has told last stays."""
        for store in self.stores:
            try:
                _check(store)
                if self._key("record") in store:
                    store.modify(self._key("record"), lambda known: _merged(known, news), {})
            except StateError:  # the record is for later: no job fails for it
                continue

    def facts(self) -> Facts:
        """What is known of the job, from the store that knows most; empty: nothing.

        Raises:
            StateError: No store can be asked.
        """
        return max(self._standing("record"), key=_finality, default={})

    def arguments(self) -> dict[str, Any]:
        """The arguments that the job was given."""
        return next(self._standing("arguments"), {})

    def result(self) -> Any:
        """What the job saved; None: nothing."""
        return next(self._standing("result"), None)

    def save_result(self, value: Any) -> None:
        """Keep the job's result.

        Raises:
            SerializationError: It is nothing that a store takes.
            UnreachableStoreError: The store does not reach to here.
            StoreUnavailableError: The store did not answer.
        """
        self.stores[0].set(self._key("result"), value)

    def progress(self) -> tuple[float, float | None] | None:
        """How far the job is, as it has told itself: done, and of how much; None: not known."""
        with suppress(StateError):
            return next(self._standing("progress"), None)
        return None

    def report_progress(self, done: float, total: float | None) -> None:
        """Tell how far the job is."""
        self.stores[0].set(self._key("progress"), (done, total))

    def log(self) -> str | None:
        """The end of what the job printed, kept when it had ended."""
        return next(self._standing("log"), None)

    def settle(self, log: str, **news: Any) -> None:
        """Note what Ray tells of the job that has ended, and keep the end of its log."""
        self.note(settled=True, **news)
        self._keep("log", log[-LONGEST_LOG:])
        if len(self.stores) > 1:
            self._copy_result()

    def forget(self) -> None:
        """Remove the record."""
        for store in self.stores:
            for name in ("record", "arguments", "progress", "result", "log"):
                store.delete(self._key(name))

    def _copy_result(self) -> None:
        """Let the result outlast a store that other processes can't open by themselves."""
        try:
            found = self.stores[0].get(self._key("result"), self)
            if found is not self and pointer(self.stores[0]) is None:
                self._keep("result", found)
        except StateError:
            return

    def _keep(self, name: str, value: Any) -> None:
        """Write to all stores that can be reached and have a record of the job."""
        for store in self.stores:
            try:
                if self._key("record") in store:
                    store.set(self._key(name), value)
            except StateError:
                continue

    def _standing(self, name: str) -> Iterator[Any]:
        """What stands under a name in each store.

        Where none has it, one that can't be asked may be the one that would.
        """
        failure, somewhere = None, False
        for store in self.stores:
            try:
                _check(store)
                found = store.get(self._key(name), self)
            except StateError as error:
                failure = error
                continue
            if found is not self:
                somewhere = True
                yield found
        if failure is not None and not somewhere:
            raise failure

    def _key(self, name: str) -> str:
        return f"{SCOPE}/{self.job_id}/{name}"


def _merged(known: Any, news: Mapping[str, Any]) -> Facts:
    if known.get("settled") and not news.get("settled"):
        return dict(known)
    return {**known, **news}


def _finality(facts: Facts) -> int:
    """How much a store knows: whether Ray has told the end, or the job itself, or nobody."""
    return 2 if facts.get("settled") else int(has_ended(facts))


def has_ended(facts: Mapping[str, Any]) -> bool:
    """Whether the job has ended, as far as its record knows."""
    return facts.get("status") in _ENDED


def _needs_ray(store: StateStore) -> bool:
    return (store._client or store._open()).url.scheme == "actor"


def _check(store: StateStore) -> None:
    """Refuse a store that would join a Ray for it, or start one."""
    if _needs_ray(store) and not is_joined():
        raise StoreUnavailableError(
            f"{store!r} is in a Ray that this process is not connected to", outcome="not applied"
        )


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def ambient_store() -> StateStore:
    """Where jobs are recorded that are given no store, and looked for."""
    store = current()
    return store if isinstance(store, StateStore) else connect()


def job_ids(store: StateStore) -> list[str]:
    """The ids of all jobs that have a record in a store."""
    start, end = f"{SCOPE}/", "/record"
    return [key[len(start) : -len(end)] for key in store.scan(start) if key.endswith(end)]


def pointer(store: StateStore) -> dict[str, str] | None:
    """How other processes open a store by themselves, with nothing secret in it; None: they can't.

    A URL with a password, or a store with options of its own, has to be given to them.
    """
    info = store.info()
    address = store._address
    if store._options or info.reach == "process" or _needs_ray(store):
        return None
    if not is_name(str(address)) and StateURL.parse(str(address)) != address:
        return None
    return {"address": str(address), "scope": info.scope[:-1], "host": _host(info.reach)}


def pointed_at(place: Mapping[str, str] | None) -> StateStore | None:
    """The store that a pointer leads to; None: it can't be opened here."""
    if not place or place["host"] not in ("", Origin.here().host):
        return None
    return _tried(lambda: _opened(place["address"], place["scope"]))


def _opened(address: str, scope: str) -> StateStore:
    store = connect(address)
    return store.scope(scope) if scope else store


def _host(reach: str) -> str:
    return Origin.here().host if reach == "host" else ""


def _tried(open_store: Callable[[], StateStore]) -> StateStore | None:
    try:
        return open_store()
    except StateError:
        return None
