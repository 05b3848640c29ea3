"""References to the results of tasks: getting, putting and waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from qstate.runner.connection import load_ray

if TYPE_CHECKING:
    from ray import ObjectRef

R = TypeVar("R")


@overload
def get(reference: ObjectRef[R], timeout: float | None = None) -> R: ...


@overload
def get(reference: Sequence[ObjectRef[R]], timeout: float | None = None) -> list[R]: ...


def get(reference: Any, timeout: float | None = None) -> Any:
    """The result of a task, or a list of results; waits for them.

    Args:
        reference: What calling a task returned, or a list of such.
        timeout: In seconds; None: for as long as it takes.

    Raises:
        Exception: What the task raised.
    """
    return load_ray().get(reference, timeout=timeout)


def put(value: R) -> ObjectRef[R]:
    """Keep a value in Ray's object store, so that many tasks can take it; return its reference."""
    return load_ray().put(value)  # type: ignore[no-any-return]


def get_refs_by_status(
    refs: Sequence[Any], num_returns: int = 1, timeout: float | None = None
) -> tuple[list[Any], list[Any]]:
    """Wait until some tasks have finished.

    Args:
        refs: What calling tasks returned.
        num_returns: How many to wait for.
        timeout: In seconds; None: for as long as it takes.

    Returns:
        The references of those that have finished, and of the others.
    """
    finished, unfinished = load_ray().wait(list(refs), num_returns=num_returns, timeout=timeout)
    return finished, unfinished
