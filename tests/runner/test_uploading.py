"""What of a program's folder is uploaded, and what is told where it is too much."""

from __future__ import annotations

import pytest

from qstate import InvalidProgramError, Program
from qstate.runner import uploading

LEFT_OUT = [
    ".git/config",
    ".venv/lib/x.py",
    "my-environment/pyvenv.cfg",
    "package/__pycache__/x.pyc",
    ".pytest_cache/x",
    "data/raw.txt",
    "results.parquet",
    "package/weights.npz",
    "state.db",
]
UPLOADED = ["job.py", "package/data/loader.py", "package/settings.json", "qstate.toml"]


@pytest.fixture
def folder(tmp_path):
    for name in LEFT_OUT + UPLOADED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


def test_data_and_caches_stay_here(folder):
    """So do version control and virtual environments, whatever they are called."""
    assert uploading.check_size(folder, (), "guide") == set(UPLOADED)


def test_a_program_chooses_what_else_stays(folder):
    """excludes= adds patterns, and brings back what is left out otherwise."""
    chosen = uploading.check_size(folder, ("qstate.toml", "!*.npz", "!/data/"), "guide")
    assert chosen - set(UPLOADED) == {"package/weights.npz", "data/raw.txt"}
    assert "qstate.toml" not in chosen


def test_ignore_files_count(folder):
    """What .gitignore and .rayignore name is not uploaded either, as in Ray."""
    (folder / ".gitignore").write_text("*.json\n")
    (folder / ".rayignore").write_text("*.toml\n")
    uploaded = uploading.check_size(folder, (), "guide")
    assert uploaded == {".gitignore", ".rayignore", "job.py", "package/data/loader.py"}


def test_a_folder_that_is_too_large(folder):
    """The error says how much Ray takes, and what is largest in the folder."""
    for name, size in {"movie.mp4": 60, "package/a.bin": 30, "package/b.bin": 20}.items():
        with (folder / name).open("wb") as file:
            file.truncate(size * 2**20)
    program = Program(name="guide", entrypoint="job.py", working_dir=folder)
    with pytest.raises(InvalidProgramError) as caught:
        program.check()
    message = str(caught.value)
    assert "program 'guide'" in message
    assert "has 110.0 MiB to upload, and Ray takes 100.0 MiB" in message
    assert "Largest: movie.mp4 (60.0 MiB), package/ (50.0 MiB), " in message
    assert "excludes=" in message
    Program(entrypoint="job.py", working_dir=folder, excludes=["*.mp4"]).check()


def test_a_script_that_would_stay_here(folder):
    """A script among the data is told of, with the pattern that brings it back."""
    (folder / "data" / "job.py").touch()
    program = Program(entrypoint="data/job.py", working_dir=folder)
    with pytest.raises(InvalidProgramError, match=r"'data/job.py' is left out.*excludes=\["):
        program.check()
    Program(entrypoint="data/job.py", working_dir=folder, excludes=["!/data/"]).check()
