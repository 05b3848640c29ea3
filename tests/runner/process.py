"""Scripts that are drivers of their own, as a process can be connected to one Ray only."""

from __future__ import annotations

import os
import subprocess
import sys


def run(script, *, check=True, **environment):
    """Run a script in a process of its own; what it printed, by lines."""
    done = subprocess.run(
        [sys.executable, "-c", f"from qstate import QuantumServerless\n{script}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def lines_of(script, **environment):
    """What a script prints, by lines."""
    return run(script, **environment).stdout.splitlines()


def error_of(script, **environment):
    """The last line of what a failing script tells."""
    done = run(script, check=False, **environment)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]
