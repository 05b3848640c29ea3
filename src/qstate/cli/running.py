"""The command run."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from qstate.cli import printing
from qstate.cli.failing import FAILED, UsageError, tell
from qstate.cli.jobs import print_log
from qstate.cli.options import Common
from qstate.cli.providers import OnRay
from qstate.errors import StateError
from qstate.runner.job import Job
from qstate.runner.program import Program
from qstate.runner.status import JobStatus
from qstate.store import connect


def run(
    file: Annotated[Path, Parameter(help="A Python script; its folder is uploaded.")],
    /,
    *,
    arg: Annotated[
        tuple[str, ...],
        Parameter(help="NAME=VALUE, JSON or text, for get_arguments(). May be repeated."),
    ] = (),
    env: Annotated[
        tuple[str, ...], Parameter(help="NAME=VALUE, an environment variable. May be repeated.")
    ] = (),
    state: Annotated[
        str | None, Parameter(help="URL or name of the store that its tasks are handed.")
    ] = None,
    working_dir: Annotated[
        Path | None, Parameter(help="The folder that is uploaded, with FILE in it.")
    ] = None,
    on: OnRay = OnRay(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> int:
    """Run a script as a job and show what it prints; Ctrl-C stops the job."""
    program = Program(
        **_place(file, working_dir),
        arguments={name: _value(text) for name, text in _pairs("arg", arg).items()},
        env_vars=_pairs("env", env),
    )
    with ExitStack() as opened:
        store = None if state is None else opened.enter_context(connect(state))
        job = on.serverless().run_program(program, state=store)
        return _follow(job, common)


def _place(file: Path, folder: Path | None) -> dict[str, str]:
    """Where a script is, and where it runs: in its own folder unless another is given."""
    if folder is None:
        return {"entrypoint": file.name, "working_dir": str(file.parent)}
    if not file.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{file} is not inside of --working-dir {folder}")
    return {
        "entrypoint": file.resolve().relative_to(folder.resolve()).as_posix(),
        "working_dir": str(folder),
    }


def _follow(job: Job, common: Common) -> int:
    if common.json:
        printing.document({"job": job.job_id})
        sys.stdout.flush()
    else:
        tell(f"job {job.job_id}; Ctrl-C stops it")
    try:
        if common.json or not sys.stdout.isatty():
            print_log(job, common)
        else:
            job.follow()
        status = job.wait()
    except KeyboardInterrupt:
        _stop(job)
        raise
    _conclude(job, status, common)
    return 0 if status is JobStatus.SUCCEEDED else FAILED


def _conclude(job: Job, status: JobStatus, common: Common) -> None:
    error = job.error
    if common.json:
        printing.document({"job": job.job_id, "status": str(status), "error": error})
    else:
        tell(f"job {job.job_id} {status}{f': {error}' if error else ''}")


def _stop(job: Job) -> None:
    """After Ctrl-C; a second one leaves without waiting."""
    tell(f"\nstopping job {job.job_id}; Ctrl-C again leaves without waiting for it")
    try:
        # The terminal tells a Ray that was started for the job of Ctrl-C too: it may be silent.
        job._record.note(stopping=True)
        job.stop()
        tell(f"job {job.job_id} {job.wait()}")
    except StateError as error:
        tell(f"qstate: {error}")


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--{option} is NAME=VALUE, not {text!r}")
        pairs[name] = value
    return pairs


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
