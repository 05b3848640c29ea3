"""What becomes of a job: asked of the Ray that runs it, and of its record where that is silent."""

from __future__ import annotations

import time
from typing import Any, Final

from qstate.errors import JobNotFoundError, RayUnavailableError, StateError
from qstate.runner.job_server import KnownServer
from qstate.runner.record import Facts, Record, has_ended
from qstate.runner.status import JobStatus, told_by_ray

PATIENCE: Final = 10.0
"""Seconds that a Ray may be silent before its job counts as lost."""

_PAUSE: Final = 0.1


class Outcome:
    """What becomes of a job.

    Args:
        server: The job server of its Ray.
        record: What is kept of it.
        known: What its record is known to have.
        patience: Seconds for which its Ray may be silent.

    Attributes:
        latest: The status that was heard of last.
    """

    def __init__(
        self, server: KnownServer, record: Record, known: Facts | None = None, patience: float = 0
    ) -> None:
        self.server = server
        self.record = record
        self.latest = JobStatus.PENDING
        self._patience = patience
        self._settled: Facts = {}
        if known and known.get("settled"):
            self._settle(known)

    def status(self, *, at_once: bool = False) -> JobStatus:
        """What Ray says, else what the record says; what Ray has said of an end stays.

        Args:
            at_once: Whether a silent Ray gets no second chance.

        Raises:
            RayUnavailableError: Ray does not answer, and there is no record.
            JobNotFoundError: Ray does not know the job, and there is no record.
        """
        if not self._settled:
            self.latest = self._asked(time.monotonic() + (0 if at_once else self._patience))
        return self.latest

    def facts(self) -> Facts:
        """All that is known of the job by now; empty where there is no record."""
        return self._settled or self.record.facts()

    def logs(self) -> str:
        """All that the job has printed; without its Ray, what the record has.

        Raises:
            RayUnavailableError: Ray does not answer, and the record has nothing.
            JobNotFoundError: Ray does not know the job, and the record has nothing.
        """
        try:
            return self.server().logs(self.record.job_id)
        except (RayUnavailableError, JobNotFoundError):
            kept = self.record.log()
            if kept is None:
                raise
            return kept

    def known_logs(self) -> str:
        """The same; empty where it can't be had."""
        try:
            return self.logs()
        except StateError:
            return ""

    def _asked(self, deadline: float) -> JobStatus:
        while True:
            try:
                return self._heard(self.server().details(self.record.job_id))
            except (RayUnavailableError, JobNotFoundError) as silence:
                facts = self.record.facts()
                if not facts:
                    raise
                known = has_ended(facts) or isinstance(silence, JobNotFoundError)
                if known or time.monotonic() >= deadline:
                    return self._concluded(facts, silence)
            time.sleep(_PAUSE)

    def _heard(self, details: dict[str, Any]) -> JobStatus:
        """What Ray says; with an end the record is complete."""
        status = JobStatus(details["status"])
        if status.is_terminal():
            try:
                known = self.record.facts()
            except StateError:
                known = {}
            if not known.get("settled"):
                log = self.known_logs()
                news = told_by_ray(details, known, log)
                self.record.settle(log, **news)
                known = {**known, **news}
            self._settle(known)
        return status

    def _settle(self, facts: Facts) -> None:
        self._settled = facts
        self.latest = JobStatus(facts["status"])

    def _concluded(self, facts: Facts, silence: StateError) -> JobStatus:
        """What became of a job whose Ray can't say it any more."""
        stopped = bool(facts.get("stopping")) and facts["status"] != JobStatus.SUCCEEDED
        if has_ended(facts) and not stopped:
            return JobStatus(facts["status"])
        error = "it was stopped" if stopped else f"its Ray went away before it ended: {silence}"
        status = JobStatus.STOPPED if stopped else JobStatus.FAILED
        self.record.note(status=str(status), error=error, lost=True)
        return status
