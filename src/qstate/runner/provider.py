"""Providers: where programs and tasks run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from qstate.errors import RayUnavailableError
from qstate.runner.connection import (
    Context,
    join_host,
    join_local,
    join_port,
    joined_address,
)
from qstate.runner.job_server import JobServer


@dataclass
class ComputeResource:
    """A Ray cluster, by its addresses.

    Attributes:
        name: What people call it.
        host: Where its head is; None: this machine, where Ray is started when it is needed.
        port_interactive: The port of its client server, for contexts.
        port_job_server: The port of its job server, for programs.
        resources: Custom resources that the Ray on this machine is started with, as in
            ``{"qpu": 1}``; for a resource without a host.
        python: The interpreter that runs programs there. None: this one where the cluster runs on
            this machine, else ``python`` as the cluster's head finds it.
    """

    name: str
    host: str | None = None
    port_interactive: int = 10001
    port_job_server: int = 8265
    resources: dict[str, float] = field(default_factory=dict)
    python: str | None = None

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Made from a configuration.

        Raises:
            ValueError: A key is unknown or missing.
        """
        return cls(**checked(cls, settings))

    def context(self, **options: Any) -> Context:
        """Join this process to the cluster, as its driver; leave it by ``with``.

        Args:
            **options: As for ``ray.init``.

        Raises:
            RayUnavailableError: No Ray answers there.
        """
        if self.host is not None:
            return join_host(self.host, self.port_interactive, **options)
        if self.resources:
            options.setdefault("resources", self.resources)
        return join_local(**options)

    def job_server(self) -> JobServer:
        """The cluster's job server, known to answer.

        Raises:
            RayUnavailableError: No Ray answers there.
        """
        if self.host is not None:
            return JobServer(f"http://{join_port(self.host, self.port_job_server)}")
        address = self.context().dashboard_url
        if not address:
            raise RayUnavailableError(
                "the Ray that runs on this machine has no job server: start it with its dashboard, "
                "which pip install 'qstate[ray]' brings"
            )
        return JobServer(f"http://{address}")

    def places(self) -> tuple[str, str]:
        """Where its job server and its client server are, for people."""
        if self.host is None:
            return "this machine", "this machine"
        return (
            join_port(self.host, self.port_job_server),
            join_port(self.host, self.port_interactive),
        )

    def launcher(self, server: JobServer, *, own_environment: bool = False) -> list[str]:
        """The words of a command that run a script there.

        Args:
            server: Its job server.
            own_environment: Whether Ray makes an environment for the job, whose interpreter it is
                then.
        """
        here = self.host is None or server.runs_here
        python = self.python or (sys.executable if here else "python")
        if own_environment:
            python = "python"
        # Without its address, a job takes any Ray that it finds on this machine.
        address = joined_address() if self.host is None else None
        return ["env", f"RAY_ADDRESS={address}", python] if address else [python]


@dataclass
class Provider:
    """A name for where programs and tasks run.

    Attributes:
        name: What people choose it by.
        compute_resource: The Ray cluster; None: this machine.
    """

    name: str
    compute_resource: ComputeResource = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.compute_resource is None:
            self.compute_resource = ComputeResource(self.name)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Made from a configuration, as in ``{"name": "lab", "compute_resource": {…}}``.

        Raises:
            ValueError: A key is unknown or missing.
        """
        known = checked(cls, settings)
        if resource := known.pop("compute_resource", None):
            known["compute_resource"] = ComputeResource.from_dict(resource)
        return cls(**known)

    def context(self, **options: Any) -> Context:
        """As :meth:`ComputeResource.context`."""
        return self.compute_resource.context(**options)

    def __repr__(self) -> str:
        return f"<Provider | {self.name}>"


def checked(kind: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for a class whose first field is its name.

    Raises:
        TypeError: They are no mapping.
        ValueError: One is unknown, or the name is missing.
    """
    if not isinstance(settings, Mapping):
        raise TypeError(f"{kind.__name__}: settings are a mapping, not {type(settings).__name__}")
    known = [entry.name for entry in fields(kind)]
    unknown = sorted(str(key) for key in settings if key not in known)
    if unknown:
        raise ValueError(f"{kind.__name__}: unknown {unknown[0]!r}; known here: {', '.join(known)}")
    if not settings.get("name"):
        raise ValueError(f"{kind.__name__}: 'name' is missing in {dict(settings)}")
    return dict(settings)
