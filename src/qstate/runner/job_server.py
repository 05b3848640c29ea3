"""Ray's job server, as programs and jobs use it."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote, urlsplit

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

    def details(self, job_id: str) -> dict[str, Any]:
        """What Ray knows of the job: status, message, exit code, times in milliseconds."""
        return self._call("GET", _path(job_id))

    def logs(self, job_id: str) -> str:
        """All that the job has printed."""
        return str(self._call("GET", f"{_path(job_id)}/logs")["logs"] or "")

    def stop(self, job_id: str) -> bool:
        """Ask the job to end; whether it was running."""
        return bool(self._call("POST", f"{_path(job_id)}/stop")["stopped"])

    async def tail(self, job_id: str) -> AsyncIterator[str]:
        """What the job prints, as it comes, until it has ended.

        Raises:
            StateError: The connection was lost, or the job is not known.
        """
        from aiohttp import ClientError

        with told(self.url):
            try:
                async for text in self._client.tail_job_logs(job_id):
                    yield text
            except (RuntimeError, ClientError) as error:  # for whatever has happened
                raise ConnectionError(str(error)) from error

    def _call(self, method: str, path: str) -> dict[str, Any]:
        """An answer within bounded time: Ray's own client would wait for ever.

        Raises:
            JobNotFoundError: Ray does not know what is asked for.
            RayUnavailableError: It does not answer in time.
        """
        with told(self.url):
            try:
                return _read(f"{self.url}{path}", method)
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.NOT_FOUND:
                    raise
        raise JobNotFoundError(
            f"the Ray at {self.url} knows no job {path.split('/')[3]!r}; jobs are forgotten when "
            "their Ray ends"
        )


def _path(job_id: str) -> str:
    return f"/api/jobs/{quote(job_id, safe='')}"


def _ask_version(url: str) -> dict[str, Any]:
    version = _read(f"{url}/api/version")
    if "ray_version" not in version:
        raise ConnectionError("what answers is no Ray")
    return version


def _read(url: str, method: str = "GET") -> dict[str, Any]:
    from ray._private.authentication import http_token_authentication as tokens

    headers = tokens.get_auth_headers_if_auth_enabled({})
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise load_ray().exceptions.AuthenticationError(str(error)) from error
        raise
    except HTTPException as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    except (ValueError, TypeError):
        raise ConnectionError("what answers is no Ray") from None


class KnownServer:
    """The job server at a URL, called when it is needed; its silence is remembered for a while.

    Args:
        url: Its URL.
        server: It, where it has been called already.
    """

    def __init__(self, url: str, server: JobServer | None = None) -> None:
        self.url = url
        self._server = server
        self._silence: tuple[float, RayUnavailableError] | None = None

    def __call__(self) -> JobServer:
        """The job server.

        Raises:
            RayUnavailableError: It does not answer.
        """
        if self._server is None:
            if self._silence is not None and time.monotonic() < self._silence[0]:
                raise self._silence[1]
            try:
                self._server = JobServer(self.url)
            except RayUnavailableError as error:
                self._silence = time.monotonic() + _SILENCE, error
                raise
        return self._server


_SILENCE: Final = 1.0


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
