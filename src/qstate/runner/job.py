"""Job: one run of a program on Ray."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from typing import Final

from qstate.errors import StateTimeoutError
from qstate.runner.job_server import JobServer

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0


class JobStatus(StrEnum):
    """What has become of a job.

    Example:
        >>> JobStatus("SUCCEEDED"), JobStatus.RUNNING.is_terminal()
        (<JobStatus.SUCCEEDED: 'SUCCEEDED'>, False)
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    def is_terminal(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return self not in (JobStatus.PENDING, JobStatus.RUNNING)


class Job:
    """One run of a program on Ray; what ``run_program`` and ``run_job`` return.

    Every method raises ``RayUnavailableError`` where its Ray does not answer any more.

    Attributes:
        job_id: Its id at the job server; ``fqs_`` and a UUID for programs.
    """

    def __init__(self, job_id: str, server: JobServer) -> None:
        self.job_id = job_id
        self._server = server

    def status(self) -> JobStatus:
        """What has become of it so far."""
        return JobStatus(self._server.status(self.job_id))

    def logs(self) -> str:
        """All that it and its tasks have printed so far."""
        return self._server.logs(self.job_id)

    def logs_iterator(self) -> Iterator[str]:
        """What it prints, in pieces as they come; ends when the job has ended."""
        return _followed(lambda: self._server.tail(self.job_id))

    def stop(self) -> bool:
        """Ask it to end.

        Returns:
            Whether it was running.
        """
        return self._server.stop(self.job_id)

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

    def __repr__(self) -> str:
        return f"<Job | {self.job_id}>"


def _followed(tail: Callable[[], AsyncIterator[str]]) -> Iterator[str]:
    """What an asynchronous iterator gives, also where an event loop runs, as in notebooks."""
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    pump = loop.create_task(_pump(tail(), pieces))
    thread = threading.Thread(target=_run, args=(loop, pump), name="qstate-job-logs", daemon=True)
    thread.start()
    try:
        while isinstance(piece := pieces.get(), str):
            yield piece
        if piece is not None:
            raise piece
    finally:
        loop.call_soon_threadsafe(pump.cancel)
        thread.join()
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, pump: asyncio.Task[None]) -> None:
    loop.run_until_complete(asyncio.wait([pump]))
    loop.run_until_complete(loop.shutdown_asyncgens())


async def _pump(
    tail: AsyncIterator[str], pieces: queue.SimpleQueue[str | BaseException | None]
) -> None:
    try:
        async for piece in tail:
            pieces.put(piece)
    except Exception as error:  # noqa: BLE001 - raised where the pieces are read
        pieces.put(error)
    else:
        pieces.put(None)
