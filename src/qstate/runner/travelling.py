"""What travels with a call to a worker: the stores of the place where it was called."""

from __future__ import annotations

import functools
import os
from typing import Any, Final

from qstate.handler import StateHandler
from qstate.injection import NOWHERE, Arguments, Surroundings
from qstate.runner.connection import load_ray
from qstate.store import StateStore

_SURROUNDINGS: Final = "qstate:surroundings"
"""The keyword under which they travel where they are no bytes; no parameter has such a name."""

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
    here.packed = load_ray().cloudpickle.dumps(tuple(here))
    return here.packed


def new_mark() -> bytes:
    """What the surroundings of one task begin with, as no argument can: nobody else knows it."""
    return os.urandom(16)


def accompany(
    packed: bytes | tuple[object, ...], mark: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Arguments:
    """The arguments of a call, and surroundings beside them."""
    if isinstance(packed, bytes):
        # Not by name: Ray sends the name of each such argument as one more argument.
        return (*args, mark + packed), kwargs
    return args, {**kwargs, _SURROUNDINGS: packed}


def separate(
    mark: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Surroundings, tuple[Any, ...], dict[str, Any]]:
    """The surroundings that came with a call, and the arguments without them.

    Raises:
        UnreachableStoreError: A store does not reach to here.
    """
    if args and type(args[-1]) is bytes and args[-1].startswith(mark):
        there, args = _unpacked(args[-1][len(mark) :]), args[:-1]
    elif type(kwargs.get(_SURROUNDINGS)) is tuple:
        there = Surroundings(*kwargs.pop(_SURROUNDINGS))
    else:
        return NOWHERE, args, kwargs
    override, ambient = there.override, there.ambient
    if override is not None:
        override = arrived(override)
    if ambient is not None:
        ambient = arrived(ambient)
    if override is not there.override or ambient is not there.ambient:
        there = Surroundings(override, ambient)
    return there, args, kwargs


def arrived(state: StateHandler) -> StateHandler:
    """A state as a task is handed it: open, whatever the task before has done with it.

    Raises:
        UnreachableStoreError: It is a store that does not reach to here.
    """
    return state._opened() if isinstance(state, StateStore) else state


@functools.lru_cache(maxsize=_MOST)
def _unpacked(packed: bytes) -> Surroundings:
    """The same stores for all tasks of a worker, so that they share connections."""
    there = Surroundings(*load_ray().cloudpickle.loads(packed))
    there.packed = packed
    return there
