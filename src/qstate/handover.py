"""What a job is handed by whoever submits it: its id, its arguments and its stores.

It comes as a package that Ray uploads beside the program. Ray's metadata of the job, its command
line and its logs show the package's digest alone.
"""

from __future__ import annotations

import base64
import functools
import importlib
import importlib.util
import pickle
from collections.abc import Mapping
from typing import Any, Final

PACKAGE: Final = "_qstate_job"
"""The package's name, as a job and its tasks import it."""

_INIT: Final = '''\
"""A job of qstate: what it was handed. Made for this one job."""

JOB_ID = {job_id!r}
PARTS = {parts!r}
'''
_MAIN: Final = '''\
"""A job of qstate: how it begins."""

import sys

try:
    from qstate.runner.beginning import begin
except ModuleNotFoundError as error:
    if error.name != "qstate" or len(sys.argv) < 2:
        raise
    import os
    import runpy

    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    begin()
'''


class HandOver:
    """What a job was handed; each part is read when it is asked for.

    Attributes:
        job_id: The job's id.
    """

    def __init__(self, job_id: str, parts: Mapping[str, str]) -> None:
        self.job_id = job_id
        self._parts = parts
        self._read: dict[str, Any] = {}

    def get(self, part: str, default: Any = None) -> Any:
        """A part; the same object each time."""
        if part not in self._parts:
            return default
        if part not in self._read:
            self._read[part] = pickle.loads(base64.b64decode(self._parts[part]))  # noqa: S301
        return self._read[part]


@functools.cache
def handed_over() -> HandOver | None:
    """What the job was handed that this process belongs to; None: it belongs to none."""
    if importlib.util.find_spec(PACKAGE) is None:
        return None
    module = importlib.import_module(PACKAGE)
    return HandOver(module.JOB_ID, module.PARTS)


def package_files(job_id: str, parts: Mapping[str, bytes]) -> dict[str, str]:
    """The files of the package that hands over.

    Args:
        job_id: The job's id.
        parts: Pickles, by name.
    """
    encoded = {name: base64.b64encode(part).decode() for name, part in parts.items()}
    return {"__init__.py": _INIT.format(job_id=job_id, parts=encoded), "__main__.py": _MAIN}
