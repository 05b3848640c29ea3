"""Functions as programs: checked and pickled where they are submitted."""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from qstate.injection import Injection
from qstate.runner.bodies import named
from qstate.runner.connection import load_ray
from qstate.runner.tasks import Task


def check_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Make sure that a function takes arguments by their names.

    Raises:
        TypeError: It does not.
    """
    # Of a task, the signature is without its state already.
    signature = inspect.signature(function)
    if not isinstance(function, Task):
        signature = Injection(function).parameter.signature
    signature.bind(**arguments)


def pickled(function: Callable[..., Any]) -> bytes:
    """A function with what fills its state, as a job gets it; its own module goes by value.

    Raises:
        Exception: It holds something that can't be pickled.
    """
    cloudpickle = load_ray().cloudpickle
    callee = function.local if isinstance(function, Task) else function
    with _by_value(cloudpickle, named(function).__module__):
        text: bytes = cloudpickle.dumps((callee, Injection(callee)))
    return text


@contextmanager
def _by_value(cloudpickle: Any, name: str) -> Iterator[None]:
    """Pickle what a module defines, as the job may have no such module; not of installed ones."""
    module = sys.modules.get(name)
    if module is None or name == "__main__" or _is_installed(module):
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _is_installed(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    folders = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return any(Path(file).is_relative_to(folder) for folder in folders)
