"""The command line, run in this process or in one of its own."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

import qstate
from qstate.cli import main
from tests.core.conftest import install  # noqa: F401 - a fixture

COMMAND = str(Path(sys.executable).with_name("qstate"))


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def run(*arguments, stdin=b""):
    """Run a command in this process, with pipes as its stdin, stdout and stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = before
    texts = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Ran(code, *texts)


def started(*arguments, **options):
    """Start a command as a process of its own."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([COMMAND, *map(str, arguments)], **options)


def ended(process, timeout=60):
    """How a command that was started has ended."""
    out, err = process.communicate(timeout=timeout)
    return Ran(process.returncode, out, err)


@pytest.fixture(autouse=True)
def default_store(monkeypatch, tmp_path):
    """The store of commands that name none; empty."""
    url = f"sqlite:///{tmp_path}/state.db"
    monkeypatch.setenv("QSTATE_URL", url)
    for name in ("QSTATE_DEBUG", "QSTATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    with qstate.connect(url) as store:
        yield store
