"""Program: a script and what it takes to run it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from qstate.errors import InvalidProgramError

_ARGUMENT: Final = re.compile(r"[A-Za-z_][\w.-]*")
_NOT_UPLOADED: Final = [
    ".git/",
    ".venv/",
    "venv/",
    "__pycache__/",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    "node_modules/",
]


@dataclass(kw_only=True)
class Program:
    """A script and what it takes to run it.

    Attributes:
        name: What people call it.
        entrypoint: The script's path, inside ``working_dir``.
        working_dir: The folder that is uploaded and that the script runs in, without version
            control, virtual environments and caches.
        arguments: Given to the script as ``--name=value``.
        env_vars: Environment variables of the script and its tasks.
        dependencies: What ``pip`` installs for the script and its tasks, as in ``["numpy>=2"]``.
        description: For people.
        version: For people.

    Example:
        >>> Program(name="hello", entrypoint="hello.py", arguments={"seed": 42}).command("python")
        'python hello.py --seed=42'
    """

    name: str = ""
    entrypoint: str
    working_dir: str | Path = "./"
    arguments: Mapping[str, Any] | None = None
    env_vars: Mapping[str, str] | None = None
    dependencies: Sequence[str] | None = None
    description: str | None = None
    version: str | None = None
    title: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.name = self.title = self.name or self.title or Path(self.entrypoint).stem

    def check(self) -> None:
        """Make sure that it can be run.

        Raises:
            InvalidProgramError: The script isn't there; an argument or a variable can't be given.
        """
        self._check_entrypoint()
        for name in self.arguments or {}:
            if not isinstance(name, str) or not _ARGUMENT.fullmatch(name):
                raise InvalidProgramError(
                    f"program {self.name!r}: {name!r} can't be an argument's name"
                )
        for name, value in (self.env_vars or {}).items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise InvalidProgramError(
                    f"program {self.name!r}: names and values of env_vars are text; {name!r} is not"
                )

    def _check_entrypoint(self) -> None:
        folder = Path(self.working_dir).resolve()
        if not folder.is_dir():
            raise InvalidProgramError(f"program {self.name!r}: no folder {folder} (working_dir)")
        script = (folder / self.entrypoint).absolute()
        if not script.is_file():
            raise InvalidProgramError(
                f"program {self.name!r}: no script {self.entrypoint!r} in {folder}; entrypoint is "
                "a file inside working_dir"
            )
        if Path(self.entrypoint).is_absolute() or ".." in Path(self.entrypoint).parts:
            raise InvalidProgramError(
                f"program {self.name!r}: {self.entrypoint!r} is outside of working_dir, which is "
                "what is uploaded; entrypoint is a path inside it"
            )

    def command(self, *launcher: str) -> str:
        """The shell command that runs it.

        Args:
            *launcher: What comes before the script: the interpreter, as the machine that runs it
                knows it.
        """
        arguments = [f"--{name}={value}" for name, value in (self.arguments or {}).items()]
        return shlex.join([*launcher, self.entrypoint, *arguments])

    def runtime_env(self) -> dict[str, Any]:
        """What Ray prepares for it: its folder, its environment and its dependencies."""
        environment: dict[str, Any] = {
            "working_dir": str(Path(self.working_dir).resolve()),
            "excludes": list(_NOT_UPLOADED),
        }
        if self.env_vars:
            environment["env_vars"] = dict(self.env_vars)
        if self.dependencies:
            environment["pip"] = list(self.dependencies)
        return environment
