"""Commands on jobs: jobs, logs, stop."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter

from qstate.cli import printing
from qstate.cli.failing import FAILED
from qstate.cli.options import Common
from qstate.cli.providers import OnJobs
from qstate.cli.readable import moment
from qstate.errors import StateError
from qstate.runner.job import Job

JobId: TypeAlias = Annotated[str, Parameter(help="As `qstate run` and `qstate jobs` tell it.")]


def jobs(*, on: OnJobs = OnJobs(), common: Common = Common()) -> None:  # noqa: B008
    """List the jobs that have a record, the newest first."""
    with on.recorded() as (serverless, store):
        found = [_told(job) for job in serverless.jobs(state=store)]
    if common.json:
        printing.document(found)
        return
    rows = [[str(told[name] or "") for name in _SHOWN] for told in found]
    printing.table(_SHOWN, rows, missing="qstate: no job has a record here")


def logs(
    job_id: JobId,
    /,
    *,
    follow: Annotated[
        bool, Parameter(name=("--follow", "-f"), help="Until it ends; Ctrl-C leaves it running.")
    ] = False,
    on: OnJobs = OnJobs(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> None:
    """Print what a job has printed."""
    with on.recorded() as (serverless, store):
        job = serverless.get_job_by_id(job_id, state=store)
        if follow:
            print_log(job, common)
        elif common.json:
            printing.document({"job": job_id, "log": job.logs()})
        else:
            sys.stdout.write(job.logs())


def stop(
    job_id: JobId,
    /,
    *,
    on: OnJobs = OnJobs(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> int:
    """Stop a job, and wait until it has ended; exit code 1 where it had before."""
    with on.recorded() as (serverless, store):
        job = serverless.get_job_by_id(job_id, state=store)
        stopped = job.stop()
        status = job.wait()
    if common.json:
        printing.document({"job": job_id, "stopped": stopped, "status": str(status)})
    else:
        printing.line(f"{job_id}  {status}")
    return 0 if stopped else FAILED


def print_log(job: Job, common: Common) -> None:
    """What a job prints, as it comes, until it has ended."""
    for piece in job.logs_iterator():
        if common.json:
            printing.document({"job": job.job_id, "log": piece})
        else:
            sys.stdout.write(piece)
        sys.stdout.flush()


_SHOWN = ("job", "program", "status", "submitted", "ended", "error")


def _told(job: Job) -> dict[str, Any]:
    told = dict.fromkeys(_SHOWN) | {"job": job.job_id}
    try:
        told["status"] = str(job.status())
        told["program"] = job.program or None
        told["submitted"], told["ended"] = _at(job.submitted), _at(job.ended)
        told["error"] = job.error
    except StateError as error:
        told["status"] = "unknown"
        told["error"] = " ".join(str(error).split())
    return told


def _at(time: datetime | None) -> str | None:
    told = moment(time)
    return told and told[:19] + "Z"
