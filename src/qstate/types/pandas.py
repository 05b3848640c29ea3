"""Frames and series of pandas, by Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas
import pyarrow

from qstate.backend import Buffer, hookimpl
from qstate.types import ValueType
from qstate.types.pyarrow import read, written


@hookimpl
def qstate_types() -> Iterator[ValueType]:
    """A frame, and a series."""
    yield ValueType(kind=pandas.DataFrame, encode=_frame, decode=_read, name="pandas.DataFrame")
    yield ValueType(kind=pandas.Series, encode=_series, decode=_column, name="pandas.Series")


def _frame(frame: pandas.DataFrame) -> memoryview:
    table = pyarrow.Table.from_pandas(frame)
    kinds, found = frame.dtypes, table.slice(0, 0).to_pandas().dtypes
    if not kinds.equals(found):
        changed = next(
            (name for name, one, other in zip(kinds.index, kinds, found, strict=False)
             if one != other),
            "index",
        )  # fmt: skip
        raise TypeError(
            f"Arrow would change the type of column {changed!r}; choose one that it has, "
            "by frame.convert_dtypes() or .astype(…)"
        )
    return written(table)


def _read(data: Buffer) -> pandas.DataFrame:
    return read(data).to_pandas()


def _series(series: Any) -> list[Any]:
    return [series.name, _frame(series.to_frame("values"))]


def _column(stored: list[Any]) -> Any:
    name, data = stored
    return _read(data)["values"].rename(name)
