"""Program: a script or a function, and what it takes to run it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from qstate.errors import InvalidProgramError
from qstate.runner import functions, uploading
from qstate.runner.bodies import named

_ARGUMENT: Final = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(kw_only=True)
class Program:
    """A script or a function, and what it takes to run it.

    Attributes:
        name: What people call it.
        entrypoint: The script's path, inside ``working_dir``; or a function, which is called with
            ``arguments`` and whose return value is the job's result.
        working_dir: The folder that is uploaded and that the program runs in, without version
            control, virtual environments, caches and data files. If none is given: the current
            one for a script, nothing for a function.
        arguments: What ``get_arguments()`` gives in the job; a script gets them as
            ``--name=value`` as well.
        env_vars: Environment variables of the program and its tasks.
        dependencies: What ``pip`` installs for the program and its tasks, as in ``["numpy>=2"]``.
        description: For people.
        version: For people.
        excludes: What else is not uploaded: patterns as in ``.gitignore``. One that begins with
            ``!`` brings back what is left out otherwise.

    Example:
        >>> Program(name="hello", entrypoint="hello.py", arguments={"seed": 42}).command("python")
        'python hello.py --seed=42'
    """

    name: str = ""
    entrypoint: str | Callable[..., Any]
    working_dir: str | Path | None = None
    arguments: Mapping[str, Any] | None = None
    env_vars: Mapping[str, str] | None = None
    dependencies: Sequence[str] | None = None
    description: str | None = None
    version: str | None = None
    excludes: Sequence[str] = ()
    title: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.name = self.title = self.name or self.title or self.label.rpartition(".")[2]
        if self.working_dir is None and self.function is None:
            self.working_dir = "./"

    @property
    def function(self) -> Callable[..., Any] | None:
        """The function; None: the program is a script."""
        return self.entrypoint if callable(self.entrypoint) else None

    @property
    def label(self) -> str:
        """What the entrypoint is, for people: the script without its suffix, or the function."""
        if callable(self.entrypoint):
            return str(getattr(named(self.entrypoint), "__qualname__", "function"))
        return Path(self.entrypoint).stem

    def with_arguments(self, arguments: Mapping[str, Any] | None) -> Self:
        """The same program with further arguments, which win over its own."""
        return replace(self, arguments={**(self.arguments or {}), **(arguments or {})})

    def check(self) -> None:
        """Make sure that it can be run.

        Raises:
            InvalidProgramError: The script isn't there; an argument, a variable or a dependency
                can't be given; the folder is more than Ray takes.
        """
        for name in self.arguments or {}:
            if not isinstance(name, str) or not _ARGUMENT.fullmatch(name):
                raise self._wrong(f"{name!r} can't be an argument's name")
        for name, value in (self.env_vars or {}).items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise self._wrong(f"names and values of env_vars are text; {name!r} is not")
        for name in ("dependencies", "excludes"):
            texts = getattr(self, name) or ()
            if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
                raise self._wrong(f"{name} is a list of text, not {texts!r}")
        self._check_folder()

    def _check_folder(self) -> None:
        folder = self._folder
        if folder is not None and not folder.is_dir():
            raise self._wrong(f"no folder {folder} (working_dir)")
        if callable(self.entrypoint):
            self._check_function(self.entrypoint)
        elif folder is not None:
            self._check_script(folder, Path(self.entrypoint))
        if folder is not None:
            uploaded = uploading.check_size(folder, self.excludes, self.name)
            if not callable(self.entrypoint) and Path(self.entrypoint).as_posix() not in uploaded:
                raise self._wrong(
                    f"{self.entrypoint!r} is left out of what is uploaded, as data is; "
                    f'bring it back by excludes=["!{self.entrypoint}"], or move it'
                )

    def _check_function(self, function: Callable[..., Any]) -> None:
        try:
            functions.check_arguments(function, self.arguments or {})
        except TypeError as error:
            raise self._wrong(f"{self.label} can't be called with its arguments: {error}") from None

    def _check_script(self, folder: Path, script: Path) -> None:
        if not (folder / script).absolute().is_file():
            raise self._wrong(
                f"no script {self.entrypoint!r} in {folder}; entrypoint is a file inside "
                "working_dir"
            )
        if script.is_absolute() or ".." in script.parts:
            raise self._wrong(
                f"{self.entrypoint!r} is outside of working_dir, which is what is uploaded; "
                "entrypoint is a path inside it"
            )

    def _wrong(self, what: str) -> InvalidProgramError:
        return InvalidProgramError(f"program {self.name!r}: {what}")

    @property
    def _folder(self) -> Path | None:
        return None if self.working_dir is None else Path(self.working_dir).resolve()

    def command(self, *launcher: str) -> str:
        """The shell command that runs it.

        Args:
            *launcher: What comes before the script: the interpreter, as the machine that runs it
                knows it.
        """
        if callable(self.entrypoint):
            return shlex.join(launcher)
        arguments = [f"--{name}={value}" for name, value in (self.arguments or {}).items()]
        return shlex.join([*launcher, self.entrypoint, *arguments])

    def runtime_env(self) -> dict[str, Any]:
        """What Ray prepares for it: its folder, its environment and its dependencies."""
        environment: dict[str, Any] = {}
        if (folder := self._folder) is not None:
            environment["working_dir"] = str(folder)
            environment["excludes"] = uploading.patterns(folder, self.excludes)
        if self.env_vars:
            environment["env_vars"] = dict(self.env_vars)
        if self.dependencies:
            environment["pip"] = list(self.dependencies)
        return environment
