"""Dataclasses, enums and what else has fields: written with their names, and rebuilt from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, Flag
from typing import Any, Final

from qstate.errors import SerializationError
from qstate.serializers import classes, types

_BUILT_IN: Final = (
    *(int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset),
    BaseException,
)
_PLAIN: Final = (int, float, str, bytes, bool)
_apart: Final[ContextVar[bool]] = ContextVar("qstate_records_apart", default=False)


class Fields(dict[str, Any]):
    """The fields of a value whose class was not looked up."""

    __slots__ = ("module", "qualname", "rest")
    __hash__ = object.__hash__  # type: ignore[assignment]  # it may be a key until it is rebuilt

    def __init__(self, module: str, qualname: str, fields: dict[str, Any], rest: Any) -> None:
        super().__init__(fields)
        self.module, self.qualname, self.rest = module, qualname, rest

    def rebuilt(self) -> Any:
        """The value."""
        return self.of(classes.find(self.module, self.qualname))

    def of(self, kind: type[Any]) -> Any:
        """The value, of a class that was found."""
        return _rebuild(kind, self, self.rest)

    def are_of(self, kind: type) -> bool:
        """Whether these are the fields of a value of that class."""
        return (self.module, self.qualname) == (kind.__module__, kind.__qualname__)


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A member of an enum that was not looked up."""

    module: str
    qualname: str
    name: str | None
    value: Any

    def rebuilt(self) -> Any:
        """The member."""
        kind = classes.find(self.module, self.qualname)
        if not issubclass(kind, Enum):
            raise SerializationError(f"{self.module}.{self.qualname} is no enum here")
        return self.of(kind)

    def of(self, kind: type[Enum]) -> Enum:
        """The same member of a class that may be another."""
        if issubclass(kind, Flag):
            return kind(self.value)
        if self.name is None or self.name not in kind.__members__:
            raise SerializationError(f"{kind.__qualname__} has no member {self.name!r}")
        return kind.__members__[self.name]

    def are_of(self, kind: type) -> bool:
        """Whether it is a member of that class."""
        return (self.module, self.qualname) == (kind.__module__, kind.__qualname__)

    def plain(self) -> Any:
        """What it stands for, without its class."""
        return self.name if self.value is None else self.value


@contextmanager
def kept_apart(apart: bool = True) -> Iterator[None]:
    """Read records as :class:`Fields` and :class:`Member`, without a look at their classes."""
    token = _apart.set(apart)
    try:
        yield
    finally:
        _apart.reset(token)


def is_record(value: Any) -> bool:
    """Whether a value is a dataclass's, and nothing else besides."""
    kind = type(value)
    return dataclasses.is_dataclass(kind) and not issubclass(kind, _BUILT_IN)


def fields_of(value: Any) -> list[Any]:
    """What a dataclass is written as."""
    kind = type(value)
    _check(kind)
    fields = {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(kind)
        if hasattr(value, field.name)
    }
    return [*classes.name_of(kind), fields, None]


def member_of(value: Enum) -> list[Any]:
    """What a member of an enum is written as."""
    kind, held = type(value), value._value_
    return [*classes.name_of(kind), value._name_, held if type(held) in _PLAIN else None]


def read_fields(stored: list[Any]) -> Any:
    """The value of fields that were read."""
    fields = Fields(*stored)
    return fields if _apart.get() else fields.rebuilt()


def read_member(stored: list[Any]) -> Any:
    """The enum's member that was read."""
    member = Member(*stored)
    return member if _apart.get() else member.rebuilt()


def rebuilt(value: Any) -> Any:
    """A value with all that was kept apart in it rebuilt."""
    return _through(value, lambda part: part.rebuilt())


def plain(value: Any) -> Any:
    """A value with dicts for what was kept apart in it."""
    return _through(value, lambda part: dict(part) if isinstance(part, Fields) else part.plain())


def _through(value: Any, settle: Callable[[Any], Any]) -> Any:
    kind = type(value)
    if kind is Fields:
        inside = {name: _through(part, settle) for name, part in value.items()}
        fields = Fields(value.module, value.qualname, inside, _through(value.rest, settle))
        return settle(fields)
    if kind is Member:
        return settle(value)
    if kind is dict:
        # A key must be hashable, which a dict of fields is not.
        return {rebuilt(key): _through(part, settle) for key, part in value.items()}
    if kind in (list, tuple, set, frozenset):
        return kind(_through(part, settle) for part in value)
    return value


def _rebuild(kind: type[Any], fields: dict[str, Any], rest: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(kind, fields)
    known = types.type_of(kind)
    if known is None or not known.subclasses:
        raise SerializationError(
            f"{kind.__module__}.{kind.__qualname__} has no fields here: it is no dataclass, nor "
            "what a plug-in knows"
        )
    return known.decode(kind, dict(fields), rest)


def build(kind: type[Any], fields: dict[str, Any]) -> Any:
    """A dataclass of its fields as they were: neither ``__init__`` nor ``__post_init__`` runs.

    Raises:
        SerializationError: A field that has no default is missing.
    """
    _check(kind)
    value = object.__new__(kind)
    for field in dataclasses.fields(kind):
        if field.name in fields:
            part = fields[field.name]
        elif field.default is not dataclasses.MISSING:
            part = field.default
        elif field.default_factory is not dataclasses.MISSING:
            part = field.default_factory()
        elif not field.init:
            continue
        else:
            raise SerializationError(
                f"{kind.__qualname__} has a field {field.name!r} that the stored value has not, "
                "and no default for it"
            )
        object.__setattr__(value, field.name, part)
    return value


def _check(kind: type) -> None:
    if hasattr(kind, "__del__"):
        raise SerializationError(
            f"{kind.__module__}.{kind.__qualname__} has a __del__, which stored bytes could make "
            "run; store what it is made of"
        )
