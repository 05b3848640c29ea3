"""What a job's own code calls: its arguments, its result, how far it is."""

from __future__ import annotations

import functools
from typing import Any

from qstate.errors import StateError
from qstate.handover import HandOver, handed_over
from qstate.runner.record import Record


def get_arguments() -> dict[str, Any]:
    """The arguments that this job was run with, as they were given; outside of a job, none.

    They came with the job, so no store is asked.

    Example:
        >>> from qstate import get_arguments
        >>> get_arguments().get("shots", 100)
        100
    """
    job = handed_over()
    return {} if job is None else dict(job.get("arguments", {}))


def save_result(value: Any) -> None:
    """Keep a value as this job's result, for ``job.result()``; outside of a job it is not kept.

    Args:
        value: What a store takes. Saved again, the last one stays.

    Raises:
        SerializationError: It is nothing that a store takes.
        UnreachableStoreError: The store that keeps the job's record does not reach to here.
        StoreUnavailableError: That store did not answer.

    Example:
        >>> from qstate import save_result
        >>> save_result({"energy": -1.137})
    """
    if (job := handed_over()) is not None:
        _record(job).save_result(value)


def report_progress(done: float, total: float | None = None) -> None:
    """Tell how far this job is; who follows it sees that. Outside of a job it goes nowhere.

    Args:
        done: How much is done, in whatever unit.
        total: Of how much; None: not known.

    Raises:
        StateError: The store that keeps the job's record can't be reached.

    Example:
        >>> from qstate import report_progress
        >>> for step in range(3):
        ...     report_progress(step + 1, 3)
    """
    if (job := handed_over()) is not None:
        _record(job).report_progress(done, total)


def own_record() -> Record | None:
    """The record of the job that this process belongs to; None: it has none."""
    job = handed_over()
    try:
        return None if job is None else _record(job)
    except Exception:  # noqa: BLE001 - such as a store's module that isn't here; it is for later
        return None


@functools.cache
def _record(job: HandOver) -> Record:
    stores = job.get("stores", ())
    if not stores:
        raise StateError(
            f"job {job.job_id} has no record, as no store could be written when it was submitted: "
            "give run_program(state=…) one, or set QSTATE_URL there"
        )
    return Record(job.job_id, *stores)
