"""Jobs that were run before, by their records."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from qstate.errors import StateError
from qstate.runner.job import Job
from qstate.runner.job_server import KnownServer
from qstate.runner.record import Facts, Record, ambient_store, job_ids, pointed_at
from qstate.store import StateStore

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


def recorded_job(job_id: str, store: StateStore) -> Job | None:
    """A job by its record in a store; None: it has none there."""
    facts = Record(job_id, store).facts()
    return _job(job_id, store, facts, KnownServer(facts["server"])) if facts else None


def ambient_job(job_id: str) -> Job | None:
    """A job by its record in the ambient store; None: it has none there, or none can be read."""
    try:
        return recorded_job(job_id, ambient_store())
    except StateError:
        return None


def recorded_jobs(store: StateStore) -> list[Job]:
    """All jobs that have a record in a store, the newest first."""
    servers: dict[str, KnownServer] = {}
    jobs = []
    for job_id, facts in _newest_first(store):
        url = facts["server"]
        server = servers.setdefault(url, KnownServer(url))
        jobs.append(_job(job_id, store, facts, server, patience=0))
    return jobs


def _newest_first(store: StateStore) -> Iterable[tuple[str, Facts]]:
    known = [(job_id, Record(job_id, store).facts()) for job_id in job_ids(store)]
    known = [(job_id, facts) for job_id, facts in known if facts]
    return sorted(known, key=lambda each: each[1].get("submitted") or _EARLIEST, reverse=True)


def _job(
    job_id: str, store: StateStore, facts: Facts, server: KnownServer, **options: float
) -> Job:
    state = pointed_at(facts.get("state"))
    stores = [store] if state is None or state == store else [state, store]
    return Job(job_id, server, Record(job_id, *stores), state, known=facts, **options)
