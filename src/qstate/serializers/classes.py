"""Users' own classes, found again by module and name; nothing is imported or called for it."""

from __future__ import annotations

import sys
import weakref
from typing import Any, Final

from qstate.errors import SerializationError

_remembered: Final[weakref.WeakValueDictionary[tuple[str, str], type]] = (
    weakref.WeakValueDictionary()
)


def name_of(kind: type) -> tuple[str, str]:
    """Module and qualified name of a class, by which :func:`find` has it again.

    Raises:
        SerializationError: It has no name that another process could find it by.
    """
    name = (kind.__module__, kind.__qualname__)
    if "<locals>" in name[1] and _remembered.get(name) is not kind:
        raise SerializationError(
            f"{name[0]}.{name[1]} was made inside a function, where no reader finds it: move it to "
            "the top of its module, or call qstate.register_type for it"
        )
    if name not in _remembered:
        # Ray sends a notebook's classes to workers that have no such module.
        remember(kind)
    return name


def remember(kind: type) -> None:
    """Let a class be found by its name, whether its module has it or not."""
    _remembered[kind.__module__, kind.__qualname__] = kind


def find(module: str, qualname: str) -> type[Any]:
    """The class of a name: in a module that is already imported, or among those remembered.

    Raises:
        SerializationError: There is none.
    """
    found: Any = sys.modules.get(module)
    for step in qualname.split("."):
        # From __dict__, as a module's __getattr__ and a class's descriptors would run code.
        found = vars(found).get(step) if _holds_names(found) else None
    if not isinstance(found, type):
        found = _remembered.get((module, qualname))
    if found is None:
        raise SerializationError(
            f"the class {module}.{qualname} of the value is not here: import {module} before the "
            "value is read, or read its fields by get(key, type=dict)"
        )
    return found  # type: ignore[no-any-return]


def _holds_names(found: object) -> bool:
    return isinstance(found, type | type(sys))
