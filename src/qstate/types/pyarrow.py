"""Tables and record batches of Arrow, by its IPC format; read without a copy."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow

from qstate.backend import Buffer, hookimpl
from qstate.types import ValueType


@hookimpl
def qstate_types() -> Iterator[ValueType]:
    """A table, and a record batch."""
    yield ValueType(kind=pyarrow.Table, encode=written, decode=read, name="pyarrow.Table")
    yield ValueType(
        kind=pyarrow.RecordBatch, encode=written, decode=_batch, name="pyarrow.RecordBatch"
    )


def written(table: pyarrow.Table | pyarrow.RecordBatch) -> memoryview:
    """An IPC stream of a table."""
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return memoryview(sink.getvalue())


def read(data: Buffer) -> pyarrow.Table:
    """The table of an IPC stream, as a view of its bytes."""
    table = pyarrow.ipc.open_stream(pyarrow.py_buffer(data)).read_all()
    table.validate()
    return table


def _batch(data: Buffer) -> pyarrow.RecordBatch:
    return pyarrow.ipc.open_stream(pyarrow.py_buffer(data)).read_next_batch()
