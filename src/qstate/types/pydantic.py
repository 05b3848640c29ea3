"""Models of pydantic: their fields, by the model's own ``__getstate__``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from qstate.backend import hookimpl
from qstate.types import ValueType


@hookimpl
def qstate_types() -> Iterator[ValueType]:
    """Every model, found again by module and name."""
    yield ValueType(
        kind=BaseModel, encode=_encode, decode=_decode, name="pydantic.BaseModel", subclasses=True
    )


def _encode(model: BaseModel) -> tuple[dict[str, Any], list[Any]]:
    state = model.__getstate__()
    private = dict(state["__pydantic_private__"] or {})
    extra = state["__pydantic_extra__"]
    given = sorted(state["__pydantic_fields_set__"])
    return dict(state["__dict__"]), [extra, given, private]


def _decode(kind: type[BaseModel], fields: dict[str, Any], rest: list[Any]) -> BaseModel:
    extra, given, private = rest
    known = {name: value for name, value in fields.items() if name in kind.model_fields}
    for name, field in kind.model_fields.items():
        if name not in known:
            if field.is_required():
                raise ValueError(f"it has no field {name!r}, and that has no default")
            known[name] = field.get_default(call_default_factory=True, validated_data=known)
    model = kind.__new__(kind)
    model.__setstate__(
        {
            "__dict__": known,
            "__pydantic_extra__": extra,
            "__pydantic_fields_set__": set(given),
            "__pydantic_private__": private if kind.__private_attributes__ else None,
        }
    )
    return model
