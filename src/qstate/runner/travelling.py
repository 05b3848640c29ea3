"""What travels with a call to a worker: the stores of the place where it was called."""

from __future__ import annotations

import functools
from typing import Any, Final

from qstate.handler import StateHandler
from qstate.injection import NOWHERE, Arguments, Surroundings
from qstate.runner.connection import load_ray
from qstate.store import StateStore

SURROUNDINGS: Final = "qstate:surroundings"
"""The keyword under which they travel where they are no bytes; no parameter has such a name."""

_MARK: Final = bytes.fromhex("53af7fb027c58c2ccd462e3153a122b5")
"""What bytes that are surroundings begin with, as no other argument does: drawn by lot."""

_MOST: Final = 16


def pack(here: Surroundings) -> bytes | tuple[object, ...] | None:
    """Surroundings as they travel to a worker; None: there is nothing to tell it.

    Stores are pickled once for many calls, other handlers at each call: they may have changed.
    """
    if here.packed is not None:
        return here.packed
    stores = [store for store in here if store is not None]
    if not stores:
        return None
    if not all(isinstance(store, StateStore) for store in stores):
        return tuple(here)
    here.packed = _MARK + load_ray().cloudpickle.dumps(tuple(here))
    return here.packed


def accompany(
    packed: bytes | tuple[object, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Arguments:
    """The arguments of a call, and surroundings beside them."""
    if isinstance(packed, bytes):
        # Not by name: Ray sends the name of each such argument as one more argument.
        return (*args, packed), kwargs
    return args, {**kwargs, SURROUNDINGS: packed}


def part(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Surroundings, tuple[Any, ...], dict[str, Any]]:
    """The surroundings that came with a call, and the arguments without them.

    Raises:
        UnreachableStoreError: A store does not reach to here.
    """
    if args and type(args[-1]) is bytes and args[-1].startswith(_MARK):
        return unpack(args[-1]), args[:-1], kwargs
    packed = kwargs.pop(SURROUNDINGS, None)
    return NOWHERE if packed is None else unpack(packed), args, kwargs


def unpack(packed: bytes | tuple[Any, ...]) -> Surroundings:
    """Surroundings as they arrive in a worker.

    Raises:
        UnreachableStoreError: A store does not reach to here.
    """
    there = _unpacked(packed) if isinstance(packed, bytes) else Surroundings(*packed)
    override, ambient = there.override, there.ambient
    if override is not None:
        override = arrived(override)
    if ambient is not None:
        ambient = arrived(ambient)
    if override is there.override and ambient is there.ambient:
        return there
    return Surroundings(override, ambient)


def arrived(state: StateHandler) -> StateHandler:
    """A state as a task is handed it: open, whatever the task before has done with it.

    Raises:
        UnreachableStoreError: It is a store that does not reach to here.
    """
    return state._opened() if isinstance(state, StateStore) else state


@functools.lru_cache(maxsize=_MOST)
def _unpacked(packed: bytes) -> Surroundings:
    """The same stores for all tasks of a worker, so that they share connections."""
    there = Surroundings(*load_ray().cloudpickle.loads(packed.removeprefix(_MARK)))
    there.packed = packed
    return there
