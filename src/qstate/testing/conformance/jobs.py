"""What the laws have other processes do; it needs neither pytest nor the suite."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from qstate.errors import ConflictError
from qstate.locks import Lease, Lock
from qstate.store import StateStore
from qstate.testing.conformance.linearizability import Event

ABSENT: Final = "absent"
BATCH: Final = 3
"""Keys of a batch that is one register in a history."""

_held: dict[str, tuple[Lock, Lease]] = {}


def get(store: StateStore, key: str) -> Any:
    """A value as this process sees it."""
    return store.get(key)


def put(store: StateStore, key: str, value: Any) -> None:
    """Write a value."""
    store[key] = value


def count(store: StateStore, key: str, last: int) -> None:
    """Write the numbers from 1 on."""
    for number in range(1, last + 1):
        store[key] = number


def increment(store: StateStore, key: str, times: int) -> list[int]:
    """Count on; what each step returned."""
    return [store.increment(key) for _ in range(times)]


def clear(store: StateStore) -> list[str]:
    """Empty a scope; the keys that were there."""
    found = sorted(store)
    store.clear()
    return found


def wait_for(store: StateStore, key: str, timeout: float) -> Any:
    """Wait until something stands under a key."""
    return store.wait_for(key, timeout=timeout)


def use_in_forked_child(store: StateStore, key: str) -> Any:
    """Count on in this process, in a forked child, and here again; what stands then."""
    store.increment(key)
    child = os.fork()
    if child == 0:
        failed = True
        try:
            failed = store.increment(key) != 2
        finally:
            os._exit(failed)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise ChildProcessError(f"the forked child ended with status {status}")
    return store.increment(key)


def take(store: StateStore, name: str, ttl: float) -> int:
    """Take a lock and keep it, renewed, until `give_back`; its token."""
    lock = store.lock(name, ttl=ttl, wait=30)
    lease = lock.__enter__()
    _held[name] = lock, lease
    return lease.token


def check(name: str) -> None:
    """What a holder does before each step that must not be done twice."""
    _held[name][1].check()


def write_under(store: StateStore, name: str, key: str) -> None:
    """Write in a transaction that rests on the lease."""
    with store.transaction(lease=_held[name][1]) as tx:
        tx[key] = "written"


def give_back(name: str) -> None:
    """Release a lock that was taken."""
    lock, _ = _held.pop(name)
    lock.__exit__(None, None, None)


def add_under_lock(store: StateStore, name: str, times: int) -> list[int]:
    """Read, and write one more, in two steps that a lock guards; the tokens."""
    tokens = []
    for _ in range(times):
        with store.lock(name, ttl=30) as lease:
            value = store.get("guarded", 0)
            tokens.append(lease.token)
            store["guarded"] = value + 1
    return tokens


def transfer(store: StateStore, accounts: Sequence[str], seed: int, times: int) -> int:
    """Move money between accounts and look at all of them; how often their sum was wrong."""
    chosen, wrong = random.Random(seed), 0
    for _ in range(times):
        source, target = chosen.sample(list(accounts), 2)

        def move(tx: Any, source: str = source, target: str = target) -> None:
            amount = chosen.randint(1, 9)
            tx[source], tx[target] = tx[source] - amount, tx[target] + amount

        store.transact(move)
        wrong += sum(store.get_many(accounts).values()) != 100 * len(accounts)
    return wrong


def play(
    store: StateStore, keys: Sequence[str], process: int, seed: int, times: int
) -> list[Event]:
    """Do random operations on a few keys, and record each with its times."""
    player = _Player(store, process, random.Random(seed))
    for _ in range(times):
        player.step(player.chosen.choice(list(keys)))
    return player.events


def _members(key: str) -> list[str]:
    return [f"{key}/{number}" for number in range(BATCH)]


def _as_one(found: Mapping[str, Any]) -> Any:
    """What stands under all keys of a batch, or what was seen of it that is no such thing."""
    values = set(found.values()) or {ABSENT}
    if len(values) == 1 and len(found) in (0, BATCH):
        return values.pop()
    return f"half done: {dict(found)}"


class _Player:
    """One process of a concurrent history: every value that it writes is written once."""

    def __init__(self, store: StateStore, process: int, chosen: random.Random) -> None:
        self.store = store
        self.chosen = chosen
        self.events: list[Event] = []
        self._process = process
        self._count = 0
        counter = (self._increment, self._read)
        register = (self._read, self._write, self._swap, self._remove, self._pop, self._default)
        batch = (self._read_all, self._write_all, self._exchange_all, self._remove_all)
        self._kinds = {"n": counter, "r": register, "b": batch}

    def step(self, key: str) -> None:
        """One operation; keys that begin with n are counters, with r registers, with b batches."""
        self.chosen.choice(self._kinds[key[0]])(key)

    def _record(self, key: str, name: str, argument: Any, call: Callable[[], Any]) -> Any:
        called = time.monotonic()
        result = call()
        self.events.append(Event(key, name, argument, result, called, time.monotonic()))
        return result

    def _new(self) -> str:
        self._count += 1
        return f"{self._process}.{self._count}"

    def _increment(self, key: str) -> None:
        by = self.chosen.randint(1, 5)
        self._record(key, "increment", by, lambda: self.store.increment(key, by))

    def _read(self, key: str) -> None:
        self._record(key, "read", None, lambda: self.store.get(key, ABSENT))

    def _write(self, key: str) -> None:
        value = self._new()
        self._record(key, "write", value, lambda: self.store.set(key, value) and None)

    def _remove(self, key: str) -> None:
        self._record(key, "remove", None, lambda: self.store.delete(key))

    def _pop(self, key: str) -> None:
        self._record(key, "pop", None, lambda: self.store.pop(key, ABSENT))

    def _default(self, key: str) -> None:
        value = self._new()
        self._record(key, "default", value, lambda: self.store.setdefault(key, value))

    def _read_all(self, key: str) -> None:
        self._record(key, "read", None, lambda: _as_one(self.store.get_many(_members(key))))

    def _write_all(self, key: str) -> None:
        value = self._new()
        values = dict.fromkeys(_members(key), value)
        self._record(key, "write", value, lambda: self.store.set_many(values))

    def _remove_all(self, key: str) -> None:
        kinds = {0: False, BATCH: True}

        def remove() -> Any:
            stood = self.store.delete_many(_members(key))
            return kinds.get(stood, f"{stood} stood")

        self._record(key, "remove", None, remove)

    def _exchange_all(self, key: str) -> None:
        value = self._new()

        def work(tx: Any) -> Any:
            found = {member: tx.get(member, ABSENT) for member in _members(key)}
            for member in found:
                tx[member] = value
            return _as_one({key: value for key, value in found.items() if value != ABSENT})

        self._record(key, "exchange", value, lambda: self.store.transact(work, attempts=1000))

    def _swap(self, key: str) -> None:
        """Write over what was read: the values being unique, the version means the value."""
        entry = self._record_entry(key)
        if entry is None:
            return
        value, version = self._new(), entry.version
        self._record(key, "swap", (entry.value, value), lambda: self._swapped(key, value, version))

    def _record_entry(self, key: str) -> Any:
        called = time.monotonic()
        entry = self.store.entry(key)
        value = ABSENT if entry is None else entry.value
        self.events.append(Event(key, "read", None, value, called, time.monotonic()))
        return entry

    def _swapped(self, key: str, value: str, version: bytes) -> bool:
        try:
            self.store.set(key, value, if_version=version)
        except ConflictError:
            return False
        return True
