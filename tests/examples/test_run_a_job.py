"""The job that is run with arguments, and what is known of it when its Ray has ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_it_is_followed_and_read_when_its_ray_has_ended(no_ray, tmp_path, monkeypatch):
    """Its log comes first, then its result, and once more from its record."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "run_a_job.py")],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("measured")] == [
        "measured 0.5",
        "measured 1.0",
    ]
    assert lines[-2:] == [
        "{'lowest': -1.0} -0.5",
        "job_with_arguments SUCCEEDED {'angles': [0.5, 1.0]} {'lowest': -1.0}",
    ]
