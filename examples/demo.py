"""Run the guide's job on this machine, with no server to start, and read what it left behind."""

import itertools
import logging
import sys
import time
from pathlib import Path

import qstate
from qstate import Job, JobStatus, Program, QuantumServerless

program = Program(
    name="job_with_any_store",
    entrypoint="job_with_any_store.py",
    working_dir=Path(__file__).parent,
)


def follow(job: Job) -> JobStatus:
    """Show the job's status until it has ended: on one line in a terminal, else line by line."""
    started = time.monotonic()
    shown = None
    signs = itertools.cycle("|/-\\")
    while shown is None or not shown.is_terminal():
        status = job.status()
        line = f"{time.monotonic() - started:4.0f} s  {status}"
        if sys.stdout.isatty():
            print(f"\r{next(signs)} {line:<20}", end="", flush=True)
        elif status != shown:
            print(line, flush=True)
        shown = status
        time.sleep(0.25)
    print()
    return shown


def main() -> int:
    """Run the demo; the exit status is 0 where the job succeeded."""
    logging.disable(logging.INFO)  # Ray tells much of how it works
    serverless = QuantumServerless()
    print("Starting Ray on this machine ...", flush=True)
    with serverless.context(log_to_driver=False):
        job = serverless.run_program(program)
        print(f"{job} runs examples/{program.entrypoint}", flush=True)
        status = follow(job)
        printed = job.logs()
    if status is not JobStatus.SUCCEEDED:
        print(printed, file=sys.stderr)
        return 1
    print("The job printed:")
    for line in printed.splitlines():
        if line.startswith(("result:", "entries:")):
            print(f"  {line}")
    print(f"Its status: {status!r}")
    with qstate.connect() as store:
        print(f"This process reads from {store.info().url}:")
        for key in ("in_job", "in_other_job"):
            print(f"  {key} = {store.get(key)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
