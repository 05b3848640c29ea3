"""Instructions for each operation, counted by callgrind: they do not depend on the machine's noise.

``python -m benchmarks.instructions`` needs valgrind. Each path runs in a process of its own, so and
so many times and then twice as many; the difference is what the operations cost, without start-up.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Result, counted

_TIMES = 200
_MEMORY = "store = qstate.connect('memory://'); store.set('key', SMALL)"
_SQLITE = "store = qstate.connect('sqlite:///state.db'); store.set('key', SMALL)"
_PATHS = {
    "memory get": (_MEMORY, "store.get('key')"),
    "memory set": (_MEMORY, "store.set('key', SMALL)"),
    "memory increment": (_MEMORY, "store.increment('count')"),
    "SQLite get": (_SQLITE, "store.get('key')"),
    "SQLite set": (_SQLITE, "store.set('key', SMALL)"),
}
_WATCHED = f"{_MEMORY}; watch = store.watch('other').__enter__()"
_OBSERVED = Path(__file__).parents[1] / "tests" / "distributions" / "observing"


def unused() -> Iterator[Result]:
    """What a watch of another key and a plug-in cost those who use neither, beside them in use."""
    if shutil.which("valgrind") is None:
        return
    both = "store.get('key'); store.set('key', SMALL)"
    counts = {
        "as it is": count(_MEMORY, both),
        "with a watch of another key": count(_WATCHED, both),
        "with a plug-in told of each operation": count(_MEMORY, both, _OBSERVED),
    }
    yield counted("memory get and set, what else is in use", "instructions", counts)


def count(setting: str, operation: str, *paths: Path) -> int:
    """Instructions of one operation, with further folders to import from."""
    more, once = (_run(setting, operation, times, paths) for times in (2 * _TIMES, _TIMES))
    return (more - once) // _TIMES


def _run(setting: str, operation: str, times: int, more: tuple[Path, ...]) -> int:
    program = (
        "import qstate; from benchmarks.values import SMALL\n"
        f"{setting}; {operation}\nfor _ in range({times}): {operation}"
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.getcwd(), *map(str, more), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
                sys.executable,
                "-c",
                program,
            ],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found.group(1))


def main() -> None:
    """Print a line for each path."""
    for name, (setting, operation) in _PATHS.items():
        print(f"{name:20} {count(setting, operation):>10,}", flush=True)


GROUPS = {"unused": unused}


if __name__ == "__main__":
    main()
