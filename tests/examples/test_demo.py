"""`make demo`: the guide's job on this machine, with nothing running before and nothing after."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_the_demo_shows_what_the_readme_tells(no_ray, tmp_path, monkeypatch):
    """Progress, then result and status, then the entries as another process reads them."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, str(DEMO)], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = re.sub(r"fqs_[0-9a-f-]{36}", "fqs_<uuid>", done.stdout)
    assert "<Job | fqs_<uuid>> runs examples/job_with_any_store.py\n" in printed
    assert re.search(r"^ +\d+ s  (PENDING|RUNNING)$", printed, re.MULTILINE)
    assert re.search(r"^ +\d+ s  SUCCEEDED$", printed, re.MULTILINE)
    told = printed.partition("The job printed:\n")[2]
    assert told.splitlines() == [
        "  result: 42",
        "  entries: {'k': 42} {'other_k': 42}",
        "Its status: <JobStatus.SUCCEEDED: 'SUCCEEDED'>",
        f"This process reads from sqlite:///{tmp_path}/qstate/state.db:",
        "  in_job = {'k': 42}",
        "  in_other_job = {'other_k': 42}",
    ]
