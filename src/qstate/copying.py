"""Copying: records as they stand, with version and expiry, from one store to another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeAlias

from qstate import keys
from qstate.backend import Put, Record, Version
from qstate.clients import Client
from qstate.errors import InvalidKeyError, SerializationError
from qstate.store import StateStore
from qstate.views import PAGE_SIZE, at_once

Kind: TypeAlias = Literal["copied", "same", "conflict", "refused"]
Read: TypeAlias = Record | SerializationError
Batch: TypeAlias = list[tuple[str, Read]]
Told: TypeAlias = Callable[["Outcome"], object]

_BATCH_BYTES: Final = 8 * 2**20
_FIRST_BATCH: Final = 16
_SAME_MOMENT: Final = 2.0
"""Seconds by which two expiries may differ and be the same one: it is written as seconds left."""


class Outcome(NamedTuple):
    """What became of one key.

    Attributes:
        key: The key, without the scope of either store.
        kind: "copied"; "same": it stood there already; "conflict": another version stands there, or
            another expiry; "refused": it can't be read here, or written there.
        reason: For people, why it was not copied.
    """

    key: str
    kind: Kind
    reason: str = ""


@dataclass(slots=True)
class Copied:
    """How many keys were copied, and how many were not.

    Attributes:
        copied: Keys that were written; of a comparison, that would have been.
        same: Keys that stood there already, with the same version.
        conflicts: Keys under which something else stands.
        refused: Keys that can't be read, or written there.
    """

    copied: int = 0
    same: int = 0
    conflicts: int = 0
    refused: int = 0

    @property
    def complete(self) -> bool:
        """Whether all that was to be copied now stands at the destination."""
        return not self.conflicts and not self.refused

    def _count(self, kind: Kind) -> None:
        name = "conflicts" if kind == "conflict" else kind
        setattr(self, name, getattr(self, name) + 1)


def copy(
    source: StateStore,
    destination: StateStore,
    *,
    prefix: str = "",
    overwrite: bool = False,
    dry_run: bool = False,
    told: Told | None = None,
) -> Copied:
    """Copy all keys from one store to another, with their versions and expiries.

    Values are not decoded: types that are not installed here, and encrypted values, are copied
    like any other. An encrypted value is bound to its key, scope included: it can be read under
    the same key alone. An expiry stays the moment that it was. A batch of about 8 MiB, unless
    single values are larger, is held in memory at a time, and written as one. A copy that was cut
    off is resumed by copying again: what stands at the destination with the same version is left.

    Args:
        source: What is copied; a scope's keys are copied without its name.
        destination: Where to.
        prefix: Keys that begin with it are copied.
        overwrite: Write also where another version stands. Otherwise that is a conflict, and what
            stands stays.
        dry_run: Write nothing; tell what would be done.
        told: Is called with the outcome of each key.

    Returns:
        The numbers of keys copied, left alone, in conflict and refused.

    Raises:
        ValueError: One of the two is a scope of the other.
        StoreUnavailableError: A store did not answer; copying again resumes.

    Example:
        >>> import qstate
        >>> lab, archive = qstate.connect("memory://docs"), qstate.connect("memory://docs-archive")
        >>> lab.set_many({"run/energy": -1.137, "run/steps": 12})
        >>> qstate.copy(lab, archive, prefix="run/")
        Copied(copied=2, same=0, conflicts=0, refused=0)
        >>> qstate.copy(lab, archive)
        Copied(copied=0, same=2, conflicts=0, refused=0)
        >>> archive["run/energy"]
        -1.137
        >>> lab.clear(everything=True), archive.clear(everything=True)
        (None, None)
    """
    _check_apart(source, destination)
    found = batches(source, prefix)
    return take(found, destination, overwrite=overwrite, dry_run=dry_run, told=told)


def only_in(store: StateStore, other: StateStore, prefix: str = "") -> Iterator[str]:
    """The keys of one store that stand in it, but not in another."""
    for batch in batches(store, prefix):
        names = [name for name, _ in batch]
        client = other._client or other._open()
        found = _read(client, [keys.join(other._prefix, name) for name in names])
        yield from (name for name, there in zip(names, found, strict=True) if there is None)


def batches(store: StateStore, prefix: str = "") -> Iterator[Batch]:
    """All records of a store, some at a time; each key that stays at least once."""
    client = store._client or store._open()
    scope, most = len(store._prefix), at_once(client.capabilities)
    joined = _joined(store, client, prefix)
    size = min(_FIRST_BATCH, most)
    while wanted := list(islice(joined, size)):
        found = zip(wanted, _read(client, wanted), strict=True)
        batch = [(key[scope:], record) for key, record in found if record is not None]
        if batch:
            yield batch
        fitting = _BATCH_BYTES * len(wanted) // (_weight(batch) + 1)
        size = max(1, min(most, fitting, 4 * size))


def take(
    found: Iterable[Batch],
    destination: StateStore,
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    told: Told | None = None,
) -> Copied:
    """Write records to a store, as :func:`copy` does."""
    taker = _Taker(destination, overwrite, dry_run)
    copied = Copied()
    for batch in found:
        for outcome in taker.take(batch):
            copied._count(outcome.kind)
            if told is not None:
                told(outcome)
    return copied


class _Taker:
    """Takes records in, so that nothing is overwritten that it has not seen."""

    def __init__(self, store: StateStore, overwrite: bool, dry_run: bool) -> None:
        self._store = store
        self._client = store._client or store._open()
        self._overwrite = overwrite
        self._dry_run = dry_run

    def take(self, batch: Batch) -> list[Outcome]:
        """Write a batch as one; where the store writes one key at a time, singly."""
        if self._client.capabilities.several_keys:
            return self._store._until_settled(self._client, lambda: self._attempt(batch))
        return [outcome for one in batch for outcome in self._take_one(one)]

    def _take_one(self, one: tuple[str, Read]) -> list[Outcome]:
        return self._store._until_settled(self._client, lambda: self._attempt([one]))

    def _attempt(self, batch: Batch) -> list[Outcome]:
        outcomes, puts = [], []
        require: dict[str, Version | None] = {}
        for (name, record), standing in zip(batch, self._standing(batch), strict=True):
            outcome = self._judge(name, record, standing)
            if outcome.kind == "copied" and isinstance(record, Record):
                put = self._put(name, record)
                if put is None:
                    continue  # it has expired since it was read
                puts.append(put)
                require[put.key] = standing.version if isinstance(standing, Record) else None
            outcomes.append(outcome)
        if puts and not self._dry_run:
            self._client.write(puts, require)
        return outcomes

    def _standing(self, batch: Batch) -> list[Read | InvalidKeyError | None]:
        joined: list[str | InvalidKeyError] = [self._join(name) for name, _ in batch]
        good = [key for key in joined if isinstance(key, str)]
        found = dict(zip(good, _read(self._client, good), strict=True))
        return [found[key] if isinstance(key, str) else key for key in joined]

    def _join(self, name: str) -> str | InvalidKeyError:
        try:
            return keys.join(self._store._prefix, name)
        except InvalidKeyError as error:
            return error

    def _judge(self, name: str, record: Read, standing: object) -> Outcome:
        if isinstance(record, SerializationError):
            return Outcome(name, "refused", str(record))
        if isinstance(standing, InvalidKeyError | SerializationError):
            return Outcome(name, "refused", f"at the destination: {standing}")
        if isinstance(standing, Record):
            differs = _difference(record, standing)
            if not differs or not self._overwrite:
                return Outcome(name, "conflict" if differs else "same", differs)
        return self._fitting(name, record)

    def _fitting(self, name: str, record: Record) -> Outcome:
        can, size = self._client.capabilities, len(record.data)
        if can.max_value_bytes is not None and size > can.max_value_bytes:
            return Outcome(
                name,
                "refused",
                f"it has {size:,} bytes; the destination takes at most {can.max_value_bytes:,}",
            )
        if record.expires_at is not None and not can.expiry:
            return Outcome(name, "refused", "it expires, which the destination's values can't")
        return Outcome(name, "copied")

    def _put(self, name: str, record: Record) -> Put | None:
        left = None if record.expires_at is None else record.expires_at - time.time()
        if left is not None and left <= 0:
            return None
        return Put(keys.join(self._store._prefix, name), record.version, (record.data,), left)


def _difference(record: Record, standing: Record) -> str:
    """What differs between two records, for people; nothing where they are the same."""
    if record.version != standing.version:
        return f"version {standing.version} stands there, not {record.version}"
    here, there = record.expires_at, standing.expires_at
    if here is None or there is None:
        return "" if here is there else "it expires in one of the two alone"
    return "" if abs(here - there) <= _SAME_MOMENT else "it expires at another time there"


def _joined(store: StateStore, client: Client, prefix: str) -> Iterator[str]:
    """The joined keys of a store, page by page, without a memory of those that came before."""
    wanted = store._prefix + keys.check_prefix(prefix)
    cursor: bytes | None = None
    while True:
        page, cursor = client.scan(wanted, cursor, PAGE_SIZE)
        for key in dict.fromkeys(page):
            if key != store._prefix and not key.startswith(keys.INTERNAL):
                yield key
        if cursor is None:
            return


def _read(client: Client, joined: Sequence[str]) -> list[Read | None]:
    """The records under keys; for one that can't be read, the error."""
    several = client.capabilities.several_keys
    if several or len(joined) < 2:
        try:
            return list(client.read(joined)) if joined else []
        except SerializationError as error:
            if len(joined) == 1:
                return [error]
    return [record for key in joined for record in _read(client, [key])]


def _weight(batch: Batch) -> int:
    return sum(len(record.data) for _, record in batch if isinstance(record, Record))


def _check_apart(source: StateStore, destination: StateStore) -> None:
    one, other = source._client or source._open(), destination._client or destination._open()
    inner, outer = sorted((source._prefix, destination._prefix), key=len, reverse=True)
    if one is other and inner.startswith(outer):
        raise ValueError(
            f"{source!r} and {destination!r} share keys; copy to another store, or "
            "from one scope to another"
        )
