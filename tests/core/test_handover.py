"""What a job is handed, as a process finds it that Ray starts for the job."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import pytest

from qstate import connect
from qstate.handover import PACKAGE, package_files

SCRIPT = """
import json, sys
print(json.dumps([__name__, sys.argv, sys.path[0]]))
"""


@pytest.fixture
def handed(tmp_path):
    """A folder on the path of which stands what is handed over; runs commands of Python there."""

    def write(**parts):
        (tmp_path / PACKAGE).mkdir()
        packed = {name: pickle.dumps(part) for name, part in parts.items()}
        for name, text in package_files("fqs_1", packed).items():
            (tmp_path / PACKAGE / name).write_text(text)
        return run

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return write


def test_a_process_of_a_job_finds_its_store_and_its_arguments(handed, tmp_path):
    """In current() and get_arguments(), in the job's process and in any other of the job."""
    store = connect(f"sqlite:///{tmp_path / 'state.db'}")
    run = handed(surroundings=(None, store), arguments={"shots": 100})
    code = "import qstate; qstate.current()['seen'] = qstate.get_arguments()"
    assert run("-c", code)[0] == 0
    assert store["seen"] == {"shots": 100}
    store.close()


def test_a_part_that_is_not_asked_for_is_not_read(handed):
    """Arguments can be had where the store's plug-in or the function's module is missing."""

    class Elsewhere:
        def __reduce__(self):
            return eval, ("no_such_name",)

    run = handed(surroundings=(None, Elsewhere()), arguments={"shots": 100})
    assert run("-c", "import qstate; print(qstate.get_arguments())")[1] == "{'shots': 100}\n"


def test_a_script_runs_where_qstate_is_not_installed(handed, tmp_path):
    """As if Python had been given the script."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "job.py").write_text(SCRIPT)
    run = handed()
    _, alone, _ = run("folder/job.py", "--seed=1")
    code, printed, told = run("-S", "-m", PACKAGE, "folder/job.py", "--seed=1")
    assert (code, printed) == (0, alone), told
    assert json.loads(printed)[:2] == ["__main__", ["folder/job.py", "--seed=1"]]


@pytest.mark.parametrize(
    "script", ["raise SystemExit(3)", "import sys; sys.exit('no')", "1 / 0", "1 +"]
)
def test_a_script_ends_as_it_ends_by_itself(handed, tmp_path, script):
    """Its exit code is the same, and so is what it tells of an error, but for where it ran."""
    (tmp_path / "job.py").write_text(script)
    alone = subprocess.run(
        [sys.executable, str(tmp_path / "job.py")], capture_output=True, text=True, check=False
    )
    code, printed, told = handed()("-m", PACKAGE, "job.py")
    assert (code, printed) == (alone.returncode, "")
    assert told == alone.stderr
