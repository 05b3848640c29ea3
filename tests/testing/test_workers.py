"""Workers: other processes that run one job after the other."""

import pytest

from qstate.testing.workers import working


def test_a_job_returns_or_raises_here():
    """What it raises is raised where its result is asked for."""
    with working(1) as [worker]:
        assert worker.run(len, "abc") == 3
        with pytest.raises(TypeError):
            worker.run(len, 1)


def test_what_nobody_asked_for_spoils_no_later_job():
    """A test that failed before it asked leaves nothing to the next one."""
    with working(1) as [worker]:
        worker.start(len, "abc")
        assert worker.run(len, "ab") == 2
