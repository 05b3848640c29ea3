"""Jobs on a real Ray, and what is told where there is none."""

from __future__ import annotations

import socket
import sys

import pytest

from qstate import (
    InvalidProgramError,
    JobStatus,
    Program,
    QuantumServerless,
    RayUnavailableError,
    StateError,
    StateTimeoutError,
)
from tests.runner.process import error_of, lines_of
from tests.servers.process import free_port

SCRIPT = """
import os, sys
print("arguments:", *sys.argv[1:])
print("variable:", os.environ.get("SHOTS"))
print("interpreter:", sys.executable)
"""


@pytest.fixture
def serverless(ray_head):
    return QuantumServerless(ray_head.config())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "job.py").write_text(SCRIPT)
    return tmp_path


def provider_at(host="127.0.0.1", **ports):
    resource = {"name": "lab", "host": host, **ports}
    return QuantumServerless({"providers": [{"name": "lab", "compute_resource": resource}]})


def test_a_program_runs_with_its_arguments_and_variables(serverless, folder):
    """The script gets its arguments and variables, and this interpreter as Ray is here."""
    program = Program(
        entrypoint="job.py",
        working_dir=folder,
        arguments={"seed": 42, "label": "a b"},
        env_vars={"SHOTS": "100"},
    )
    job = serverless.run_program(program)
    assert job.job_id.startswith("fqs_")
    assert repr(job) == f"<Job | {job.job_id}>"
    assert job.wait(120) is JobStatus.SUCCEEDED
    assert repr(job.status()) == "<JobStatus.SUCCEEDED: 'SUCCEEDED'>"
    assert job.status().is_terminal()
    logs = job.logs()
    assert "arguments: --seed=42 --label=a b\n" in logs
    assert "variable: 100\n" in logs
    assert f"interpreter: {sys.executable}\n" in logs


def test_what_is_not_uploaded(serverless, tmp_path):
    """Version control, virtual environments and caches stay here."""
    for name in (".git", ".venv", "package/__pycache__", "package"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "file.txt").write_text("x")
    (tmp_path / "job.py").write_text(
        "from pathlib import Path\nprint(sorted(map(str, Path().rglob('file.txt'))))"
    )
    job = serverless.run_program(Program(entrypoint="job.py", working_dir=tmp_path))
    job.wait(120)
    assert "['package/file.txt']" in job.logs()


def test_a_job_that_fails_says_so(serverless):
    """A command that ends badly is FAILED, and its output can be read."""
    job = serverless.run_job("echo before; exit 3")
    assert job.wait(120) is JobStatus.FAILED
    assert "before" in job.logs()


def test_logs_come_while_the_job_runs(serverless, tmp_path):
    """logs_iterator() gives what is printed while the job runs, and ends with it."""
    gate = tmp_path / "gate"
    job = serverless.run_job(f"echo first; until [ -e {gate} ]; do sleep 0.1; done; echo second")
    seen = ""
    for text in job.logs_iterator():
        seen += text
        if "first\n" in seen and not gate.exists():
            assert job.status() is JobStatus.RUNNING
            gate.touch()
    assert "second\n" in seen
    assert job.wait(60) is JobStatus.SUCCEEDED


def test_waiting_ends_in_time_and_a_job_can_be_stopped(serverless):
    """wait() gives up after its timeout without harm; stop() ends the job."""
    job = serverless.run_job("sleep 1000")
    with pytest.raises(StateTimeoutError, match=f"{job.job_id}.* has not ended within 0.1 s"):
        job.wait(0.1)
    assert not job.status().is_terminal()
    logs = job.logs_iterator()
    next(logs)
    logs.close()
    assert job.stop() is True
    assert job.wait(60) is JobStatus.STOPPED
    assert job.stop() is False


def test_a_job_is_found_again_by_its_id(serverless, ray_head):
    """get_job_by_id() gives a job started elsewhere; an unknown id is told with its Ray."""
    job = serverless.run_job("echo found")
    assert serverless.get_job_by_id(job.job_id).wait(120) is JobStatus.SUCCEEDED
    with pytest.raises(
        StateError, match=f"127.0.0.1:{ray_head.port_job_server} knows no job 'fqs_x'"
    ):
        serverless.get_job_by_id("fqs_x")


