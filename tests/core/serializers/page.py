"""The table of docs/values.md, from what happens: ``python -m tests.core.serializers.page``."""

from __future__ import annotations

import collections
import datetime as dt
import pathlib
import re
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from qiskit import QuantumCircuit

from qstate import SerializationError
from qstate.serializers.codec import ValueCodec
from tests.core.serializers import samples

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "values.md"
SERIALIZERS = ("msgpack", "json", "pickle")
_ZONED = dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))

EXAMPLES: dict[str, list[Any]] = {
    "`None`, `bool`": [None, True],
    "`int` of any size": [0, -(2**63), 2**10_000],
    "`float`, `-0.0` too": [0.1, -0.0],
    "`nan`, `inf`": [float("nan"), float("-inf")],
    "`complex`": [complex(-0.0, 2)],
    "`str`": ["naïve \0 😀"],
    "`bytes`": [b"\0\xff"],
    "`bytearray`": [bytearray(b"ab")],
    "`list`": [[1, [2]]],
    "`tuple`": [(1, (2,))],
    "`dict` with text as keys": [{"b": 1, "a": 2}],
    "`dict` with any keys": [{1: "a", "1": "b", True + 1: 0, (1, (2,)): None, None: 1}],
    "`set`, `frozenset`": [{1, 2}, frozenset({(1,)})],
    "`datetime`, `time`, with zone and fold": [_ZONED, _ZONED.timetz(), dt.datetime(2024, 1, 1)],
    "`date`, `timedelta`": [dt.date(2024, 1, 1), dt.timedelta(microseconds=-1)],
    "`Decimal`, `Fraction`": [Decimal("1.10"), Fraction(1, 3)],
    "`UUID`": [uuid.UUID(int=7)],
    "`Path`": [pathlib.Path("a/b"), pathlib.PureWindowsPath("C:\\a")],
    "`Enum`, `IntEnum`, `StrEnum`, `Flag`": [
        samples.Colour.RED, samples.Level.LOW, samples.Word.YES,
        samples.Access.READ | samples.Access.WRITE,
    ],
    "dataclass": [samples.Circuit([samples.Gate("x")]), samples.Point(x=1)],
    "numpy array": [np.arange(3), np.asfortranarray(np.ones((100, 80), ">f4")), np.array(5)],
    "numpy scalar": [np.float64(0.5), np.datetime64("2024-01-01")],
    "pydantic model": [samples.Model(a=1, inner=[samples.Model(a=2)])],
    "msgspec Struct": [samples.Struct(1, samples.Frozen(gate="x"))],
    "qiskit `QuantumCircuit`": [QuantumCircuit(2)],
    "pandas `DataFrame`, `Series`": [pd.DataFrame({"x": [1.5]}), pd.Series([1, 2], name="s")],
    "pyarrow `Table`, `RecordBatch`": [pa.table({"a": [1]}), pa.record_batch({"a": [1]})],
    "`namedtuple`, `OrderedDict`, other subclasses": [collections.OrderedDict(a=1)],
    "`memoryview`, functions, open files": [memoryview(b"a"), lambda: None],
}  # fmt: skip


def table() -> str:
    """Type by serializer, and what comes back."""
    rows = [f"| type | {' | '.join(SERIALIZERS)} |", "| --- |" + " --- |" * len(SERIALIZERS)]
    for name, values in EXAMPLES.items():
        told = [_told(ValueCodec(serializer), values) for serializer in SERIALIZERS]
        rows.append(f"| {name} | {' | '.join(told)} |")
    return "\n".join(rows)


def _told(codec: ValueCodec, values: list[Any]) -> str:
    if all(_comes_back(codec, value) for value in values):
        return "the same"
    if any(_comes_back(codec, value) for value in values):
        return "in part"
    return "error"


def _comes_back(codec: ValueCodec, value: Any) -> bool:
    """Whether it is the same at the top, in a list and as a part of a dict; or refused."""
    for wrapped in (value, [value], {"k": [value]}):
        try:
            data = b"".join(codec.encode(wrapped))
        except SerializationError:
            return False
        assert same(codec.decode(data)[0], wrapped), f"{value!r} changed silently"
    return True


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, types inside included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same([*map(list, one.items())], [*map(list, other.items())])
    if isinstance(one, np.ndarray | np.generic):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if hasattr(one, "equals"):
        return bool(one.equals(other))
    return repr(one) == repr(other) if not hasattr(one, "qregs") else bool(one == other)


def write(page: pathlib.Path = PAGE) -> str:
    """The page with the table that is true now."""
    text = page.read_text("utf-8")
    return re.sub(r"\| type \| msgpack.*?(?=\n\n)", lambda _: table(), text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(write(), "utf-8")
