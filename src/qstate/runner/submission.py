"""Submitting: a program or a command becomes a job, and gets its record."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from qstate.errors import SerializationError, StateError
from qstate.handler import StateHandler
from qstate.handover import PACKAGE
from qstate.runner.handing_over import job_surroundings, packed
from qstate.runner.job import Job
from qstate.runner.job_server import JobServer
from qstate.runner.program import Program
from qstate.runner.provider import Provider
from qstate.runner.record import Record, ambient_store, now, pointer
from qstate.runner.status import JobStatus
from qstate.store import StateStore

_USER: Final = 4  # so many calls up from a warning is the user's own


def submit_program(program: Program, provider: Provider, state: StateHandler | None) -> Job:
    """Run a program that was checked.

    Raises:
        InvalidProgramError: A part of it can't be sent to the job.
        StateError: The store that it is given can't be written.
        RayUnavailableError: No Ray answers.
    """
    resource = provider.compute_resource
    server = resource.job_server()
    there = job_surroundings(state)
    given = state if state is not None else there.override
    record = _begun(
        f"fqs_{uuid.uuid4()}",
        given,
        {
            "program": program.name,
            "entrypoint": program.label if program.function else program.entrypoint,
            "description": program.description,
            "version": program.version,
            **_facts(provider, server, given),
        },
        program.arguments or {},
    )
    launcher = resource.launcher(server, own_environment=bool(program.dependencies))
    with _forgotten_on_failure(record), packed(record, program, there) as package:
        server.submit(
            submission_id=record.job_id,
            entrypoint=program.command(*launcher, "-m", PACKAGE),
            runtime_env={**program.runtime_env(), "py_modules": [package]},
            metadata={"program": program.name},
        )
    return Job(record.job_id, server, record, given)


def submit_command(entrypoint: str, runtime_env: dict[str, Any], provider: Provider) -> Job:
    """Run a shell command.

    Raises:
        RayUnavailableError: No Ray answers.
    """
    server = provider.compute_resource.job_server()
    job_id = server.submit(entrypoint=entrypoint, runtime_env=runtime_env)
    facts = {"entrypoint": entrypoint, **_facts(provider, server, None)}
    return Job(job_id, server, _begun(job_id, None, facts, {}))


def _facts(provider: Provider, server: JobServer, state: StateHandler | None) -> dict[str, Any]:
    return {
        "provider": provider.name,
        "server": server.url,
        "state": pointer(state) if isinstance(state, StateStore) else None,
        "status": str(JobStatus.PENDING),
        "submitted": now(),
    }


def _begun(
    job_id: str,
    given: StateHandler | None,
    facts: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> Record:
    """The record of a job, begun in the store that it is given and in the ambient one."""
    stores = [given] if isinstance(given, StateStore) else []
    Record(job_id, *stores).begin(facts, arguments)
    try:
        ambient = ambient_store()
        if ambient not in stores:
            Record(job_id, ambient).begin(facts, arguments)
            stores.append(ambient)
    except StateError as error:
        if isinstance(error, SerializationError) and not stores:
            raise
        warnings.warn(
            f"job {job_id} is not in the list of jobs, as the ambient store can't be written: "
            f"{error}; set QSTATE_URL to one that can",
            RuntimeWarning,
            stacklevel=_USER,
        )
    return Record(job_id, *stores)


@contextmanager
def _forgotten_on_failure(record: Record) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(StateError):
            record.forget()
        raise
