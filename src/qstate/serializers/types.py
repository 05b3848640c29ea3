"""The types that were registered, by users and by plug-ins, and which of them a value is of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Final

from qstate import plugins
from qstate.errors import PluginError, SerializationError
from qstate.serializers import classes
from qstate.types import ValueType

_by_kind: Final[dict[type, ValueType]] = {}
_by_name: Final[dict[str, ValueType]] = {}
_origins: Final[dict[str, str]] = {}
_asked: Final[set[str]] = set()
_changing: Final = threading.RLock()
_BY_USER: Final = "register_type"


def register_type(
    kind: type[Any],
    /,
    *,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
    name: str | None = None,
) -> None:
    """Teach the default serializer a type, in this process; do so wherever it is written or read.

    A dataclass or an enum needs neither function: registered, it is found by its name even where
    its module does not have it, as a class made inside a function.

    Args:
        kind: The type. A subclass of it is another type.
        encode: Gives what a value is made of, in types that qstate knows.
        decode: Makes the value of that again.
        name: What the type is called in the stored bytes, for ever; ``module.Type`` if left out.

    Raises:
        PluginError: Another type has that name.

    Example:
        >>> import qstate
        >>> class Angle:
        ...     def __init__(self, degrees):
        ...         self.degrees = degrees
        >>> qstate.register_type(
        ...     Angle, encode=lambda angle: angle.degrees, decode=Angle, name="docs.Angle"
        ... )
        >>> store = qstate.connect("memory://docs")
        >>> store["angle"] = Angle(90)
        >>> store["angle"].degrees
        90
        >>> store.clear(everything=True)
    """
    if encode is None and decode is None:
        if not (is_dataclass(kind) or issubclass(kind, Enum)):
            raise TypeError(f"{kind.__qualname__} is no dataclass and no enum: give encode, decode")
        classes.remember(kind)
        return
    if encode is None or decode is None:
        raise TypeError("a type needs both encode and decode")
    name = name or f"{kind.__module__}.{kind.__qualname__}"
    _add(ValueType(kind=kind, encode=encode, decode=decode, name=name), _BY_USER)


def is_registered(kind: type) -> bool:
    """Whether it is known already, without a question to any plug-in."""
    return kind in _by_kind


def type_of(kind: type) -> ValueType | None:
    """How values of a type are written; plug-ins that may know it are asked."""
    found = _by_kind.get(kind)
    if found is None:
        _ask({base.__module__.partition(".")[0] for base in kind.__mro__})
        found = _by_kind.get(kind) or _above(kind)
    return found


def _above(kind: type) -> ValueType | None:
    bases = (_by_kind.get(base) for base in kind.__mro__[1:])
    return next((known for known in bases if known is not None and known.subclasses), None)


def type_named(name: str) -> ValueType:
    """The type of a name that was read.

    Raises:
        SerializationError: No plug-in that is installed knows it.
    """
    if name not in _by_name:
        _ask({name.partition(".")[0]})
    if name not in _by_name:
        raise SerializationError(
            f"the value is of the type {name!r}, unknown here: install the plug-in that brings it, "
            "or call qstate.register_type for it"
        )
    return _by_name[name]


def _ask(packages: set[str]) -> None:
    """Ask the plug-ins for the types of some packages, and those that do not name a package."""
    for package in packages - _asked:
        with _changing:
            for origin, known in plugins.value_types(package):
                _add(known, origin)
            _asked.add(package)


def _add(known: ValueType, origin: str) -> None:
    with _changing:
        standing = _by_name.get(known.name)
        if standing is not None and origin == _origins[known.name] != _BY_USER:
            return
        if standing is not None and not _may_replace(standing, known, origin):
            raise PluginError(
                f"{_origins[known.name]} and {origin} both have a type named {known.name!r}: "
                f"{_named(standing.kind)} and {_named(known.kind)}; give one another name, or "
                "uninstall one"
            )
        _by_name[known.name] = _by_kind[known.kind] = known
        _origins[known.name] = origin


def _may_replace(standing: ValueType, known: ValueType, origin: str) -> bool:
    """Whether it is the same class registered anew, as a notebook's cell does that runs twice."""
    return origin == _BY_USER and _named(standing.kind) == _named(known.kind)


def _named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
