"""What type checkers see of typed reads. Checked by mypy and basedpyright, never run."""

from dataclasses import dataclass
from typing import Any, assert_type

from qstate import TypedStore, connect


@dataclass
class Gate:
    gate: str


store = connect("memory://")

assert_type(store.get("k", type=Gate), Gate | None)
assert_type(store.get("k", None, type=Gate), Gate | None)
assert_type(store.get("k", 0, type=Gate), Gate | int)
assert_type(store.get("k", type=list[Gate]), list[Gate] | None)
assert_type(store.get("k", type=dict[str, int]), dict[str, int] | None)
assert_type(store.get("k"), Any)
assert_type(store.get("k", 0), Any)
assert_type(store.typed(Gate), TypedStore[Gate])
assert_type(store.typed(Gate)["k"], Gate)
assert_type(store.typed(Gate).get("k"), Gate | None)
store.typed(Gate)["k"] = 5  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]


async def awaited() -> None:
    assert_type(await store.aio.get("k", type=Gate), Gate | None)
    assert_type(await store.aio.get("k", 0, type=Gate), Gate | int)
    assert_type(await store.aio.get("k"), Any)
