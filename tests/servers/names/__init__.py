"""Names and ports that exist for the processes of tests only; sitecustomize.py looks them up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Names:
    """Names for the processes that are started with :meth:`environment`.

    Attributes:
        file: Where they stand; read at each look-up, so names may come and go.
    """

    file: Path

    def set(self, names: Mapping[str, str]) -> None:
        """Replace all names, as in ``{"redis:6379": "127.0.0.1:40001"}``."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(dict(names)))
        new.replace(self.file)

    def environment(self) -> dict[str, str]:
        """The environment of a process for which the names resolve."""
        path = os.pathsep.join(
            filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])
        )
        return {**os.environ, "PYTHONPATH": path, "QSTATE_TEST_NAMES": str(self.file)}
