"""JobStatus, and what a status and its error are made of."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final


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


_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_TRACEBACK: Final = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n)+(\S.*)(?:\n|\Z)", re.MULTILINE
)
_SHELL: Final = 128  # a shell tells a signal as this and its number


def told_by_ray(details: Mapping[str, Any], known: Mapping[str, Any], log: str) -> dict[str, Any]:
    """The facts of a job that has ended, from Ray's details of it and from what was known.

    Args:
        details: As Ray's job server gives them.
        known: The facts in the job's record.
        log: What it printed.
    """
    status = JobStatus(details["status"])
    facts: dict[str, Any] = {
        "status": str(status),
        "error": _error(status, details, known),
        "ended": _time(details.get("end_time")),
    }
    if status is JobStatus.FAILED and not known.get("traceback"):
        facts.update(_uncaught(log) if details.get("driver_exit_code") == 1 else {})
    if not known.get("started"):
        facts["started"] = _time(details.get("start_time"))
    if status is JobStatus.SUCCEEDED:
        facts["traceback"] = None
    if known.get("lost"):
        facts["lost"] = False
    return facts


def _error(status: JobStatus, details: Mapping[str, Any], known: Mapping[str, Any]) -> str | None:
    if status is JobStatus.SUCCEEDED:
        return None
    if status is JobStatus.STOPPED:
        return "it was stopped"
    if known.get("status") == JobStatus.FAILED and known.get("error") and not known.get("lost"):
        return str(known["error"])
    return _ending(details.get("driver_exit_code")) or _first_line(details.get("message"))


def _uncaught(log: str) -> dict[str, str]:
    """What a program that could not note it, or was no program of ours, printed when it failed."""
    found = list(_TRACEBACK.finditer(without_colours(log)))
    return {"error": found[-1][1], "traceback": found[-1][0]} if found else {}


def _ending(code: int | None) -> str | None:
    """What the exit code of a job's process says."""
    if not code:
        return None
    number = -code if code < 0 else code - _SHELL
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"its process ended with exit code {code}"
    memory = "; that is also what happens where memory runs out" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{memory}"


def _first_line(message: object) -> str:
    lines = str(message or "").strip().splitlines()
    return lines[0] if lines else "Ray gives no reason"


def without_colours(text: str) -> str:
    r"""A text without the signs that colour it on a terminal.

    Example:
        >>> without_colours("\x1b[36mray::measure()\x1b[39m")
        'ray::measure()'
    """
    return _COLOUR.sub("", text)


def _time(milliseconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
