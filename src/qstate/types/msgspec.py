"""Structs of msgspec, by their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct

from qstate.backend import hookimpl
from qstate.types import ValueType


@hookimpl
def qstate_types() -> Iterator[ValueType]:
    """Every Struct, found again by module and name."""
    yield ValueType(
        kind=Struct, encode=_encode, decode=_decode, name="msgspec.Struct", subclasses=True
    )


def _encode(value: Struct) -> tuple[dict[str, Any], None]:
    fields = {name: getattr(value, name, UNSET) for name in value.__struct_fields__}
    return {name: part for name, part in fields.items() if part is not UNSET}, None


def _decode(kind: type[Struct], fields: dict[str, Any], _: None) -> Struct:
    return kind(**{name: fields[name] for name in kind.__struct_fields__ if name in fields})
