"""StateStore: a backend, a serializer and a scope, as a mapping with versions and expiry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from qstate import addresses, keys
from qstate.backend import KEEP, Delete, Put, Resets, StateURL, Version
from qstate.clients import Client
from qstate.encoded import ABSENT, Absent, EncodedStore, TimeToLive, required
from qstate.entries import Entry
from qstate.errors import (
    InvalidKeyError,
    MissingKeyError,
    StateTimeoutError,
    UnsupportedOperationError,
    ValueTypeError,
)
from qstate.locks import Lease, Lock
from qstate.rotation import Rotation, rotate
from qstate.transactions import Transaction
from qstate.typed import TypedStore
from qstate.views import PAGE_SIZE, Items, Values, at_once, pages
from qstate.watching import Changes

if TYPE_CHECKING:
    from qstate.aio import AsyncStateStore

Result = TypeVar("Result")
T = TypeVar("T")
D = TypeVar("D")


class StateStore(EncodedStore, MutableMapping[str, Any]):
    """A state store: a mapping from text to values, shared by all who open the same address.

    Making one opens no connection. It is safe to share between threads, travels by pickle as its
    address, and works on in forked children. Values read are the reader's own.

    Args:
        address: A URL such as ``redis://localhost:6379/0``, or the name of a configured store.
        **options: As in the URL's query: ``serializer``, ``timeout`` in seconds, ``compress``,
            ``encrypt``, and those of the backend.

    Raises:
        InvalidURLError: The address or an option means nothing.
        BackendNotFoundError: No plug-in serves the scheme; the message says what to install.

    Example:
        >>> store = StateStore("memory://docs")
        >>> store["energy"] = -1.137
        >>> store.get("energy"), store.get("phase", 0.0)
        (-1.137, 0.0)
        >>> store.clear(everything=True)
    """

    # -- one key ---------------------------------------------------------------------------------

    @overload
    def get(self, key: str, default: None = None, *, type: type[T]) -> T | None: ...
    @overload
    def get(self, key: str, default: D, *, type: type[T]) -> T | D: ...
    @overload
    def get(self, key: str, default: Any = None, *, type: Any = None) -> Any: ...

    def get(
        self,
        key: str,
        default: Any = None,
        *,
        type: Any = None,  # noqa: A002
    ) -> Any:
        """The value under ``key``, or ``default`` where nothing stands.

        Args:
            key: What is read.
            default: What is returned where nothing stands; it is not checked.
            type: The value is checked against it, and built as one: a dataclass, msgspec Struct,
                pydantic model, TypedDict, union, ``list[…]``, ``dict[…]`` or any class. A
                dataclass read as ``dict`` gives its fields.

        Raises:
            SerializationError: Something stands that can't be read, or is not of the type; the
                message has the path inside it.
            StoreUnavailableError: The store did not answer in time.

        Example:
            >>> store = StateStore("memory://docs")
            >>> store["angles"] = {"theta": 0.1, "phi": 1}
            >>> store.get("angles", type=dict[str, float])
            {'theta': 0.1, 'phi': 1.0}
            >>> store.get("angles", type=dict[str, int])
            Traceback (most recent call last):
            qstate.errors.SerializationError: ... $.theta: expected int, got float ...
            >>> store.clear(everything=True)
        """
        client = self._client or self._open()
        data = client.read_data((keys.join(self._prefix, key),))[0]
        if data is None:
            return default
        return self._decode(key, data)[0] if type is None else self._decode_as(key, data, type)

    def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: TimeToLive = None,
        if_version: bytes | Absent | None = None,
    ) -> Version:
        """Write ``value`` under ``key``.

        Args:
            key: At most 1,024 bytes of UTF-8, with its scope.
            value: What the store's serializer can write.
            ttl: Seconds or ``timedelta`` until it expires; None: never, and an earlier expiry is
                gone; ``qstate.KEEP``: an earlier expiry stays.
            if_version: Write only over this version; ``qstate.ABSENT``: only where nothing stands.

        Returns:
            The version of this write.

        Raises:
            ConflictError: Another version stands than ``if_version``.
            SerializationError: The value can't be written.
            ValueTooLargeError: The store takes no value of this size.
            StoreUnavailableError: The store did not answer; ``.outcome`` says what is known.

        Example:
            >>> store = StateStore("memory://docs")
            >>> first = store.set("step", 1)
            >>> second = store.set("step", 2, if_version=first)
            >>> store.set("step", 3, if_version=first)
            Traceback (most recent call last):
                ...
            qstate.errors.ConflictError: 'step': required version ...
            >>> store.clear(everything=True)
        """
        client = self._client or self._open()
        seconds = None if ttl is None else self._seconds(client, ttl)
        put = self._put(client, key, value, seconds)
        if if_version is None:
            client.put((put,))
        else:
            self._write_required(client, (put,), {put.key: required(if_version)})
        return put.version

    def delete(self, key: str, *, if_version: bytes | None = None) -> bool:
        """Remove what stands under ``key``.

        Returns:
            Whether something stood there.

        Raises:
            ConflictError: Another version stands than ``if_version``, or nothing.
        """
        if if_version is None:
            return self.delete_many((key,)) == 1
        if isinstance(if_version, Absent):
            raise TypeError("what is absent can't be removed: if_version is a Version here")
        client = self._client or self._open()
        joined = keys.join(self._prefix, key)
        self._write_required(client, (Delete(joined),), {joined: required(if_version)})
        return True

    def entry(self, key: str) -> Entry | None:
        """The value under ``key`` with its version, times and writer; None where nothing stands."""
        client = self._client or self._open()
        record = client.read((keys.join(self._prefix, key),))[0]
        return None if record is None else self._entry(key, record)

    # -- several keys ----------------------------------------------------------------------------

    def get_many(self, names: Iterable[str], /) -> dict[str, Any]:
        """The values under several keys as of one moment, in one round trip.

        Keys under which nothing stands are left out.
        """
        client = self._client or self._open()
        wanted = list(_several(names))
        joined = [keys.join(self._prefix, key) for key in wanted]
        found = zip(wanted, client.read_data(joined) if joined else (), strict=True)
        return {key: self._decode(key, data)[0] for key, data in found if data is not None}

    def set_many(self, values: Mapping[str, Any], /, *, ttl: TimeToLive = None) -> None:
        """Write several values as one, in one round trip.

        Args:
            values: Keys and their values.
            ttl: As for :meth:`set`, for all of them.
        """
        client = self._client or self._open()
        seconds = self._seconds(client, ttl)
        puts = [self._put(client, key, value, seconds) for key, value in values.items()]
        self._allow_several(client, puts)
        if puts:
            client.put(puts)

    def delete_many(self, names: Iterable[str], /) -> int:
        """Remove several keys as one.

        Returns:
            How many of them stood.
        """
        client = self._client or self._open()
        joined = list(dict.fromkeys(keys.join(self._prefix, key) for key in _several(names)))
        self._allow_several(client, joined)
        if not joined:
            return 0
        removed = client.remove(joined)
        return self._remove_by_version(client, joined) if removed is None else removed

    def _remove_by_version(self, client: Client, joined: Sequence[str]) -> int:
        def attempt() -> int:
            found = zip(joined, client.read(joined), strict=True)
            standing = {key: record.version for key, record in found if record is not None}
            if standing:
                client.write([Delete(key) for key in standing], standing)
            return len(standing)

        return self._until_settled(client, attempt)

    # -- the mapping -----------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        client = self._client or self._open()
        data = client.read_data((keys.join(self._prefix, key),))[0]
        if data is None:
            raise self._missing(key)
        return self._decode(key, data)[0]

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if not self.delete(key):
            raise self._missing(key)

    def __contains__(self, key: object) -> bool:
        client = self._client or self._open()
        return client.read_data((keys.join(self._prefix, key),))[0] is not None

    def __iter__(self) -> Iterator[str]:
        return self.scan()

    def __len__(self) -> int:
        client = self._client or self._open()
        counted = client.count(self._prefix)
        if counted is None:
            return sum(1 for _ in self.scan())
        # A key that is the scope's prefix and no more has no name inside the scope.
        unnamed = self._prefix and client.read_data((self._prefix,))[0] is not None
        return max(0, counted - bool(unnamed))

    def items(self) -> Items:
        """Keys with their values, read a page at a time."""
        return Items(self)

    def values(self) -> Values:
        """The values, read a page at a time."""
        return Values(self)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value under ``key``; where nothing stands, ``default``, which is written there."""
        client = self._client or self._open()

        def attempt() -> Any:
            if (found := self.get(key, _MISSING)) is not _MISSING:
                return found
            self.set(key, default, if_version=ABSENT)
            return default

        return self._until_settled(client, attempt)

    def pop(self, key: str, default: Any = ..., /) -> Any:
        """Remove ``key`` and return its value, atomically.

        Raises:
            MissingKeyError: Nothing stands there and no ``default`` is given.
        """
        client = self._client or self._open()

        def attempt() -> Any:
            if (entry := self.entry(key)) is not None:
                self.delete(key, if_version=entry.version)
                return entry.value
            if default is ...:
                raise self._missing(key)
            return default

        return self._until_settled(client, attempt)

    def popitem(self) -> tuple[str, Any]:
        """Remove some key and return it with its value, atomically.

        Raises:
            MissingKeyError: The store is empty.
        """
        for key in self:
            if (value := self.pop(key, _MISSING)) is not _MISSING:
                return key, value
        raise self._told(MissingKeyError("the store is empty"))

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Write several values as one, as :meth:`set_many` does."""
        self.set_many(dict(other, **values))

    # -- change ----------------------------------------------------------------------------------

    def touch(self, key: str, ttl: float | timedelta | None) -> None:
        """Change the expiry of ``key`` alone: neither its value nor its version.

        Args:
            key: What stands there stays as it is.
            ttl: Seconds or ``timedelta`` from now; None: it no longer expires.

        Raises:
            MissingKeyError: Nothing stands there.
        """
        client = self._client or self._open()
        seconds = self._seconds(client, ttl)
        joined = keys.join(self._prefix, key)

        def attempt() -> None:
            record = client.read((joined,))[0]
            if record is None:
                raise self._missing(key)
            same = Put(joined, record.version, (record.data,), seconds)
            client.write((same,), {joined: record.version})

        self._until_settled(client, attempt)

    def modify(
        self,
        key: str,
        change: Callable[[Any], Any],
        default: Any = ...,
        *,
        ttl: TimeToLive = KEEP,
    ) -> Any:
        """Change a value atomically: read it, call ``change``, write what it returns.

        Args:
            key: What is changed.
            change: Gets the value and returns the new one; runs again where another write came
                between.
            default: What ``change`` gets where nothing stands.
            ttl: As for :meth:`set`; left out, the expiry stays.

        Returns:
            The new value.

        Raises:
            MissingKeyError: Nothing stands there and no ``default`` is given.
            ValueTypeError: Something other than qstate wrote the value; ``set`` it first.

        Example:
            >>> store = StateStore("memory://docs")
            >>> store.modify("energies", lambda known: [*known, -1.137], default=[])
            [-1.137]
            >>> store.clear(everything=True)
        """
        client = self._client or self._open()
        seconds = KEEP if ttl is KEEP else self._seconds(client, ttl)
        joined = keys.join(self._prefix, key)

        def attempt() -> Any:
            record = client.read((joined,))[0]
            if record is None and default is ...:
                raise self._missing(key)
            value = default if record is None else self._own(key, record)
            put = self._put(client, key, new := change(value), seconds)
            client.write((put,), {joined: record and record.version})
            return new

        return self._until_settled(client, attempt)

    def increment(self, key: str, by: float = 1, *, ttl: TimeToLive = KEEP) -> Any:
        """Add to a number atomically; where nothing stands it begins at 0.

        Args:
            key: What is changed.
            by: An int or a float, of either sign.
            ttl: As for :meth:`set`; left out, the expiry stays.

        Returns:
            The new number.

        Raises:
            ValueTypeError: What stands there is no number.

        Example:
            >>> store = StateStore("memory://docs")
            >>> store.increment("shots", 1000), store.increment("shots", 24)
            (1000, 1024)
            >>> store.clear(everything=True)
        """
        if not _is_number(by):
            raise self._told(ValueTypeError(f"increment by an int or a float, not {by!r}", key=key))

        def add(value: Any) -> Any:
            if not _is_number(value):
                kind = type(value).__name__
                refused = f"{key!r} holds a {kind}, not a number; nothing was added"
                raise self._told(ValueTypeError(refused, key=key))
            return value + by

        return self.modify(key, add, 0, ttl=ttl)

    def transaction(self, *, lease: Lease | None = None) -> Transaction:
        """Reads and writes that take effect as one at the end of a ``with`` block, or not at all.

        Args:
            lease: A lock's lease: the transaction takes effect only if no other has held the lock
                since.

        Raises:
            ConflictError: At the end of the block: something that was read has changed since.

        Example:
            >>> store = StateStore("memory://docs")
            >>> with store.transaction() as tx:
            ...     tx["total"] = tx.get("total", 0) + 1
            >>> store["total"]
            1
            >>> store.clear(everything=True)
        """
        return Transaction(self, lease)

    def transact(self, work: Callable[[Transaction], Result], *, attempts: int = 100) -> Result:
        """Run ``work`` in a transaction, again with growing pauses where it conflicts.

        Args:
            work: Gets the transaction; what it returns is returned.
            attempts: How often it is tried at the most.

        Raises:
            ConflictError: It conflicted each time.
        """
        client = self._client or self._open()

        def attempt() -> Result:
            with self.transaction() as transaction:
                return work(transaction)

        return self._until_settled(client, attempt, attempts)

    def typed(self, kind: type[T], /) -> TypedStore[T]:
        """This store as one whose values are all of a type, checked when they are read.

        Args:
            kind: As ``type=`` of :meth:`get`.

        Example:
            >>> store = StateStore("memory://docs")
            >>> energies = store.typed(float)
            >>> energies["ground"] = -1
            >>> energies["ground"]
            -1.0
            >>> store.clear(everything=True)
        """
        return TypedStore(self, kind)

    # -- waiting ---------------------------------------------------------------------------------

    def watch(self, prefix_or_key: str = "") -> Changes:
        """Changes as they happen, for a ``with`` statement: ``with store.watch("run/") as seen``.

        Args:
            prefix_or_key: Changes of all keys that begin with it are told.
        """
        return Changes(self, prefix_or_key)

    def wait_for(
        self,
        key: str,
        predicate: Callable[[Any], object] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Wait until a value stands under ``key`` that fulfils ``predicate``, and return it.

        Args:
            key: What is waited for.
            predicate: Gets the value; None: any value will do.
            timeout: Seconds to wait; None: for ever.

        Raises:
            StateTimeoutError: It did not come in time.
        """
        give_up = None if timeout is None else time.monotonic() + timeout
        with Changes(self, key, single=True) as changes:
            entry = self.entry(key)
            while entry is None or (predicate is not None and not predicate(entry.value)):
                left = None if give_up is None else max(0.0, give_up - time.monotonic())
                change = changes.next(left)
                if change is None:
                    late = f"{key!r} did not come to hold what was waited for within {timeout} s"
                    raise self._told(StateTimeoutError(late, key=key))
                entry = change.entry
        return entry.value

    @property
    def aio(self) -> AsyncStateStore:
        """The same store for ``async`` code: the same names, awaited."""
        from qstate.aio import AsyncStateStore

        return AsyncStateStore(self)

    def lock(self, name: str, *, ttl: float = 30, wait: float | None = None) -> Lock:
        """A lock that one holder at a time has, as a lease: ``with store.lock("x") as lease:``.

        Args:
            name: Locks of other names, and of other scopes, are others. It is no key.
            ttl: Seconds after which the lock of a holder that died is free; renewed while held.
            wait: Seconds to wait for it; None: for ever; 0: one try.

        Raises:
            StateTimeoutError: Another held it for all of ``wait``.
            LockLostError: On leaving: the lease had run out.
        """
        return Lock(self, name, ttl, wait)

    # -- all keys --------------------------------------------------------------------------------

    def scan(self, prefix: str = "", *, page_size: int = PAGE_SIZE) -> Iterator[str]:
        """The keys that begin with ``prefix``, lazily; one that stays comes exactly once.

        Args:
            prefix: Compared character by character; it need not end at a ``/``.
            page_size: About how many keys a round trip brings.
        """
        client = self._client or self._open()
        if page_size < 1:
            raise ValueError(f"page_size is a number of keys above 0, not {page_size}")
        joined = self._prefix + keys.check_prefix(prefix)
        found = self._scan_joined(client, joined, page_size)
        scope = len(self._prefix)
        return (key[scope:] for key in found) if scope else found

    def clear(self, *, everything: bool = False) -> None:
        """Remove all keys of this scope.

        Args:
            everything: Must be True on a store without a scope, whose keys may be others' too.

        Raises:
            InvalidKeyError: The store has no scope and ``everything`` was not asked for.
        """
        if not self._prefix and not everything:
            raise self._told(
                InvalidKeyError(
                    "clear() on a store without a scope would remove every key in it; "
                    "use scope(…).clear(), or clear(everything=True) if you mean that"
                )
            )
        can = (self._client or self._open()).capabilities
        for page in pages(self, at_once(can)):
            self.delete_many(page)

    def rotate(self, *, plain: bool = False) -> Rotation:
        """Encrypt anew, under the current key, what stands under an older one in this scope.

        Versions and expiries stay, so no watcher is told. Each value is rewritten only over the
        version that was read. It may be stopped and begun again at any time.

        Args:
            plain: Also encrypt what is not encrypted yet. Whoever could write to the store until
                now could have written it.

        Returns:
            How many values were rewritten, and which could not be opened.

        Raises:
            UnsupportedOperationError: The store was not opened with ``encrypt=``.

        Example:
            >>> import qstate
            >>> old = qstate.Keys(current="old", keys={"old": b"o" * 32})
            >>> new = qstate.Keys(current="new", keys={"old": b"o" * 32, "new": b"n" * 32})
            >>> StateStore("memory://docs", encrypt=old)["energy"] = -1.137
            >>> store = StateStore("memory://docs", encrypt=new)
            >>> store.rotate()
            Rotation(rewritten=1, current=0, plain=0, unreadable=())
            >>> store.clear(everything=True)
        """
        return rotate(self, plain=plain)

    def reset(self) -> None:
        """Begin anew after a :class:`StateLostError`; a store that lost nothing stays as it is.

        Raises:
            UnsupportedOperationError: This store is not one that tells of a loss.
        """
        backend = (self._client or self._open()).backend
        if not isinstance(backend, Resets):
            raise self._told(
                UnsupportedOperationError("this store never begins anew; use clear() to empty it")
            )
        backend.reset()


_MISSING: Final = object()


def connect(address: str | StateURL | None = None, /, **options: Any) -> StateStore:
    """Open a state store.

    Args:
        address: A URL; or a name, resolved where the store is used (``$QSTATE_STORE_<NAME>``, then
            ``[stores.<name>]`` in ``qstate.toml`` of the working directory or of the user's
            configuration folder); or nothing: ``$QSTATE_URL``, else an SQLite file in the user's
            data folder.
        **options: As in the URL's query.

    Raises:
        InvalidURLError: The address or an option means nothing.
        BackendNotFoundError: No plug-in serves the scheme; the message says what to install.

    Example:
        >>> with connect("memory://docs") as store:
        ...     store["energy"] = -1.137
        ...     sorted(store.items())
        [('energy', -1.137)]
    """
    return StateStore(addresses.default() if address is None else address, **options)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _several(names: Iterable[str]) -> Iterable[str]:
    if isinstance(names, (str, bytes)):
        raise TypeError(f"several keys were expected, not the one key {names!r}: write [{names!r}]")
    return names
