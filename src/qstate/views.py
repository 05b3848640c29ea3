"""Views of a store's values that read a page at a time; a mapping's own would go key by key."""

from __future__ import annotations

import itertools
from collections.abc import ItemsView, Iterable, Iterator, ValuesView
from typing import TYPE_CHECKING, Any

from qstate.backend import Capabilities

if TYPE_CHECKING:
    from qstate.store import StateStore

PAGE_SIZE = 1000


class Items(ItemsView[str, Any]):
    """Keys with their values; keys that go while it is read are left out."""

    _mapping: StateStore

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return _read(self._mapping)


class Values(ValuesView[Any]):
    """The values; those that go while it is read are left out."""

    _mapping: StateStore

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in _read(self._mapping))


def _read(store: StateStore) -> Iterator[tuple[str, Any]]:
    can = (store._client or store._open()).capabilities
    for page in pages(store.scan(), at_once(can)):
        yield from store.get_many(page).items()


def at_once(can: Capabilities) -> int:
    """How many keys are read or removed in one call where no promise rests on it."""
    return PAGE_SIZE if can.several_keys else 1


def pages(keys: Iterable[str], size: int = PAGE_SIZE) -> Iterator[list[str]]:
    """The keys in lists of ``size``, the last one maybe shorter."""
    rest = iter(keys)
    while page := list(itertools.islice(rest, size)):
        yield page
