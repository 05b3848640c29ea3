"""AsyncStateStore: the same store for ``async`` code, its names awaited.

Nothing is written twice: each method is the one of :class:`qstate.StateStore`, run on the event
loop by :mod:`qstate.awaiting`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, overload

from qstate.awaiting import Bridge, Threaded, await_, pause, run
from qstate.backend import OffersAsync
from qstate.clients import Client
from qstate.locks import Lease, Lock
from qstate.store import StateStore
from qstate.transactions import Transaction
from qstate.typed import AsyncTypedStore
from qstate.watching import Change, Changes

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
D = TypeVar("D")
_END: Final = object()


def _awaited(
    method: Callable[Concatenate[StateStore, P], R],
) -> Callable[Concatenate[AsyncStateStore, P], Coroutine[Any, Any, R]]:
    """A method of the store as one of its asynchronous form."""

    @functools.wraps(method)
    async def call(self: AsyncStateStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await run(method, self._here(), *args, **kwargs)

    return call


class AsyncStateStore:
    """The store of ``store.aio``: every method as there, awaited.

    ``in`` and ``len`` have no awaited form: use :meth:`contains` and :meth:`count`.

    Example:
        >>> import asyncio, qstate
        >>> async def main():
        ...     async with qstate.connect("memory://docs").aio as store:
        ...         await store.set("energy", -1.137)
        ...         found = [key async for key in store.scan()]
        ...         await store.clear(everything=True)
        ...         return found
        >>> asyncio.run(main())
        ['energy']
    """

    def __init__(self, store: StateStore) -> None:
        self.store = store
        self._on_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, StateStore]
        self._on_loops = weakref.WeakKeyDictionary()

    set = _awaited(StateStore.set)
    delete = _awaited(StateStore.delete)
    entry = _awaited(StateStore.entry)
    get_many = _awaited(StateStore.get_many)
    set_many = _awaited(StateStore.set_many)
    delete_many = _awaited(StateStore.delete_many)
    setdefault = _awaited(StateStore.setdefault)
    pop = _awaited(StateStore.pop)
    popitem = _awaited(StateStore.popitem)
    update = _awaited(StateStore.update)
    touch = _awaited(StateStore.touch)
    increment = _awaited(StateStore.increment)
    clear = _awaited(StateStore.clear)
    ping = _awaited(StateStore.ping)
    reset = _awaited(StateStore.reset)
    rotate = _awaited(StateStore.rotate)
    wait_for = _awaited(StateStore.wait_for)

    @overload
    async def get(self, key: str, default: None = None, *, type: type[T]) -> T | None: ...
    @overload
    async def get(self, key: str, default: D, *, type: type[T]) -> T | D: ...
    @overload
    async def get(self, key: str, default: Any = None, *, type: Any = None) -> Any: ...

    async def get(
        self,
        key: str,
        default: Any = None,
        *,
        type: Any = None,  # noqa: A002
    ) -> Any:
        """As :meth:`qstate.StateStore.get`."""
        return await run(self._here().get, key, default, type=type)

    async def contains(self, key: str) -> bool:
        """Whether something stands under ``key``."""
        return await run(self._here().__contains__, key)

    async def count(self) -> int:
        """How many keys there are."""
        return await run(self._here().__len__)

    async def modify(
        self, key: str, change: Callable[[Any], Any], *args: Any, **kwargs: Any
    ) -> Any:
        """As :meth:`qstate.StateStore.modify`; ``change`` may be ``async``."""
        return await run(self._here().modify, key, _settled(change), *args, **kwargs)

    async def transact(self, work: Callable[[Any], Any], *, attempts: int = 100) -> Any:
        """As :meth:`qstate.StateStore.transact`; ``work`` is ``async`` and gets its transaction."""

        def settled(transaction: Transaction) -> Any:
            return _settled(work)(AsyncTransaction(transaction))

        return await run(self._here().transact, settled, attempts=attempts)

    def scan(self, prefix: str = "", *, page_size: int = 1000) -> AsyncIterator[str]:
        """The keys that begin with ``prefix``, lazily."""
        return _each(lambda: self._here().scan(prefix, page_size=page_size))

    def items(self) -> AsyncIterator[tuple[str, Any]]:
        """Keys with their values, read a page at a time."""
        return _each(lambda: iter(self._here().items()))

    def values(self) -> AsyncIterator[Any]:
        """The values, read a page at a time."""
        return _each(lambda: iter(self._here().values()))

    def keys(self) -> AsyncIterator[str]:
        """The keys, lazily."""
        return self.scan()

    def __aiter__(self) -> AsyncIterator[str]:
        return self.scan()

    def transaction(self, *, lease: Lease | None = None) -> AsyncTransaction:
        """As :meth:`qstate.StateStore.transaction`, for ``async with``."""
        return AsyncTransaction(Transaction(self._here(), lease))

    def watch(self, prefix_or_key: str = "") -> AsyncChanges:
        """As :meth:`qstate.StateStore.watch`, for ``async with`` and ``async for``."""
        return AsyncChanges(Changes(self.store, prefix_or_key))

    def lock(self, name: str, *, ttl: float = 30, wait: float | None = None) -> AsyncLock:
        """As :meth:`qstate.StateStore.lock`, for ``async with``."""
        keeper = self.store._client or self.store._open()
        return AsyncLock(Lock(self._here(), name, ttl, wait, keeper))

    def typed(self, kind: type[T], /) -> AsyncTypedStore[T]:
        """As :meth:`qstate.StateStore.typed`."""
        return AsyncTypedStore(self, kind)

    def scope(self, name: str) -> AsyncStateStore:
        """As :meth:`qstate.StateStore.scope`."""
        return AsyncStateStore(self.store.scope(name))

    def __truediv__(self, name: str) -> AsyncStateStore:
        return self.scope(name)

    def info(self) -> Any:
        """As :meth:`qstate.StateStore.info`; asks the store nothing."""
        return self.store.info()

    async def close(self) -> None:
        """Let go of the store, and of its connections on this event loop."""
        here = self._on_loops.pop(asyncio.get_running_loop(), None)
        if here is not None:
            client, here._client, here._closed = here._client, None, True
            if isinstance(client, LoopClient):
                await client.let_go()
        self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{self.store!r}.aio"

    def __reduce__(self) -> tuple[object, ...]:
        return AsyncStateStore, (self.store,)

    def _here(self) -> StateStore:
        """The store with a client that awaits on the running event loop."""
        loop = asyncio.get_running_loop()
        here = self._on_loops.get(loop)
        if here is None:
            client = self.store._client or self.store._open()
            here = self.store._like(self.store._prefix)
            here._codec, here._client = self.store._codec, LoopClient.of(client, loop)
            self._on_loops[loop] = here
        elif self.store._closed:
            self.store._open()  # raises what a closed store raises
        return here


class AsyncTransaction:
    """A transaction for ``async with``: reads ask the store; writes wait for its end."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def get(
        self,
        key: str,
        default: Any = None,
        *,
        type: Any = None,  # noqa: A002
    ) -> Any:
        """The value under ``key``, as this transaction has left it, or ``default``."""
        return await run(self._transaction.get, key, default, type=type)

    async def contains(self, key: str) -> bool:
        """Whether something stands under ``key``, as this transaction has left it."""
        return await run(self._transaction.__contains__, key)

    async def set(self, key: str, value: Any, **options: Any) -> Any:
        """Write ``value`` under ``key`` at the end of the transaction."""
        return self._transaction.set(key, value, **options)

    async def delete(self, key: str) -> bool:
        """Remove ``key`` at the end of the transaction; whether anything stood there."""
        return await run(self._transaction.delete, key)

    async def __aenter__(self) -> Self:
        await run(self._transaction.__enter__)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await run(self._transaction.__exit__, *error)


