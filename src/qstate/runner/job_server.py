"""Ray's job server, as programs and jobs use it."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from qstate.errors import JobNotFoundError, RayUnavailableError
from qstate.runner.connection import TIMEOUT, load_ray, session_folder, show_token, told


class JobServer:
    """The job server at one URL.

    Args:
        url: As in ``http://localhost:8265``.

    Raises:
        RayUnavailableError: No Ray answers there within ten seconds, or it refuses this process's
            token.
    """

    def __init__(self, url: str) -> None:
        load_ray()
        from ray.job_submission import JobSubmissionClient

        self.url = url
        show_token(urlsplit(url).hostname or "")
        with told(url):
            self._version = _ask_version(url)
            with _environment("RAY_API_SERVER_ADDRESS", url):
                self._client = JobSubmissionClient(url)

    @property
    def runs_here(self) -> bool:
        """Whether its Ray runs on this machine: the folder of its session is here."""
        session = self._version.get("session_name")
        return bool(session) and (session_folder() / str(session)).is_dir()

    def submit(self, **request: Any) -> str:
        """Submit a job, described as for ``JobSubmissionClient.submit_job``; return its id.

        Raises:
            RayUnavailableError: Ray does not answer, or runs without its agent for jobs.
        """
        try:
            with told(self.url):
                return str(self._client.submit_job(**request))
        except RuntimeError as error:
            if "No available agent" not in str(error):
                raise
            raise RayUnavailableError(
                f"the Ray at {self.url} takes no jobs, as the agent that runs them has not come "
                "up; where another Ray on its machine has the agent's port (52365), stop that "
                "one, or start this one with `ray start --head --dashboard-agent-listen-port=0`"
            ) from error

    def status(self, job_id: str) -> str:
        """The job's status, in Ray's word."""
        with self._about(job_id):
            return str(self._client.get_job_status(job_id).value)

    def logs(self, job_id: str) -> str:
        """All that the job has printed."""
        with self._about(job_id):
            return str(self._client.get_job_logs(job_id))

    def stop(self, job_id: str) -> bool:
        """Ask the job to end; whether it was running."""
        with self._about(job_id):
            return bool(self._client.stop_job(job_id))

    async def tail(self, job_id: str) -> AsyncIterator[str]:
        """What the job prints, as it comes, until it has ended."""
        with self._about(job_id):
            async for text in self._client.tail_job_logs(job_id):
                yield text

    @contextmanager
    def _about(self, job_id: str) -> Iterator[None]:
        with told(self.url):
            try:
                yield
            except RuntimeError as error:
                if "does not exist" not in str(error):
                    raise
                raise JobNotFoundError(
                    f"the Ray at {self.url} knows no job {job_id!r}; jobs are forgotten when their "
                    "Ray ends"
                ) from None


def _ask_version(url: str) -> dict[str, Any]:
    from ray._private.authentication import http_token_authentication as tokens

    headers = tokens.get_auth_headers_if_auth_enabled({})
    request = urllib.request.Request(f"{url}/api/version", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return _version(answer.read(10_000))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise load_ray().exceptions.AuthenticationError(str(error)) from error
        raise


def _version(answer: bytes) -> dict[str, Any]:
    try:
        version = json.loads(answer)
        version["ray_version"]
    except (ValueError, KeyError, TypeError):
        raise ConnectionError("what answers is no Ray") from None
    return dict(version)


_environment_lock: Final = threading.Lock()


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set a variable for a moment: Ray puts its own variables above the address it is given."""
    with _environment_lock:
        before = os.environ.get(name)
        os.environ[name] = value
        try:
            yield
        finally:
            del os.environ[name]
            if before is not None:
                os.environ[name] = before