def test_a_program_without_its_script_is_not_submitted(serverless, tmp_path):
    """A missing entrypoint is told before anything is sent, even where no Ray answers."""
    program = Program(name="guide", entrypoint="missing.py", working_dir=tmp_path)
    for nowhere in (serverless, provider_at(port_job_server=free_port())):
        with pytest.raises(InvalidProgramError, match=r"no script 'missing.py'"):
            nowhere.run_program(program)


def test_no_ray_at_the_host(folder):
    """Where nothing listens, jobs and contexts say so, where, and what to do."""
    port = free_port()
    serverless = provider_at(port_job_server=port, port_interactive=port)
    program = Program(entrypoint="job.py", working_dir=folder)
    for call in (
        lambda: serverless.run_program(program),
        lambda: serverless.run_job("true"),
        lambda: serverless.get_job_by_id("fqs_x"),
    ):
        with pytest.raises(RayUnavailableError, match=f"127.0.0.1:{port} .*ray start --head"):
            call()


def test_a_host_that_is_none(folder):
    """A host name that resolves to nothing is told by name."""
    serverless = provider_at(host="no-such-host.invalid")
    with pytest.raises(RayUnavailableError, match=r"no-such-host\.invalid:8265"):
        serverless.run_job("true")


def test_something_else_than_ray_listens(redis_server):
    """Where something answers that is no Ray, that is told too."""
    port = int(redis_server.url.rsplit(":", 1)[1].split("/")[0])
    with pytest.raises(RayUnavailableError, match=f"127.0.0.1:{port}"):
        provider_at(port_job_server=port).run_job("true")


def test_a_host_that_never_answers(monkeypatch):
    """A host that takes the connection and says nothing is given up in bounded time."""
    monkeypatch.setattr("qstate.runner.job_server.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(RayUnavailableError, match=f"127.0.0.1:{port}"):
            provider_at(port_job_server=port).run_job("true")


def test_a_token_that_is_wrong_is_told_and_not_shown(ray_head, tmp_path):
    """A Ray that refuses this process's token says how to give the right one, showing neither."""
    (tmp_path / "token").write_text("some-other-token-of-thirty-two-bytes")
    script = f"QuantumServerless({ray_head.config()!r}).run_job('true')"
    error = error_of(script, RAY_AUTH_TOKEN_PATH=str(tmp_path / "token"))
    assert "RayUnavailableError" in error
    assert "takes no call without its token: set RAY_AUTH_MODE=token" in error
    assert "some-other-token" not in error


def test_the_configured_host_wins_over_rays_variables(ray_head):
    """Inside a job, RAY_ADDRESS is set; a configured provider is used all the same."""
    script = f"print(QuantumServerless({ray_head.config()!r}).run_job('true').wait(60))"
    assert lines_of(script, RAY_ADDRESS="127.0.0.1:1")[-1] == "SUCCEEDED"


def test_a_context_joins_the_host(ray_head):
    """with serverless.context(), or with serverless, tasks run on the configured Ray; twice too."""
    script = f"""
from qstate import get, remote
serverless = QuantumServerless({ray_head.config()!r})
@remote
def where():
    import ray
    return ray.get_runtime_context().gcs_address
for context in (serverless.context, lambda: serverless):
    with context():
        with serverless.context():
            print(get(where()))
        print(get(where()))
import ray
print(ray.is_initialized())
"""
    lines = lines_of(script)
    assert len(lines) == 5
    assert all(line.endswith(f":{ray_head.port}") for line in lines[:4])
    assert lines[4] == "False"


def test_a_context_where_no_ray_is():
    """A context that can't be entered says where it was looked for, in bounded time."""
    port = free_port()
    script = f"""
resource = {{"name": "lab", "host": "127.0.0.1", "port_interactive": {port}}}
QuantumServerless({{"providers": [{{"name": "lab", "compute_resource": resource}}]}}).context()
"""
    error = error_of(script)
    assert f"RayUnavailableError: no Ray answers at ray://127.0.0.1:{port}" in error
