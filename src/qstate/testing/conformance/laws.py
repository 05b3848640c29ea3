"""Laws: what the mixins of the suite share: the store, the author's hooks, what does not apply."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final, NoReturn

import pytest

from qstate.backend import Backend, Capabilities, SharesURL, WatchesKeys
from qstate.store import StateStore
from qstate.testing.conformance.waiting import decided
from qstate.testing.workers import Worker, working

NOT_APPLICABLE: Final = "not applicable: "
"""Begins the reason of every skip of this suite."""

COUNTED: Final = "conformance: "
"""Begins the names under which pytest's reports have how much was tried."""

LACKS: Final[Mapping[str, str]] = {
    "expiry": "values can't expire there",
    "several_keys": "a write holds one key there",
    "durable": "it does not say that it survives a restart",
    "watch": "it is asked for changes, and does not tell of them",
    "reach": "it is the store of one process",
    "reads behind": "it declares that reads may be behind",
}
"""What laws rest on, and what is said where a store has it not."""

OFFERED: Final = " offered"
"""Ends the reason where a law is about stores that do without something."""

KNOWN_FAILURES: Final = ("regression", "unsupported", "future")

Tally = Callable[[str, int], None]


class Laws:
    """What an author gives: a store, and what more there is.

    Attributes:
        limit: Seconds that a law may take; it is broken if it takes longer.
        known_failures: Laws that are known to be broken: the name of the law → one of the words
            regression, unsupported and future, a colon, and the reason. They are reported, and so
            is one that is kept after all.
        raw_get: The bytes that stand under a key, by a way round the store; None: there is none.
        raw_set: Put bytes under a key as something other than qstate would; None: there is no way.
        unavailable: For the length of a ``with`` block the store can't be reached.
        restart: End the server of the store, and start it again.
    """

    promise: ClassVar[str] = ""
    limit: ClassVar[float] = 120.0
    known_failures: ClassVar[Mapping[str, str]] = {}
    raw_get: Callable[[str], bytes | None] | None = None
    raw_set: Callable[[str, bytes], None] | None = None
    unavailable: Callable[[], AbstractContextManager[object]] | None = None
    restart: Callable[[], None] | None = None

    @pytest.fixture
    def store(self) -> Iterator[StateStore]:
        """An empty store; the one thing that an author has to give."""
        raise NotImplementedError("give your subclass a fixture `store` that yields an empty one")

    @pytest.fixture(scope="class")
    @classmethod
    def workers(cls) -> Iterator[list[Worker]]:
        """Three other processes."""
        with working(3) as workers:
            yield workers

    @pytest.fixture
    def more(self, request: pytest.FixtureRequest) -> int:
        """How many times as much is to be tried as usual: ``--conformance-more``."""
        return int(request.config.getoption("conformance_more", 1))

    @pytest.fixture
    def seed(self, request: pytest.FixtureRequest, more: int) -> random.Random:
        """Chooses what a law tries: the same each time, unless more was asked for."""
        return random.Random(request.node.name if more == 1 else None)

    @pytest.fixture
    def tally(self, record_property: Callable[[str, object], None]) -> Tally:
        """Notes how much a law has tried: histories, operations, lost answers."""
        return lambda name, count: record_property(COUNTED + name, count)

    @pytest.fixture(autouse=True)
    def _declared(self, request: pytest.FixtureRequest) -> None:
        self._check_declared()
        law = getattr(request.node, "originalname", request.node.name)
        reason = self.known_failures.get(request.node.name, self.known_failures.get(law))
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=False))

    @pytest.fixture(autouse=True)
    def _bounded(self, store: StateStore, more: int) -> Iterator[None]:  # noqa: ARG002 - made before
        with decided(self.limit * more):
            yield

    def _check_declared(self) -> None:
        for law, reason in self.known_failures.items():
            if not hasattr(self, law.partition("[")[0]):
                pytest.fail(f"known_failures: there is no law {law!r}")
            if reason.partition(":")[0] not in KNOWN_FAILURES:
                pytest.fail(f"known_failures[{law!r}] begins with none of {KNOWN_FAILURES}")


def backend_of(store: StateStore) -> Backend:
    """The backend of a store."""
    return (store._client or store._open()).backend


def can(store: StateStore) -> Capabilities:
    """What the backend of a store declares."""
    return backend_of(store).capabilities


def not_applicable(reason: str) -> NoReturn:
    """End a law that says nothing about this store."""
    told = f": {LACKS[reason]}" if reason in LACKS else ""
    pytest.skip(NOT_APPLICABLE + reason + told)


def needs(store: StateStore, *capabilities: str) -> None:
    """End a law that rests on what this store does not declare: expiry, several_keys, durable."""
    for name in capabilities:
        if not getattr(can(store), name):
            not_applicable(name)


def needs_hook(hook: Any, name: str) -> Any:
    """The author's hook; ends the law where there is none."""
    if hook is None:
        not_applicable(f"hook {name}: its author gave none")
    return hook


def needs_watch(store: StateStore) -> None:
    """End a law that rests on a store that tells of changes."""
    if not isinstance(backend_of(store), WatchesKeys):
        not_applicable("watch")


def travels(store: StateStore) -> bool:
    """Whether a copy of the store in another process is the same store."""
    return can(store).reach != "process" or isinstance(backend_of(store), SharesURL)


def needs_processes(store: StateStore) -> None:
    """End a law that rests on other processes, where the store is this one's alone."""
    if not travels(store):
        not_applicable("reach")


def fill(store: StateStore, values: Mapping[str, Any]) -> None:
    """Write values, as one where the store can."""
    if can(store).several_keys:
        store.set_many(values)
    else:
        for key, value in values.items():
            store[key] = value


def found(store: StateStore, keys: Iterable[str]) -> dict[str, Any]:
    """The values that stand under keys, read as one where the store can."""
    if can(store).several_keys:
        return store.get_many(keys)
    missing = object()
    values = {key: store.get(key, missing) for key in keys}
    return {key: value for key, value in values.items() if value is not missing}


def another(store: StateStore, **options: Any) -> StateStore:
    """Another handle on the same store, with other options."""
    handle = object.__new__(type(store))
    handle._set_up(store._address, {**store._options, **options}, store._prefix, store._origin)
    return handle
