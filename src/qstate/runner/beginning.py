"""How a job begins and ends: what Ray starts, around a program's script or function."""

from __future__ import annotations

import asyncio
import builtins
import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from qstate.entries import Writer
from qstate.errors import StateError
from qstate.handover import HandOver, handed_over
from qstate.injection import Injection
from qstate.runner.bodies import finished
from qstate.runner.inside import get_arguments, own_record, save_result
from qstate.runner.record import now
from qstate.runner.status import without_colours


def begin() -> None:
    """Run the job that this process is, and note in its record how it went."""
    job = handed_over()
    if job is None:
        raise StateError("this process is no job; use QuantumServerless().run_program(…)")
    _note(status="RUNNING", started=now())
    try:
        _run(job)
    except SystemExit as end:
        _note(**_exited(end.code))
        raise
    except BaseException as error:  # noqa: BLE001 - it is told, in the log and in the record
        _fail(error)
    _note(status="SUCCEEDED", ended=now())


def _run(job: HandOver) -> None:
    handed = job.get("function")
    if handed is None:
        _run_script(sys.argv[1], sys.argv[1:])
        return
    result = _called(*handed)
    if result is not None:
        save_result(result)


def _run_script(script: str, command: list[str]) -> None:
    """As ``python script …`` does."""
    path = os.path.abspath(script)
    main = ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins)
    sys.modules["__main__"] = main
    sys.argv[:] = command
    sys.path[0] = os.path.dirname(path)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, main.__dict__)  # noqa: S102


def _called(function: Callable[..., Any], injection: Injection) -> Any:
    """What the function returns, handed its arguments, and the ambient store if it asks for one."""
    finish = functools.partial(finished, function, Writer)
    args, kwargs = injection.fill((), get_arguments(), finish)
    result = function(*args, **kwargs)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _fail(error: BaseException) -> NoReturn:
    """Tell it as Python does, and end."""
    theirs = _beyond_this_file(error.__traceback__)
    error.__traceback__ = theirs
    text = "".join(traceback.format_exception(type(error), error, theirs))
    last = traceback.format_exception_only(error)[-1].strip()
    _note(
        status="FAILED",
        ended=now(),
        error=without_colours(last.splitlines()[0]),
        traceback=without_colours(text),
    )
    sys.excepthook(type(error), error, theirs)
    sys.exit(1)


def _exited(code: object) -> dict[str, Any]:
    if code is None or code == 0:
        return {"status": "SUCCEEDED", "ended": now()}
    told = f"it ended with exit code {code}" if isinstance(code, int) else str(code)
    return {"status": "FAILED", "ended": now(), "error": told}


def _beyond_this_file(frames: TracebackType | None) -> TracebackType | None:
    """The frames of the program: without those that have led to it."""
    below = frames
    while below is not None and below.tb_frame.f_code.co_filename == __file__:
        below = below.tb_next
    return below


def _note(**news: Any) -> None:
    if (record := own_record()) is not None:
        record.note(**news)
