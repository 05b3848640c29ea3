"""The guide's job on a store known by name: nothing secret leaves the place that resolves it."""

from __future__ import annotations

import os
import pickle
import runpy
from pathlib import Path

import psutil
import pytest
from ray.job_submission import JobSubmissionClient

from qstate import InvalidURLError, JobStatus, Program, QuantumServerless, connect
from tests.runner.process import lines_of
from tests.servers.ray import ray_running
from tests.servers.redis import RedisServer

JOB = Path(__file__).parents[2] / "examples" / "job_with_named_store.py"
PASSWORD = "a-password-that-nobody-else-has"
WRITTEN = {"in_job": {"k": 42}, "in_other_job": {"other_k": 42}}


@pytest.fixture
def server():
    """A Redis that asks for a password; the notebook and the cluster know it by other names."""
    with RedisServer(password=PASSWORD) as server:
        yield server


@pytest.fixture
def notebook(server, tmp_path, monkeypatch):
    """A working directory whose qstate.toml says where the lab is, as seen from here."""
    url = f"redis://:{PASSWORD}@localhost:{server.port}/0"
    (tmp_path / "qstate.toml").write_text(f'[stores.lab]\nurl = "{url}"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cluster(server, ray_environment, names):
    """A Ray whose environment says where the lab is, as seen from there."""
    names.set({f"redis:{server.port}": server.address})
    address = f"redis://:{PASSWORD}@redis:{server.port}/0"
    with ray_running({**names.environment(), "QSTATE_STORE_LAB": address}) as head:
        yield head
    names.set({})


def submit(cluster):
    program = Program(entrypoint=JOB.name, working_dir=JOB.parent)
    return QuantumServerless(cluster.config()).run_program(program)


def command_lines():
    """Those of all processes under this one."""
    for process in psutil.Process().children(recursive=True):
        try:
            yield " ".join(process.cmdline())
        except psutil.Error:
            continue


def secrets(server):
    """What must not be seen: the password, and both addresses of the store."""
    return [PASSWORD, f"localhost:{server.port}", f"redis:{server.port}"]


def test_the_job_runs_unchanged_in_a_cluster(server, notebook, cluster):
    """As a job it finds the store at the cluster's address; the notebook reads at its own."""
    job = submit(cluster)
    assert job.wait(120) is JobStatus.SUCCEEDED, job.logs()
    assert job.logs().splitlines()[-2:] == ["<StateStore | lab>", "42"]
    with connect("lab") as lab:
        assert dict(lab) == WRITTEN
        assert lab.entry("in_job").writer.job == job.job_id


def test_the_job_runs_unchanged_here(server, notebook, no_ray):
    """The same lines, as a script of this machine."""
    shown = lines_of(f"import runpy; runpy.run_path({str(JOB)!r})")
    assert shown[-2:] == ["<StateStore | lab>", "42"]
    with connect("lab") as lab:
        assert dict(lab) == WRITTEN


def test_a_worker_that_does_not_know_the_name_says_so(ray_session, server, monkeypatch):
    """The error says what to configure, and nothing of what is configured elsewhere."""
    monkeypatch.setenv("QSTATE_STORE_LAB", server.url)
    with pytest.raises(InvalidURLError, match="no store named 'lab' is configured here") as caught:
        runpy.run_path(str(JOB))
    assert "QSTATE_STORE_LAB" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_neither_address_nor_password_is_seen(server, notebook, cluster):
    """Not in the pickle, in Ray's metadata, in any log of Ray, or on a command line."""
    with connect("lab") as lab:
        pickled = pickle.dumps([lab, lab.scope("run"), lab.aio])
    job = submit(cluster)
    seen_running = []
    while not job.status().is_terminal():
        seen_running += command_lines()
    assert job.status() is JobStatus.SUCCEEDED
    url = f"http://{cluster.host}:{cluster.port_job_server}"
    metadata = JobSubmissionClient(url).get_job_info(job.job_id)
    logs = Path(os.environ["RAY_TMPDIR"]) / "ray" / "session_latest" / "logs"
    files = [path for path in logs.rglob("*") if path.is_file()]
    assert any("job-driver" in path.name for path in files)
    for secret in secrets(server):
        assert secret.encode() not in pickled
        assert secret not in str(metadata)
        assert secret not in job.logs()
        assert not [line for line in seen_running if secret in line and "redis-server" not in line]
        assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert b"lab" in pickled
