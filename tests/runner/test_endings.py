"""How jobs end: each ending has its status and its error, in bounded time."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import venv
import zipfile

import pytest

from qstate import (
    JobFailedError,
    JobStatus,
    Program,
    QuantumServerless,
    StateStore,
    StateTimeoutError,
    connect,
    get_arguments,
    remote,
)
from qstate.runner.job import Job
from qstate.runner.job_server import KnownServer
from qstate.runner.record import Record
from tests.runner.process import lines_of
from tests.servers.ray import ray_started


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The ambient store, a file of this test's own."""
    monkeypatch.setenv("QSTATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    with connect() as store:
        yield store


def waits(state: StateStore) -> str:
    """A program that says that it runs, and goes on when it is told to."""
    state["runs"] = os.getpid()
    print("waiting", flush=True)  # noqa: T201
    state.wait_for("go", timeout=120)
    return "done"


def followed(job):
    """A thread that follows a job, and the statuses that following gave."""
    ends = []
    thread = threading.Thread(target=lambda: ends.append(job.follow()), daemon=True)
    thread.start()
    return thread, ends


def test_a_job_that_is_stopped(ray_head, store, capsys):
    """Until it ends, result() gives up in time; then it tells that the job was stopped."""
    job = QuantumServerless(ray_head.config()).run_program(Program(entrypoint=waits), state=store)
    assert store.wait_for("runs", timeout=120)
    assert job.status() is JobStatus.RUNNING
    assert (job.error, job.ended) == (None, None)
    with pytest.raises(StateTimeoutError, match=r"has not ended within 0.1 s: RUNNING"):
        job.result(timeout=0.1)
    thread, ends = followed(job)
    assert job.stop() is True
    thread.join(60)
    assert ends == [JobStatus.STOPPED]
    assert "waiting\n" in capsys.readouterr().out
    with pytest.raises(JobFailedError, match="was stopped") as caught:
        job.result()
    assert caught.value.status == "STOPPED"
    assert job.error == "it was stopped"
    assert job.stop() is False


def test_a_job_whose_process_is_killed(ray_head, store):
    """SIGKILL leaves it no time to say anything; its error says what has happened."""
    job = QuantumServerless(ray_head.config()).run_program(Program(entrypoint=waits), state=store)
    os.kill(store.wait_for("runs", timeout=120), signal.SIGKILL)
    with pytest.raises(JobFailedError, match="its process was killed by SIGKILL"):
        job.result(60)
    assert job.status() is JobStatus.FAILED


def test_a_ray_that_does_not_answer(store, monkeypatch):
    """A machine that takes connections and says nothing holds up nobody."""
    monkeypatch.setattr("qstate.runner.job_server.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        record = Record("fqs_1", store)
        record.begin({"status": "RUNNING", "server": url}, {})
        job = Job("fqs_1", KnownServer(url), record, patience=0.5)
        assert job.follow() is JobStatus.FAILED
        assert url in job.error
        assert job.stop() is False


def test_what_a_record_says_stays_where_another_ray_has_the_address(ray_head, store):
    """A Ray that knows nothing of the job is not the one that ran it: the record tells."""
    serverless = QuantumServerless(ray_head.config())
    url = f"http://{ray_head.host}:{ray_head.port_job_server}"
    for job_id, status in (("fqs_1", "SUCCEEDED"), ("fqs_2", "RUNNING")):
        Record(job_id, store).begin({"status": status, "server": url}, {})
    assert serverless.get_job_by_id("fqs_1").wait(10) is JobStatus.SUCCEEDED
    lost = serverless.get_job_by_id("fqs_2")
    assert lost.wait(10) is JobStatus.FAILED
    assert "went away before it ended" in lost.error


@pytest.fixture
def small_python(tmp_path):
    """An interpreter with all packages of this one: Ray copies its folder for dependencies."""
    venv.create(tmp_path / "small")
    [packages] = (tmp_path / "small").glob("lib/python*/site-packages")
    folders = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in folders]
    (packages / "all.pth").write_text("".join(lines))
    return tmp_path / "small" / "bin" / "python"


@pytest.fixture
def wheel(tmp_path):
    """A package that is installed nowhere."""
    file = tmp_path / "small_dependency-1.0-py3-none-any.whl"
    info = "small_dependency-1.0.dist-info"
    files = {
        "small_dependency.py": "VALUE = 42\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: small-dependency\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(file, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
        packed.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    return file


def uses_its_dependency():
    import small_dependency

    @remote
    def task():
        import small_dependency

        return small_dependency.VALUE, os.environ["SHOTS"]

    from qstate import get

    print("installed for this job")  # noqa: T201
    return [get_arguments()["seed"], small_dependency.VALUE, *get(task())]


def test_what_is_left_when_the_cluster_is_gone(store, small_python, wheel, monkeypatch):
    """Dependencies and variables reach a job and its tasks. When the head dies, jobs end, and all
    that is known of them can be read by other processes."""
    with ray_started(python=small_python) as (head, server):
        serverless = QuantumServerless(head.config())
        program = Program(
            entrypoint=lambda seed: uses_its_dependency(),
            arguments={"seed": 7},
            env_vars={"SHOTS": "100"},
            dependencies=[str(wheel)],
        )
        finished = serverless.run_program(program)
        assert finished.result(240) == [7, 42, 42, "100"], finished.logs()
        running = serverless.run_program(Program(entrypoint=waits), state=store)
        assert store.wait_for("runs", timeout=120)
        thread, ends = followed(running)
        server.kill()
        assert running.wait() is JobStatus.FAILED
        thread.join(60)
        assert ends == [JobStatus.FAILED]
        with pytest.raises(JobFailedError, match="its Ray went away before it ended"):
            running.result()
    script = f"""
serverless = QuantumServerless({head.config()!r})
for job in serverless.jobs():
    print(job.job_id, job.status(), job.arguments, job.error is None)
job = serverless.get_job_by_id({finished.job_id!r})
print(job.result(), "installed for this job" in job.logs(), job.wait(), job.follow())
print("installed for this job" in "".join(job.logs_iterator()))
"""
    lines = lines_of(script)
    assert lines[:2] == [
        f"{running.job_id} FAILED {{}} False",
        f"{finished.job_id} SUCCEEDED {{'seed': 7}} True",
    ]
    assert lines[-2:] == ["[7, 42, 42, '100'] True SUCCEEDED SUCCEEDED", "True"]