class AsyncLock:
    """A lock for ``async with``."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    async def __aenter__(self) -> Lease:
        try:
            return await run(self._lock.__enter__)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(self._lock.undo))
            raise

    async def __aexit__(self, *error: Any) -> None:
        await asyncio.shield(asyncio.to_thread(self._lock.__exit__, *error))


class AsyncChanges(AsyncIterator[Change]):
    """A watch for ``async with`` and ``async for``; it waits in a thread of its own."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._thread = ThreadPoolExecutor(1, "qstate aio watch")

    async def next(self, timeout: float | None = None) -> Change | None:
        """The next change; None if none came within ``timeout`` seconds, or it was closed."""
        change: Change | None = await self._run(self._changes.next, timeout)
        return change

    async def __anext__(self) -> Change:
        change = await self.next()
        if change is None:
            raise StopAsyncIteration
        return change

    async def __aenter__(self) -> Self:
        await self._run(self._changes.__enter__)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._changes.close)
        self._thread.shutdown()

    async def _run(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)


_on_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, LoopClient]]
_on_loops = weakref.WeakKeyDictionary()


class LoopClient(Client):
    """A client whose backend awaits on one event loop; all stores of its address there share it."""

    def __init__(self, client: Client, known: dict[int, LoopClient]) -> None:
        self.key, self.url, self.timeout = client.key, client.url, client.timeout
        self.capabilities = client.capabilities
        self.holders = 0
        self._answered = client._answered
        self._sleep = pause
        self._client = client
        self._known = known
        offers = client.backend
        native = offers.aio() if isinstance(offers, OffersAsync) else Threaded(offers)
        self._bridge = Bridge(native)
        self.backend = self._bridge  # type: ignore[assignment]
        self._use(self.backend)

    @classmethod
    def of(cls, client: Client, loop: asyncio.AbstractEventLoop) -> LoopClient:
        """The client of a loop, made where there is none."""
        known = _on_loops.setdefault(loop, {})
        found = known.get(id(client)) or known.setdefault(id(client), cls(client, known))
        found.holders += 1
        return found

    async def let_go(self) -> None:
        """Give it back; the last to do so closes the connections of this loop."""
        self.holders -= 1
        if self.holders == 0 and self._known.pop(id(self._client), None) is not None:
            await self._bridge.backend.close()


def _settled(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same for code that :func:`run` runs, whether it is ``async`` or not."""

    def settled(*args: Any) -> Any:
        result = call(*args)
        return await_(result) if inspect.isawaitable(result) else result

    return settled


async def _each(begin: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
    iterator = begin()
    while (item := await run(next, iterator, _END)) is not _END:
        yield item
