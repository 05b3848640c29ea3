"""Who is writing: the task that this process runs, as writes are signed with it."""

from __future__ import annotations

import functools
from typing import Any, Final

from qstate.entries import Writer, encode_writer, sign_process_by
from qstate.runner.connection import load_ray

_Task = tuple[Any, int, str]  # its id, which attempt it is, the name of its function

_OF_A_BODY: Final = "bodies."
"""What Ray puts before the name of a function of a script or a notebook: its body's file."""

_main: _Task | None = None
_last: tuple[object, bytes] = (None, b"")


def begin_task() -> None:
    """From now on sign what this process writes with the task that writes it.

    The task that begins here is noted for the threads that it may start: Ray knows none of theirs.
    """
    global _main
    if _main is None:
        sign_process_by(_signature)
    _main = _present()


def present_task() -> Writer:
    """The task that runs here; in a thread that a task has started, that task."""
    return _writer(_present())


def _signature() -> bytes:
    global _last
    worker = _worker()
    now = worker.current_task_id, worker.core_worker.get_current_task_attempt_number()
    known, field = _last
    if now != known:
        field = encode_writer(present_task())
        _last = now, field
    return field


def _present() -> _Task:
    core = _worker().core_worker
    return (
        core.get_current_task_id(),
        core.get_current_task_attempt_number(),
        core.get_current_task_function_name(),
    )


def _writer(task: _Task) -> Writer:
    known = task if task[2] else _main or task
    task_id, attempt, function = known
    name = function.removeprefix(_OF_A_BODY) or None
    return Writer(job=_job(), task=task_id.hex(), attempt=attempt, node=_node(), function=name)


@functools.cache
def _worker() -> Any:
    return load_ray()._private.worker.global_worker


@functools.cache
def _node() -> str:
    return str(_worker().current_node_id.hex())


@functools.cache
def _job() -> str:
    """The id under which the job was submitted; Ray's own for it where a driver runs by itself."""
    worker = _worker()
    submitted = worker.core_worker.get_job_config().metadata.get("job_submission_id")
    return str(submitted or worker.current_job_id.hex())
