"""The guide's job in a test: its store is swapped in one line, and no server is needed."""

from __future__ import annotations

import runpy
import socket
from pathlib import Path

import pytest

from qstate import connect, override

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_guides_job_runs_with_no_redis_anywhere(ray_session, capsys):
    """Its module binds a Redis that does not exist; its tasks, nested ones too, see the memory."""
    with pytest.raises(socket.gaierror):
        socket.create_connection(("redis", 6379), timeout=5).close()
    with connect("memory://") as store, override(store):
        runpy.run_path(str(EXAMPLES / "job_with_state.py"))
        assert dict(store) == {"in_job": {"k": 42}, "in_other_job": {"other_k": 42}}
        written_by = [store.entry(key).writer.task for key in ("in_job", "in_other_job")]
    assert len(set(written_by)) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "42"
