"""What a job is handed, packed where it is submitted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qstate.errors import InvalidProgramError
from qstate.handler import StateHandler
from qstate.handover import PACKAGE, package_files
from qstate.injection import Surroundings, surroundings
from qstate.runner import functions
from qstate.runner.connection import load_ray
from qstate.runner.program import Program
from qstate.runner.record import Record


def job_surroundings(state: StateHandler | None) -> Surroundings:
    """The stores that a job finds: those of this place, with the one it is given before them."""
    here = surroundings()
    if state is None:
        return here
    return Surroundings(state if here.override is not None else None, state)


@contextmanager
def packed(record: Record, program: Program, there: Surroundings) -> Iterator[str]:
    """A package that hands a job its arguments, its function and its stores; gone afterwards.

    Yields:
        The package's folder, for ``py_modules``.

    Raises:
        InvalidProgramError: The function, or an argument, can't be sent.
    """
    parts = {
        "arguments": _pickled(program, "arguments", dict(program.arguments or {})),
        "stores": _pickled(program, "store", record.stores),
        "surroundings": _pickled(program, "store", tuple(there)),
    }
    if program.function is not None:
        parts["function"] = _function(program)
    with tempfile.TemporaryDirectory(prefix="qstate-") as folder:
        package = Path(folder) / PACKAGE
        package.mkdir()
        for name, text in package_files(record.job_id, parts).items():
            (package / name).write_text(text, "utf-8")
        yield str(package)


def _function(program: Program) -> bytes:
    try:
        return functions.pickled(program.function)  # type: ignore[arg-type]
    except Exception as error:
        raise _unsendable(program, program.label, error) from error


def _pickled(program: Program, what: str, value: Any) -> bytes:
    try:
        text: bytes = load_ray().cloudpickle.dumps(value)
    except Exception as error:
        raise _unsendable(program, what, error) from error
    return text


def _unsendable(program: Program, what: str, error: Exception) -> InvalidProgramError:
    return InvalidProgramError(
        f"program {program.name!r}: its {what} can't be sent to the job, as it can't be pickled: "
        f"{error}"
    )
