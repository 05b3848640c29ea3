"""What travels with a call to a worker: the stores of the place where it was called."""

from __future__ import annotations

import functools
import weakref
from typing import Any, Final

from qstate.handler import StateHandler
from qstate.injection import Surroundings
from qstate.runner.connection import load_ray
from qstate.store import StateStore

_MOST: Final = 16

_packings: Final[dict[tuple[int, ...], tuple[list[weakref.ref[StateHandler]], bytes]]] = {}


def pack(here: Surroundings) -> bytes | tuple[object, ...] | None:
    """Surroundings as they travel to a worker; None: there is nothing to tell it.

    Stores are pickled once for many calls, other handlers at each call: they may have changed.
    """
    stores = [store for store in here if store is not None]
    if not stores:
        return None
    if not all(isinstance(store, StateStore) for store in stores):
        return tuple(here)
    place = tuple(map(id, here))
    known, packed = _packings.get(place, ([], b""))
    if not known or any(one() is not store for one, store in zip(known, stores, strict=True)):
        packed = load_ray().cloudpickle.dumps(here)
        if len(_packings) >= _MOST:
            _packings.clear()
        _packings[place] = [weakref.ref(store) for store in stores], packed
    return packed


def unpack(packed: bytes | tuple[Any, ...]) -> Surroundings:
    """Surroundings as they arrive in a worker.

    Raises:
        UnreachableStoreError: A store does not reach to here.
    """
    there = _unpacked(packed) if isinstance(packed, bytes) else Surroundings(*packed)
    return Surroundings(*(store if store is None else arrived(store) for store in there))


def arrived(state: StateHandler) -> StateHandler:
    """A state as a task is handed it: open, whatever the task before has done with it.

    Raises:
        UnreachableStoreError: It is a store that does not reach to here.
    """
    return state._opened() if isinstance(state, StateStore) else state


@functools.lru_cache(maxsize=_MOST)
def _unpacked(packed: bytes) -> Surroundings:
    """The same stores for all tasks of a worker, so that they share connections."""
    there: Surroundings = load_ray().cloudpickle.loads(packed)
    return there
