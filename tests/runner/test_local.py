"""The provider local: Ray on this machine, started where none runs."""

from __future__ import annotations

import socket

import pytest

from qstate import QuantumServerless, RayUnavailableError
from tests.runner.process import error_of, lines_of
from tests.servers.process import free_port
from tests.servers.ray import ray_running

pytestmark = pytest.mark.usefixtures("no_ray")


def test_ray_is_started_and_ended(tmp_path):
    """A context starts Ray and its job server; leaving it ends them; a second one starts anew."""
    (tmp_path / "job.py").write_text("print('hello from the job')")
    script = f"""
import ray
from qstate import Program, get, remote
serverless = QuantumServerless()
@remote
def double(x):
    return 2 * x
with serverless.context():
    print(get(double(21)))
    job = serverless.run_program(Program(entrypoint="job.py", working_dir={str(tmp_path)!r}))
    print(job.wait(100), "hello from the job" in job.logs())
print(ray.is_initialized())
with serverless:
    print(get(double(4)))
print(ray.is_initialized())
"""
    assert lines_of(script)[-5:] == ["42", "SUCCEEDED True", "False", "8", "False"]


def test_a_job_runs_on_the_ray_it_was_given_to(ray_head, tmp_path):
    """Another Ray on this machine is not taken for it, by the job or by its tasks."""
    (tmp_path / "job.py").write_text(
        "import ray; ray.init(); print('on', ray.get_runtime_context().gcs_address)"
    )
    script = f"""
import ray
from qstate import Program
serverless = QuantumServerless()
with serverless.context():
    program = Program(entrypoint="job.py", working_dir={str(tmp_path)!r})
    jobs = [serverless.run_program(program) for _ in range(2)]
    here = f"on {{ray.get_runtime_context().gcs_address}}"
    print(*(job.wait(100) for job in jobs), *(here in job.logs() for job in jobs))
"""
    assert lines_of(script)[-1] == "SUCCEEDED SUCCEEDED True True"


def test_jobs_run_beside_another_ray_that_has_the_usual_ports(tmp_path):
    """Where the port of the agent that runs jobs is taken, another one does."""
    (tmp_path / "job.py").write_text("print('hello from the job')")
    script = f"""
import socket
from qstate import Program
serverless = QuantumServerless()
try:
    taken = socket.create_server(("", 52365))
except OSError:
    pass  # by another Ray
with serverless.context():
    job = serverless.run_program(Program(entrypoint="job.py", working_dir={str(tmp_path)!r}))
    print(job.wait(100), "hello from the job" in job.logs())
"""
    assert lines_of(script)[-1] == "SUCCEEDED True"


def test_a_ray_without_its_agent_for_jobs_is_told():
    """Where another program has the agent's port, the error says so, and what to do."""
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with ray_running(None, f"--dashboard-agent-listen-port={port}") as head:
            serverless = QuantumServerless(head.config())
            with pytest.raises(RayUnavailableError, match="--dashboard-agent-listen-port=0"):
                serverless.run_job("echo hello")


def test_a_ray_that_was_there_is_left_alone(tmp_path):
    """Leaving a context does not end a Ray that it did not start, nor the jobs on it."""
    script = """
import ray
serverless = QuantumServerless()
job = serverless.run_job("sleep 1000")
print(ray.is_initialized())
with serverless.context() as context:
    with serverless.context():
        pass
print(ray.is_initialized(), job.status().is_terminal(), context)
job.stop()
print(job.wait(60))
"""
    first, second, third = lines_of(script)[-3:]
    assert first == "True"
    assert second.startswith("True False <Context | 127.0.0.1:")
    assert third == "STOPPED"


def test_a_ray_that_was_killed_is_not_waited_for():
    """Where the Ray that was started last has gone without a word, a new one is started."""
    script = f"""
from qstate.runner.connection import session_folder
session_folder().mkdir(parents=True)
(session_folder() / "ray_current_cluster").write_text("127.0.0.1:{free_port()}")
with QuantumServerless().context() as context:
    print(context)
"""
    assert lines_of(script)[-1].startswith("<Context | 127.0.0.1:")


def test_a_ray_that_is_gone_is_told():
    """An address in the environment where no Ray is, is told with what to do."""
    error = error_of("QuantumServerless().context()", RAY_ADDRESS="127.0.0.1:1")
    assert "RayUnavailableError: no Ray answers at 127.0.0.1:1" in error
    assert "ray start --head" in error
