"""How a provider's Ray does: whether it answers, and whether its versions are those of here."""

from __future__ import annotations

import json
import os
import platform
import urllib.error
import urllib.request
from dataclasses import dataclass

from qstate.runner.connection import TIMEOUT, join_port, load_ray, runs_here, show_token, told
from qstate.runner.provider import ComputeResource


@dataclass(frozen=True, slots=True)
class RayHealth:
    """A Ray that answers.

    Attributes:
        address: Where.
        ray: Its version; None: not known.
        python: The version of its Python; None: not known.
    """

    address: str
    ray: str | None = None
    python: str | None = None

    def mismatch(self) -> str | None:
        """What of its versions differs from this process's so that they don't work together."""
        here = load_ray().__version__
        if self.ray not in (None, here):
            return f"Ray {self.ray} runs there, {here} here: pip install 'ray[default]=={self.ray}'"
        python = platform.python_version()
        if self.python is not None and _minor(self.python) != _minor(python):
            minor = _minor(self.python)
            return f"Python {self.python} runs there, {python} here: use Python {minor} here"
        return None


def ray_health(resource: ComputeResource) -> RayHealth | None:
    """The Ray of a provider; None where none runs on this machine, and one would be started.

    Raises:
        RayUnavailableError: None answers where the provider says that one runs.
    """
    load_ray()
    if resource.host is None:
        running = bool(os.environ.get("RAY_ADDRESS")) or runs_here()
        return RayHealth("this machine") if running else None
    url = f"http://{join_port(resource.host, resource.port_job_server)}"
    show_token(resource.host)
    with told(url):
        versions = _versions(url)
    return RayHealth(url, versions.get("rayVersion"), versions.get("pythonVersion"))


def _versions(url: str) -> dict[str, str]:
    from ray._private.authentication import http_token_authentication as tokens

    headers = tokens.get_auth_headers_if_auth_enabled({})
    request = urllib.request.Request(f"{url}/api/v0/cluster_metadata", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return dict(json.load(answer)["data"])
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise load_ray().exceptions.AuthenticationError(str(error)) from error
        raise
    except (KeyError, TypeError, ValueError):
        raise ConnectionError("what answers is no Ray") from None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
