"""Options that say where jobs run, and which store has their records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qstate.cli.failing import UsageError
from qstate.runner.provider import ComputeResource, Provider
from qstate.runner.serverless import QuantumServerless, load_configuration
from qstate.store import StateStore, connect


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OnRay:
    """Options of a command that Ray answers."""

    provider: Annotated[
        str | None,
        Parameter(
            name=("--provider", "-p"),
            help="A provider's name, or HOST:PORT of a job server. Else this machine's Ray, or the "
            "last one of the configuration.",
        ),
    ] = None
    config: Annotated[
        Path | None,
        Parameter(help="JSON or TOML file of providers; else $QSTATE_CONFIG."),
    ] = None

    def serverless(self) -> QuantumServerless:
        """Where jobs run, with the provider selected."""
        file = self.config or os.environ.get("QSTATE_CONFIG")
        made = load_configuration(file) if file else QuantumServerless()
        if self.provider is not None:
            made.set_provider(_provider(made, self.provider))
        return made


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OnJobs(OnRay):
    """Options of a command on jobs that were run before."""

    state: Annotated[
        str | None,
        Parameter(
            name=("--state", "--store", "-s"),
            help="URL or name of the store they were run with. Else $QSTATE_URL, else the user's "
            "own SQLite file.",
        ),
    ] = None

    @contextmanager
    def recorded(self) -> Iterator[tuple[QuantumServerless, StateStore]]:
        """Where jobs run, and the store that has their records."""
        with connect(self.state) as store:
            yield self.serverless(), store


def _provider(serverless: QuantumServerless, given: str) -> str | Provider:
    host, colon, port = given.removeprefix("http://").rstrip("/").rpartition(":")
    if given in [known.name for known in serverless.providers()] or not colon:
        return given
    if not host or not port.isdecimal():
        raise UsageError(f"--provider is a name, or HOST:PORT of a job server; not {given!r}")
    return Provider(host, ComputeResource(host, host.strip("[]"), port_job_server=int(port)))
