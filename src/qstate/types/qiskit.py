"""Circuits of Qiskit, by QPY, which every later Qiskit reads."""

from __future__ import annotations

import io
from collections.abc import Iterator

from qiskit import QuantumCircuit, qpy

from qstate.backend import Buffer, hookimpl
from qstate.types import ValueType


@hookimpl
def qstate_types() -> Iterator[ValueType]:
    """A circuit."""
    yield ValueType(
        kind=QuantumCircuit, encode=_encode, decode=_decode, name="qiskit.QuantumCircuit"
    )


def _encode(circuit: QuantumCircuit) -> memoryview:
    file = io.BytesIO()
    qpy.dump(circuit, file)
    return file.getbuffer()


def _decode(data: Buffer) -> QuantumCircuit:
    circuits: list[QuantumCircuit] = qpy.load(io.BytesIO(data))
    return circuits[0]
