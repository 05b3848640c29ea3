"""QuantumServerless: programs and tasks on the provider of one's choice."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from qstate.errors import ProviderNotFoundError
from qstate.handler import StateHandler
from qstate.runner.connection import Context
from qstate.runner.history import ambient_job, recorded_job, recorded_jobs
from qstate.runner.job import Job
from qstate.runner.program import Program
from qstate.runner.provider import Provider
from qstate.runner.record import ambient_store
from qstate.runner.submission import submit_command, submit_program
from qstate.runner.tables import table
from qstate.store import StateStore

_READERS: Final[dict[str, Callable[[str], Any]]] = {".json": json.loads, ".toml": tomllib.loads}


class QuantumServerless:
    """Runs programs and tasks: on this machine, or on a Ray cluster that a provider names.

    The provider ``local`` is always there, and first. The last one configured is selected.

    Args:
        config: ``{"providers": [{"name": …, "compute_resource": {"name": …, "host": …}}]}``.

    Raises:
        TypeError: The configuration, or a part of it, is of the wrong type.
        ValueError: A key in it is unknown, or a name is missing.

    Example:
        >>> QuantumServerless(
        ...     {"providers": [{"name": "docker", "compute_resource": {"name": "docker"}}]}
        ... )
        <QuantumServerless | providers [local, docker]>
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self._providers = {"local": Provider("local")}
        self._selected = "local"
        for settings in _provider_settings({} if config is None else config):
            self.set_provider(Provider.from_dict(settings))
        self._entered: list[Context] = []

    @classmethod
    def load_configuration(cls, path: str | Path) -> Self:
        """Made from a file.

        Args:
            path: A JSON or TOML file, told apart by its suffix.

        Raises:
            ValueError: The file is no such file, or what it says can't be.
            FileNotFoundError: There is none.
        """
        file = Path(path)
        read = _READERS.get(file.suffix.lower())
        if read is None:
            raise ValueError(f"{file}: a configuration ends in {' or '.join(_READERS)}")
        try:
            return cls(read(file.read_text("utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file}: {error}") from error

    def providers(self) -> list[Provider]:
        """All providers, ``local`` first."""
        return list(self._providers.values())

    @property
    def selected(self) -> Provider:
        """The provider used where none is named."""
        return self._providers[self._selected]

    def add_provider(self, provider: Provider) -> Self:
        """Add a provider, in place of one of the same name; it is not selected by that."""
        self._providers[provider.name] = provider
        return self

    def set_provider(self, provider: str | Provider) -> Self:
        """Select a provider.

        Raises:
            ProviderNotFoundError: None of that name is configured.
        """
        if isinstance(provider, Provider):
            self.add_provider(provider)
        self._selected = self._find(provider).name
        return self

    def provider(self, provider: str | Provider | None = None, **options: Any) -> Context:
        """Join this process to a provider's Ray, for use in ``with``; as :meth:`context`.

        Raises:
            ProviderNotFoundError: None of that name is configured.
            RayUnavailableError: No Ray answers there.
        """
        return self._find(provider).context(**options)

    def context(self, provider: str | Provider | None = None, **options: Any) -> Context:
        """Join this process to a provider's Ray, for use in ``with``.

        Inside a job the provider ``local`` is the job's own Ray.

        Args:
            provider: None: the selected one.
            **options: As for ``ray.init``.

        Raises:
            ProviderNotFoundError: None of that name is configured.
            RayUnavailableError: No Ray answers there.
        """
        return self._find(provider).context(**options)

    def run_program(
        self,
        program: Program,
        *,
        arguments: Mapping[str, Any] | None = None,
        state: StateHandler | None = None,
        provider: str | Provider | None = None,
    ) -> Job:
        """Run a program as a job.

        The job is recorded in ``state``, and in the ambient store, where :meth:`jobs` finds it.

        Args:
            program: What to run; its folder is uploaded.
            arguments: Further arguments; they win over the program's.
            state: The store that ``current()`` gives in the job; anything with ``get`` and ``set``.
            provider: None: the selected one.

        Raises:
            InvalidProgramError: It can't be run as described; nothing was submitted.
            SerializationError: An argument is nothing that a store takes; nothing was submitted.
            ProviderNotFoundError: None of that name is configured.
            RayUnavailableError: No Ray answers there.
            StoreUnavailableError: The store ``state`` did not answer; nothing was submitted.
        """
        if state is not None and not isinstance(state, StateHandler):
            raise TypeError(f"state= takes anything with get and set, not {type(state).__name__}")
        program = program.with_arguments(arguments)
        program.check()
        return submit_program(program, self._find(provider), state)

    def run_job(self, entrypoint: str, runtime_env: Mapping[str, Any] | None = None) -> Job:
        """Run a shell command as a job.

        Args:
            entrypoint: The command.
            runtime_env: As Ray describes it.

        Raises:
            RayUnavailableError: No Ray answers at the selected provider.
        """
        return submit_command(entrypoint, dict(runtime_env or {}), self._find(None))

    def jobs(self, *, state: StateStore | None = None) -> list[Job]:
        """The jobs that have a record, the newest first; whether their Ray still runs or not.

        Args:
            state: The store that they were run with. None: the ambient store, in which all are
                recorded that were run where it was the ambient one.

        Raises:
            StoreUnavailableError: The store did not answer.
        """
        return recorded_jobs(ambient_store() if state is None else state)

    def get_job_by_id(self, job_id: str, *, state: StateStore | None = None) -> Job:
        """A job that was run before, here or elsewhere: by its record, else on the selected Ray.

        Args:
            job_id: Its id.
            state: The store that it was run with, for the record; None: the ambient store.

        Raises:
            JobNotFoundError: It has no record, and Ray knows no such job.
            RayUnavailableError: It has no record, and no Ray answers at the selected provider.
        """
        job = ambient_job(job_id) if state is None else recorded_job(job_id, state)
        if job is not None:
            return job
        server = self._find(None).compute_resource.job_server()
        server.details(job_id)
        return Job(job_id, server)

    def _find(self, provider: str | Provider | None) -> Provider:
        if isinstance(provider, Provider):
            return provider
        name = self._selected if provider is None else provider
        if name not in self._providers:
            known = ", ".join(self._providers)
            raise ProviderNotFoundError(f"no provider {name!r} is configured; there are: {known}")
        return self._providers[name]

    def __enter__(self) -> Self:
        self._entered.append(self.context())
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.pop().disconnect()

    def __repr__(self) -> str:
        return f"<QuantumServerless | providers [{', '.join(self._providers)}]>"

    def _repr_html_(self) -> str:
        rows = [
            (
                provider.name,
                *provider.compute_resource.places(),
                "selected" * (name == self._selected),
            )
            for name, provider in self._providers.items()
        ]
        return table(rows, ("provider", "jobs", "contexts", ""))


def load_configuration(path: str | Path) -> QuantumServerless:
    """As :meth:`QuantumServerless.load_configuration`."""
    return QuantumServerless.load_configuration(path)


def _provider_settings(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not isinstance(config, Mapping):
        raise TypeError(f"a configuration is a mapping, not {type(config).__name__}")
    if unknown := sorted(set(config) - {"providers"}):
        raise ValueError(f"configuration: unknown {unknown[0]!r}; known here: providers")
    providers = config.get("providers", [])
    if not isinstance(providers, list):
        raise TypeError("configuration: 'providers' is a list")
    return providers
