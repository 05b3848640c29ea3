"""Typed reads: a value checked against a type, and built as one where it came as plain data."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

from qstate.errors import SerializationError
from qstate.serializers import records
from qstate.serializers.records import Fields, Member
from qstate.serializers.refusals import step

_AT: Final = re.compile(r" - at `\$(.*)`$")


def convert(value: Any, wanted: Any, path: str = "$") -> Any:
    """The value as one of the type ``wanted``.

    Raises:
        SerializationError: It is none; the message has the path inside the value.
        TypeError: ``wanted`` is nothing that values can be checked against.
    """
    wanted = _bare(wanted)
    kind = get_origin(wanted) or wanted
    if wanted in (Any, object) or isinstance(wanted, TypeVar):
        return records.rebuilt(value)
    if kind is Union or kind is types.UnionType:
        return _one_of(value, get_args(wanted), path)
    if kind is Literal:
        return _literal(value, wanted, path)
    if kind is None:
        kind = type(None)
    if typing.is_typeddict(kind):
        return _typed_dict(value, kind, path)
    if not isinstance(kind, type):
        raise TypeError(f"type={wanted!r} is nothing that a value can be checked against")
    for fits, build in _BUILDERS:
        if fits(kind):
            return build(value, kind, get_args(wanted), path)
    return _instance(value, kind, (), path)


def _bare(wanted: Any) -> Any:
    """A type without its annotations, and behind its other names."""
    while True:
        if get_origin(wanted) is typing.Annotated or get_origin(wanted) in _MARKS:
            wanted = get_args(wanted)[0]
        elif isinstance(wanted, typing.NewType):
            wanted = wanted.__supertype__
        elif type(wanted).__name__ == "TypeAliasType":
            wanted = wanted.__value__
        else:
            return wanted


_MARKS: Final = (typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)


def _named(wanted: Any) -> str:
    if wanted is None or wanted is type(None):
        return "None"
    return wanted.__qualname__ if type(wanted) is type or isinstance(wanted, type) else str(wanted)


def _found(value: Any) -> str:
    if isinstance(value, Fields | Member):
        return value.qualname
    return _named(type(value))


def _mismatch(value: Any, wanted: str, path: str) -> SerializationError:
    return SerializationError(f"{path}: expected {wanted}, got {_found(value)}")


def _one_of(value: Any, arms: tuple[Any, ...], path: str) -> Any:
    """The first type that fits; those that the value is of already come first."""
    reasons = []
    for arm in sorted(arms, key=lambda arm: not _is_already(value, arm)):
        try:
            return convert(value, arm, path)
        except SerializationError as error:
            reasons.append(str(error))
    deepest = [reason for reason in reasons if not reason.startswith(f"{path}: ")]
    if len(deepest) == 1:
        raise SerializationError(deepest[0])
    raise _mismatch(value, " | ".join(_named(_bare(arm)) for arm in arms), path)


def _is_already(value: Any, arm: Any) -> bool:
    kind = get_origin(_bare(arm)) or _bare(arm)
    if not isinstance(kind, type):
        return False
    return value.are_of(kind) if isinstance(value, Fields | Member) else type(value) is kind


def _literal(value: Any, wanted: Any, path: str) -> Any:
    for allowed in get_args(wanted):
        if isinstance(allowed, Enum) and isinstance(value, Member):
            if value.are_of(type(allowed)) and value.name == allowed.name:
                return allowed
        elif type(value) is type(allowed) and value == allowed:
            return value
    allowed = ", ".join(map(repr, get_args(wanted)))
    raise SerializationError(f"{path}: expected one of {allowed}, got {value!r:.80}")


def _instance(value: Any, kind: type, _: Any, path: str) -> Any:
    value = records.rebuilt(value)
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise _mismatch(value, _named(kind), path)
    return value


def _mapping(value: Any, kind: type, arguments: tuple[Any, ...], path: str) -> Any:
    if not isinstance(value, dict):
        raise _mismatch(value, _named(kind), path)
    if not arguments:
        return records.plain(value if type(value) is dict else dict(value))
    of_keys, of_values = arguments
    return {
        convert(key, of_keys, f"{path}{step(key)} (key)"): convert(
            part, of_values, path + step(key)
        )
        for key, part in value.items()
    }


def _sequence(value: Any, kind: type, arguments: tuple[Any, ...], path: str) -> Any:
    made: Any = next(known for known in (list, tuple, set, frozenset) if issubclass(known, kind))
    if type(value) not in ((list, tuple) if made in (list, tuple) else (list, set, frozenset)):
        raise _mismatch(value, _named(kind), path)
    if made is tuple and arguments and arguments[-1] is not ...:
        if len(value) != len(arguments):
            raise SerializationError(
                f"{path}: expected {len(arguments)} parts in the tuple, got {len(value)}"
            )
        wanted = list(arguments)
    else:
        wanted = [arguments[0] if arguments else Any] * len(value)
    return made(
        convert(part, one, f"{path}[{index}]")
        for index, (part, one) in enumerate(zip(value, wanted, strict=True))
    )


def _enum(value: Any, kind: type[Enum], _: Any, path: str) -> Any:
    if isinstance(value, kind):
        return value
    try:
        if isinstance(value, Member):
            return value.of(kind)
        return kind(value)
    except ValueError:
        raise SerializationError(
            f"{path}: expected {_named(kind)}, got {records.plain(value)!r:.80}"
        ) from None


def _typed_dict(value: Any, kind: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, _named(kind), path)
    missing = [name for name in kind.__required_keys__ if name not in value]
    if missing:
        raise SerializationError(f"{path}: the required key {min(missing)!r} is missing")
    hints = _hints(kind)
    return {
        key: convert(part, hints.get(key, Any), path + step(key)) for key, part in value.items()
    }


def _dataclass(value: Any, kind: type, _: Any, path: str) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, dict):
        raise _mismatch(value, _named(kind), path)
    hints = _hints(kind)
    fields = {
        field.name: convert(value[field.name], hints[field.name], f"{path}.{field.name}")
        for field in dataclasses.fields(kind)
        if field.name in value
    }
    if isinstance(value, Fields):
        return _at(path, records.build, kind, fields)
    given = {field.name for field in dataclasses.fields(kind) if field.init}
    return _at(path, _called, kind, {name: fields[name] for name in fields if name in given})


def _called(kind: type, fields: dict[str, Any]) -> Any:
    return kind(**fields)


def _at(path: str, build: Callable[[type, dict[str, Any]], Any], kind: type, fields: Any) -> Any:
    try:
        return build(kind, fields)
    except (TypeError, ValueError) as error:
        raise SerializationError(f"{path}: {error}") from error


def _struct(value: Any, kind: type, arguments: tuple[Any, ...], path: str) -> Any:
    import msgspec

    if isinstance(value, Fields) and value.are_of(kind):
        return _typed_fields(value, kind, path)
    try:
        return msgspec.convert(records.plain(value), kind[arguments] if arguments else kind)  # type: ignore[index]
    except msgspec.ValidationError as error:
        where = _AT.search(str(error))
        told = _AT.sub("", str(error)).replace("`", "")
        inside = where[1] if where else ""
        raise SerializationError(f"{path}{inside}: {told[:1].lower()}{told[1:]}") from None


def _typed_fields(value: Fields, kind: type, path: str) -> Any:
    """A Struct of the class that was written; its fields may hold what msgspec does not know."""
    hints = _hints(kind)
    fields = {
        name: convert(part, hints.get(name, Any), f"{path}.{name}") for name, part in value.items()
    }
    return Fields(value.module, value.qualname, fields, value.rest).of(kind)


def _model(value: Any, kind: Any, _: Any, path: str) -> Any:
    from pydantic import ValidationError

    if isinstance(value, kind):
        return value
    try:
        checked = kind.model_validate(records.plain(value), by_name=True)
        same = isinstance(value, Fields) and value.are_of(kind)
        return records.rebuilt(value) if same else checked
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        inside = "".join(f"[{at}]" if isinstance(at, int) else step(at) for at in first["loc"])
        told = first["msg"]
        raise SerializationError(
            f"{path}{inside}: {told[:1].lower()}{told[1:]}, got {_found(first['input'])}"
        ) from None


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _is(*parents: type) -> Callable[[type], bool]:
    return lambda kind: issubclass(kind, parents)


def _is_sequence(kind: type) -> bool:
    """Whether it is a list, a tuple or a set, or an abstract class that one of them is of."""
    made = (list, tuple, set, frozenset)
    abstract = kind.__module__ == "collections.abc" and any(issubclass(one, kind) for one in made)
    return kind in made or abstract


_BUILDERS: Final[tuple[tuple[Callable[[type], bool], Callable[..., Any]], ...]] = (
    (_is(Enum), _enum),
    (lambda kind: hasattr(kind, "__struct_fields__"), _struct),
    (lambda kind: hasattr(kind, "model_validate"), _model),
    (dataclasses.is_dataclass, _dataclass),
    (
        lambda kind: (
            kind is dict or (kind.__module__ == "collections.abc" and issubclass(kind, Mapping))
        ),
        _mapping,
    ),
    (_is_sequence, _sequence),
)
