"""TypedStore: a store whose values are all of one type."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from qstate.aio import AsyncStateStore
    from qstate.backend import Version
    from qstate.store import StateStore

T = TypeVar("T")
D = TypeVar("D")


class TypedStore(MutableMapping[str, T], Generic[T]):
    """What ``store.typed(kind)`` gives: the store as a mapping from text to values of ``kind``.

    Values are checked, and built, when they are read, as ``store.get(key, type=kind)`` does.

    Attributes:
        store: The store itself.
        kind: The type.
    """

    __slots__ = ("kind", "store")

    def __init__(self, store: StateStore, kind: type[T]) -> None:
        self.store = store
        self.kind = kind

    def set(self, key: str, value: T, **options: Any) -> Version:
        """As :meth:`qstate.StateStore.set`."""
        return self.store.set(key, value, **options)

    def __getitem__(self, key: str) -> T:
        value: Any = self.store.get(key, _MISSING, type=self.kind)
        if value is _MISSING:
            raise self.store._missing(key)
        return value  # type: ignore[no-any-return]

    def __setitem__(self, key: str, value: T) -> None:
        self.store.set(key, value)

    def __delitem__(self, key: str) -> None:
        del self.store[key]

    def __contains__(self, key: object) -> bool:
        return key in self.store

    def __iter__(self) -> Iterator[str]:
        return iter(self.store)

    def __len__(self) -> int:
        return len(self.store)

    def scope(self, name: str) -> TypedStore[T]:
        """As :meth:`qstate.StateStore.scope`."""
        return TypedStore(self.store.scope(name), self.kind)

    def __truediv__(self, name: str) -> TypedStore[T]:
        return self.scope(name)

    def __repr__(self) -> str:
        return f"{self.store!r}.typed({getattr(self.kind, '__qualname__', self.kind)})"


class AsyncTypedStore(Generic[T]):
    """What ``store.aio.typed(kind)`` gives: the values as of :class:`TypedStore`, awaited."""

    __slots__ = ("kind", "store")

    def __init__(self, store: AsyncStateStore, kind: type[T]) -> None:
        self.store = store
        self.kind = kind

    async def get(self, key: str, default: D | None = None) -> T | D | None:
        """The value under ``key``, checked, or ``default`` where nothing stands."""
        return await self.store.get(key, default, type=self.kind)

    async def set(self, key: str, value: T, **options: Any) -> Version:
        """As :meth:`qstate.StateStore.set`."""
        return await self.store.set(key, value, **options)

    async def items(self) -> AsyncIterator[tuple[str, T]]:
        """Keys with their values; keys that go while it is read are left out."""
        async for key in self.store.scan():
            value: Any = await self.store.get(key, _MISSING, type=self.kind)
            if value is not _MISSING:
                yield key, value


_MISSING: Any = object()
