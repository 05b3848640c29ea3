"""Job: one run of a program on Ray."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from qstate.errors import (
    JobFailedError,
    JobNotFoundError,
    RayUnavailableError,
    StateError,
    StateTimeoutError,
)
from qstate.handler import StateHandler
from qstate.runner.following import followed
from qstate.runner.job_server import JobServer, KnownServer
from qstate.runner.outcome import PATIENCE, Outcome
from qstate.runner.progress import ProgressLine
from qstate.runner.record import Facts, Record
from qstate.runner.status import JobStatus
from qstate.runner.tables import table

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_LAST_LINES: Final = 20


class Job:
    """One run of a program on Ray; what ``run_program`` and ``run_job`` return.

    What its record has is at hand after its Ray has ended as well.

    Args:
        job_id: Its id.
        server: The job server of its Ray.
        record: What is kept of it; None: nothing.
        state: The store that it was given.
        known: What its record is known to have.
        patience: Seconds for which its Ray may be silent before it counts as lost.

    Attributes:
        job_id: Its id at the job server; ``fqs_`` and a UUID for programs.
        state: The store that it was given; None: it was given none, or it can't be opened here.
    """

    def __init__(
        self,
        job_id: str,
        server: JobServer | KnownServer,
        record: Record | None = None,
        state: StateHandler | None = None,
        *,
        known: Facts | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.job_id = job_id
        self.state = state
        self._record = record or Record(job_id)
        if isinstance(server, JobServer):
            server = KnownServer(server.url, server)
        self._outcome = Outcome(server, self._record, known, patience)

    # -- what has become of it -------------------------------------------------------------------

    def status(self) -> JobStatus:
        """What has become of it so far: as its Ray says, else as its record does.

        A job that had not ended when its Ray went away for good is ``FAILED``, and ``error`` says
        so.

        Raises:
            RayUnavailableError: Its Ray does not answer, and it has no record.
            JobNotFoundError: Its Ray does not know it, and it has no record.
        """
        return self._outcome.status()

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until it has ended.

        Args:
            timeout: In seconds; None: for as long as it takes.

        Returns:
            The status that it ended with.

        Raises:
            StateTimeoutError: It has not ended within ``timeout``; it runs on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while not (status := self.status()).is_terminal():
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise StateTimeoutError(f"{self!r} has not ended within {timeout:g} s: {status}")
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
        return status

    def result(self, timeout: float | None = None) -> Any:
        """What it saved with ``save_result``, or its function returned; waits for it.

        Args:
            timeout: In seconds; None: for as long as it takes.

        Returns:
            The value; None where it saved none.

        Raises:
            JobFailedError: It failed or was stopped; with its traceback and the end of its log.
            StateTimeoutError: It has not ended within ``timeout``; it runs on.
            StateError: The store that has the result can't be asked.
        """
        status = self.wait(timeout)
        if status is not JobStatus.SUCCEEDED:
            raise self._failure(status)
        return self._record.result()

    def stop(self) -> bool:
        """Ask it to end.

        Returns:
            Whether it was running.

        Raises:
            RayUnavailableError: Its Ray does not answer.
        """
        if self.status().is_terminal():
            return False
        self._record.note(stopping=True)
        return self._outcome.server().stop(self.job_id)

    @property
    def error(self) -> str | None:
        """Why it did not succeed, in a line; None: it did, or it has not ended."""
        if not self.status().is_terminal():
            return None
        error = self._outcome.facts().get("error")
        return None if error is None else str(error)

    # -- what it prints --------------------------------------------------------------------------

    def logs(self) -> str:
        """All that it and its tasks have printed so far; without its Ray, what its record has.

        Raises:
            RayUnavailableError: Its Ray does not answer, and its record has nothing.
            JobNotFoundError: Its Ray does not know it, and its record has nothing.
        """
        return self._outcome.logs()

    def logs_iterator(self) -> Iterator[str]:
        """What it prints, in pieces as they come; ends when the job has ended."""
        return (piece for piece in self._pieces() if piece is not None)

    def follow(self) -> JobStatus:
        """Print what it prints, as it comes, until it has ended.

        On a terminal and in a notebook a line below says for how long it has been running, and how
        far it is where it tells that by ``report_progress``.

        Returns:
            The status that it ended with.
        """
        with ProgressLine() as line:
            for piece in self._pieces():
                if piece is not None:
                    line.print(piece)
                elif line.is_shown:
                    line.show(self._outcome.latest, self._record.progress())
        return self.wait()

    def _pieces(self) -> Iterator[str | None]:
        try:
            server = self._outcome.server()
            server.details(self.job_id)
        except (RayUnavailableError, JobNotFoundError):
            if not self.status().is_terminal():
                raise
            return iter([self._record.log() or ""])
        return followed(lambda: server.tail(self.job_id), lambda: self.status().is_terminal())

    # -- what is known of it ---------------------------------------------------------------------

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that it was run with."""
        return self._record.arguments()

    @property
    def program(self) -> str:
        """The name of its program; empty where that is not recorded."""
        return str(self._outcome.facts().get("program") or "")

    @property
    def submitted(self) -> datetime | None:
        """When it was submitted, in UTC; None where that is not recorded."""
        return self._outcome.facts().get("submitted")

    @property
    def started(self) -> datetime | None:
        """When it began to run, in UTC; None: it has not, as far as is known."""
        return self._outcome.facts().get("started")

    @property
    def ended(self) -> datetime | None:
        """When it ended, in UTC; None: it has not, as far as is known."""
        return self._outcome.facts().get("ended")

    def __repr__(self) -> str:
        return f"<Job | {self.job_id}>"

    def _repr_html_(self) -> str:
        try:
            status = str(self._outcome.status(at_once=True))
            facts = self._outcome.facts()
        except StateError as error:
            status, facts = f"unknown: {error}", {}
        rows = [("job", self.job_id), ("program", facts.get("program")), ("status", status)]
        rows += [(name, _shown(facts.get(name))) for name in ("submitted", "started", "ended")]
        rows.append(("error", facts.get("error")))
        return table(row for row in rows if row[1])

    def _failure(self, status: JobStatus) -> JobFailedError:
        facts = self._outcome.facts()
        log = "\n".join(self._outcome.known_logs().splitlines()[-_LAST_LINES:])
        reason = str(facts.get("error") or "no reason is known")
        return JobFailedError(
            f"{self!r} {'was stopped' if status is JobStatus.STOPPED else f'failed: {reason}'}",
            job_id=self.job_id,
            status=str(status),
            reason=reason,
            traceback=facts.get("traceback") or "",
            log=log,
        )


def _shown(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"
