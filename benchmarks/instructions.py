"""Instructions for each operation, counted by callgrind: they do not depend on the machine's noise.

``python -m benchmarks.instructions`` needs valgrind. Each path runs in a process of its own, so and
so many times and then twice as many; the difference is what the operations cost, without start-up.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile

_TIMES = 300
_PATHS = {
    "memory get": (
        "store = qstate.connect('memory://'); store.set('key', SMALL)",
        "store.get('key')",
    ),
    "memory set": ("store = qstate.connect('memory://')", "store.set('key', SMALL)"),
    "memory increment": ("store = qstate.connect('memory://')", "store.increment('key')"),
    "SQLite get": (
        "store = qstate.connect('sqlite:///state.db'); store.set('key', SMALL)",
        "store.get('key')",
    ),
    "SQLite set": ("store = qstate.connect('sqlite:///state.db')", "store.set('key', SMALL)"),
}


def count(setting: str, operation: str) -> int:
    """Instructions of one operation."""
    return (_run(setting, operation, 2 * _TIMES) - _run(setting, operation, _TIMES)) // _TIMES


def _run(setting: str, operation: str, times: int) -> int:
    program = (
        "import qstate; from benchmarks.values import SMALL\n"
        f"{setting}; {operation}\nfor _ in range({times}): {operation}"
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.getcwd(), *filter(None, [os.environ.get("PYTHONPATH")])]
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


if __name__ == "__main__":
    main()
