"""Target: what a task takes of the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Target:
    """What a task takes of the cluster.

    Attributes:
        cpu: Processor cores; fractions too.
        gpu: Graphics cards; fractions too.
        qpu: Quantum processors: so much of the cluster's custom resource ``qpu``.
        mem: Memory in bytes; 0: as Ray sees fit.
        resources: Other custom resources, by name.
        env_vars: Environment variables of the task.
        pip: What ``pip`` installs for the task.

    Example:
        >>> Target(cpu=2, qpu=1).options()
        {'num_cpus': 2, 'resources': {'qpu': 1}}
    """

    cpu: float = 1
    gpu: float = 0
    qpu: float = 0
    mem: float = 0
    resources: Mapping[str, float] | None = None
    env_vars: Mapping[str, str] | None = None
    pip: Sequence[str] | None = None

    def options(self) -> dict[str, Any]:
        """The same, as options of ``ray.remote``."""
        resources = {**({"qpu": self.qpu} if self.qpu else {}), **(self.resources or {})}
        runtime_env = {
            **({"env_vars": dict(self.env_vars)} if self.env_vars else {}),
            **({"pip": list(self.pip)} if self.pip else {}),
        }
        optional = {
            "num_gpus": self.gpu,
            "memory": self.mem,
            "resources": resources,
            "runtime_env": runtime_env,
        }
        return {"num_cpus": self.cpu, **{name: value for name, value in optional.items() if value}}


def as_target(target: Target | Mapping[str, Any]) -> Target:
    """A target, from a dict with its fields too.

    Raises:
        TypeError: A field is unknown.
    """
    if isinstance(target, Target):
        return target
    known = [entry.name for entry in fields(Target)]
    if unknown := sorted(set(target) - set(known)):
        raise TypeError(f"target: unknown {unknown[0]!r}; known here: {', '.join(known)}")
    return Target(**target)
