"""Commands on jobs: run, jobs, logs, stop."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from qstate.cli import printing
from qstate.cli.failing import FAILED, UsageError, tell
from qstate.cli.options import Common, OnRay
from qstate.errors import StateError
from qstate.runner.job import Job
from qstate.runner.program import Program


def run(
    file: Annotated[Path, Parameter(help="A Python script; its folder is uploaded.")],
    /,
    *,
    arg: Annotated[
        tuple[str, ...], Parameter(help="NAME=VALUE, JSON or text, for get_arguments().")
    ] = (),
    env: Annotated[tuple[str, ...], Parameter(help="NAME=VALUE, an environment variable.")] = (),
    state: Annotated[str | None, Parameter(help="URL or name of the store of its tasks.")] = None,
    working_dir: Annotated[
        Path | None, Parameter(help="The folder to upload, with FILE in it.")
    ] = None,
    on: OnRay = OnRay(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> int:
    """Run a script as a job and show what it prints; Ctrl-C stops the job."""
    folder = working_dir or file.parent
    if working_dir is not None and not file.is_absolute() and not file.is_file():
        file = folder / file
    variables = _pairs("env", env)
    if state is not None:
        variables["QSTATE_URL"] = state
    arguments = {name: _value(text) for name, text in _pairs("arg", arg).items()}
    program = Program(
        entrypoint=str(file.resolve().relative_to(folder.resolve())),
        working_dir=folder,
        arguments=arguments,
        env_vars=variables,
    )
    job = on.serverless().run_program(program)
    return _follow(job, common)


def logs(
    job_id: Annotated[str, Parameter(help="As `qstate run` and `qstate jobs` tell it.")],
    /,
    *,
    follow: Annotated[bool, Parameter(name=("--follow", "-f"), help="Until it ends.")] = False,
    on: OnRay = OnRay(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> None:
    """Print what a job has printed."""
    job = on.serverless().get_job_by_id(job_id)
    if follow:
        _print_log(job, common)
    elif common.json:
        printing.document({"job": job_id, "log": job.logs()})
    else:
        sys.stdout.write(job.logs())


def stop(
    job_id: Annotated[str, Parameter(help="As `qstate run` and `qstate jobs` tell it.")],
    /,
    *,
    on: OnRay = OnRay(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> int:
    """Stop a job, and wait until it has ended; exit code 1 where it had before."""
    job = on.serverless().get_job_by_id(job_id)
    stopped = job.stop()
    status = job.wait()
    if common.json:
        printing.document({"job": job_id, "stopped": stopped, "status": str(status)})
    else:
        printing.line(f"{job_id}  {status}")
    return 0 if stopped else FAILED


def jobs(*, on: OnRay = OnRay(), common: Common = Common()) -> None:  # noqa: B008
    """List jobs."""
    raise NotImplementedError


def _follow(job: Job, common: Common) -> int:
    if common.json:
        printing.document({"job": job.job_id})
    else:
        tell(f"job {job.job_id} runs; Ctrl-C stops it")
    try:
        _print_log(job, common)
        status = job.wait()
    except KeyboardInterrupt:
        _stop(job)
        raise
    if common.json:
        printing.document({"job": job.job_id, "status": str(status)})
    else:
        tell(f"job {job.job_id} {status}")
    return 0 if status == "SUCCEEDED" else FAILED


def _stop(job: Job) -> None:
    """After Ctrl-C; a second one leaves the job to itself."""
    tell(f"\nstopping job {job.job_id}; Ctrl-C again leaves without waiting for it")
    try:
        job.stop()
        tell(f"job {job.job_id} {job.wait()}")
    except StateError as error:
        tell(f"qstate: {error}")


def _print_log(job: Job, common: Common) -> None:
    for piece in job.logs_iterator():
        if common.json:
            printing.document({"job": job.job_id, "log": piece})
        else:
            sys.stdout.write(piece)
            sys.stdout.flush()


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
