"""What is kept of a job, what its own code is handed, and what others find of it."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from pathlib import Path

import psutil
import pytest
import ray

from qstate import (
    InvalidProgramError,
    JobFailedError,
    JobNotFoundError,
    JobStatus,
    Program,
    QuantumServerless,
    SerializationError,
    StateStore,
    connect,
    get,
    override,
    remote,
    report_progress,
    save_result,
    whereabouts,
)
from tests.runner.process import lines_of
from tests.servers.redis import RedisServer

PASSWORD = "a-password-that-nobody-else-has"
SCRIPT = """
import sys
import qstate

class Doubled(float):
    pass

@qstate.remote
def task(state: qstate.StateStore):
    state["task"] = qstate.get_arguments()["shots"]
    qstate.report_progress(1, 2)

if __name__ == "__main__":
    print("told", *sys.argv, sys.path[0].rpartition("/")[2] != "", sys.modules["__main__"].task)
    qstate.current()["script"] = qstate.get_arguments()
    qstate.get(task())
    qstate.save_result({"energy": -1.137, "pair": (1, 2)})
"""


@pytest.fixture
def serverless(ray_head):
    return QuantumServerless(ray_head.config())


@pytest.fixture
def ambient(tmp_path, monkeypatch):
    """An ambient store of this test's own."""
    monkeypatch.setenv("QSTATE_URL", f"sqlite:///{tmp_path / 'ambient.db'}")
    with connect() as store:
        yield store


def keys_of(job, store):
    """What stands in the job's record."""
    return sorted(store.scope(f"qstate-jobs/{job.job_id}"))


def test_a_script_is_handed_its_arguments_and_its_store(serverless, ambient, tmp_path):
    """By get_arguments() and as options, by current(), in its tasks too; its result comes back."""
    (tmp_path / "job.py").write_text(SCRIPT)
    program = Program(
        entrypoint="job.py", working_dir=tmp_path, arguments={"shots": 1, "angles": (0.5, 1)}
    )
    with connect("memory://") as store:
        job = serverless.run_program(program, arguments={"shots": 100}, state=store)
        assert job.result(120) == {"energy": -1.137, "pair": (1, 2)}
        assert store["script"] == {"shots": 100, "angles": (0.5, 1)} == job.arguments
        assert store["task"] == 100
        assert job.state is store
        assert "told job.py --shots=100 --angles=(0.5, 1) True <Task | task>\n" in job.logs()
        assert program.arguments == {"shots": 1, "angles": (0.5, 1)}
        names = ["arguments", "log", "progress", "record", "result"]
        assert keys_of(job, store) == names
        assert job.error is None
        assert job.submitted <= job.started <= job.ended
    # Of a store that others can't open, the result is in the ambient one as well.
    assert keys_of(job, ambient) == ["arguments", "log", "record", "result"]
    assert serverless.get_job_by_id(job.job_id).result() == {"energy": -1.137, "pair": (1, 2)}


def test_jobs_are_found_by_other_processes(serverless, ambient, ray_head):
    """jobs() lists them in another process, the newest first, with what became of each."""

    def add(x: int, y: int = 1) -> int:
        return x + y

    first = serverless.run_program(Program(entrypoint=add, arguments={"x": 41}))
    second = serverless.run_job("exit 3")
    assert first.result(120) == 42
    assert second.wait(60) is JobStatus.FAILED
    script = f"""
serverless = QuantumServerless({ray_head.config()!r})
for job in serverless.jobs():
    print(job.job_id, job.program, job.status(), job.error, job.arguments, job.ended is not None)
found = serverless.get_job_by_id({first.job_id!r})
print(found.result(), found.logs() == found.logs(), found.stop())
"""
    assert lines_of(script) == [
        f"{second.job_id}  FAILED its process ended with exit code 3 {{}} True",
        f"{first.job_id} add SUCCEEDED None {{'x': 41}} True",
        "42 True False",
    ]
    assert first.job_id in first._repr_html_()
    assert "<td>SUCCEEDED</td>" in first._repr_html_()
    with pytest.raises(JobFailedError, match="failed: its process ended with exit code 3"):
        second.result()
    with pytest.raises(JobNotFoundError):
        serverless.get_job_by_id("fqs_x")


def test_a_function_is_handed_the_store_that_it_asks_for(serverless, ambient):
    """Its annotated parameter is filled; under override() all that the job does is under it."""

    async def simulate(state: StateStore, shots: int) -> list[int]:
        state["shots"] = shots
        return [shots]

    with connect("memory://") as store, override(store):
        job = serverless.run_program(Program(entrypoint=simulate, arguments={"shots": 100}))
        assert job.result(120) == [100]
        assert job.state is store
        assert store["shots"] == 100
        assert keys_of(job, store) == ["arguments", "log", "record", "result"]
    assert list(ambient) == []
    assert job.result() == [100]  # the store of whoever gave it is closed by now


def fails_in_a_task():
    @remote
    def measure(angle):
        return {}[angle]

    return get(measure("theta"))


def test_a_job_that_fails_tells_where(serverless, ambient):
    """The error has the traceback of the task, the end of the log, and what to ask for in code."""
    job = serverless.run_program(Program(name="guide", entrypoint=fails_in_a_task))
    with pytest.raises(JobFailedError) as caught:
        job.result(120)
    error = caught.value
    assert (error.job_id, error.status) == (job.job_id, "FAILED")
    assert "KeyError" in error.reason
    assert error.reason == job.error
    assert "return {}[angle]" in error.traceback
    assert "KeyError: 'theta'" in error.log
    assert str(error).startswith(f"<Job | {job.job_id}> failed: ")
    assert error.traceback.rstrip() in str(error)
    assert "beginning.py" not in error.traceback + error.log
    assert "\x1b" not in error.traceback
    assert job.follow() is JobStatus.FAILED


@pytest.fixture
def guarded():
    """A Redis that asks for a password."""
    with RedisServer(password=PASSWORD) as server:
        yield server


def command_lines():
    """Those of all processes under this one."""
    for process in psutil.Process().children(recursive=True):
        try:
            yield " ".join(process.cmdline()) + " ".join(process.environ().values())
        except psutil.Error:
            continue


def test_neither_address_nor_password_of_a_url_is_seen(serverless, ambient, guarded, ray_head):
    """Not in Ray's metadata of the job, in any log, on a command line, in a variable, or here."""
    address = f"127.0.0.1:{guarded.port}"

    def write(state: StateStore) -> str:
        state["in_job"] = 42
        return repr(state)

    with connect(f"redis://:{PASSWORD}@{address}/0") as store:
        job = serverless.run_program(Program(entrypoint=write), state=store)
        seen = []
        while not job.status().is_terminal():
            seen += command_lines()
        assert job.result() == f"<StateStore | redis://:***@{address}/0>"
        assert store["in_job"] == 42
        written = list(store.scope("qstate-jobs").items())
    url = f"http://{ray_head.host}:{ray_head.port_job_server}/api/jobs/"
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        metadata = json.load(answer)
    assert any(details["submission_id"] == job.job_id for details in metadata)
    logs = Path(os.environ["RAY_TMPDIR"]) / "ray" / "session_latest" / "logs"
    files = [path for path in logs.rglob("*") if path.is_file()]
    for secret in (PASSWORD, address):
        assert secret not in str(metadata)
        assert not [line for line in seen if secret in line and "redis-server" not in line]
        assert not [path for path in files if secret.encode() in path.read_bytes()]
    ambient_file = Path(ambient.info().url.removeprefix("sqlite://"))
    for text in (str(written).encode(), job.logs().encode(), ambient_file.read_bytes()):
        assert PASSWORD.encode() not in text
    # The ambient store can't say how to open the other one: who knows may.
    assert serverless.get_job_by_id(job.job_id).state is None
    with connect(f"redis://:{PASSWORD}@{address}/0") as store:
        assert serverless.get_job_by_id(job.job_id, state=store).result() == job.result()


def test_an_ambient_store_that_the_job_cannot_reach(serverless, tmp_path, monkeypatch):
    """Its record is kept where it was submitted; the job fails only where it needs the store."""
    monkeypatch.setenv("QSTATE_URL", f"sqlite:///{tmp_path / 'here.db'}")
    monkeypatch.setattr(whereabouts, "_host", lambda: "notebook 001122334455")

    def tell(shots: int) -> int:
        from qstate import get_arguments

        print("arguments", get_arguments(), flush=True)  # noqa: T201
        return shots

    job = serverless.run_program(Program(entrypoint=tell, arguments={"shots": 100}))
    with pytest.raises(JobFailedError, match=r"UnreachableStoreError: sqlite.*was opened on host"):
        job.result(120)
    assert "arguments {'shots': 100}\n" in job.logs()
    [listed] = serverless.jobs()
    assert (listed.job_id, listed.status()) == (job.job_id, JobStatus.FAILED)
    assert "UnreachableStoreError" in listed.error
    assert listed.arguments == {"shots": 100}


def test_a_store_in_an_actor(ray_session, ambient):
    """A record in it makes no process join Ray; the result is in the ambient store as well."""

    def joins() -> str:
        import ray

        from qstate import current

        before = ray.is_initialized()
        current()["in_job"] = before
        return "result"

    store = connect("actor://jobs")
    serverless = QuantumServerless(ray_session.config())
    job = serverless.run_program(Program(entrypoint=joins), state=store)
    assert job.result(120) == "result"
    assert store["in_job"] is False
    assert keys_of(job, store) == ["arguments", "log", "record", "result"]
    script = f"""
import ray
job = QuantumServerless().get_job_by_id({job.job_id!r})
print(job.status(), job.result(), ray.is_initialized())
"""
    assert lines_of(script) == ["SUCCEEDED result False"]
    store.clear(everything=True)
    ray.kill(ray.get_actor("jobs", namespace="qstate"))


def test_an_argument_that_no_store_takes(serverless, ambient):
    """It is told before anything is submitted, and nothing is left in the record."""
    program = Program(entrypoint=lambda x: x, arguments={"x": [1, object()]})
    with pytest.raises(SerializationError, match=r"\$\.x\[1\]"):
        serverless.run_program(program)
    assert list(ambient) == []


def test_a_function_that_cannot_be_sent(serverless, ambient):
    """It is told by name, and nothing is left in the record."""
    lock = threading.Lock()
    program = Program(name="locked", entrypoint=lambda: lock)
    with pytest.raises(InvalidProgramError, match=r"'locked'.*can't be pickled"):
        serverless.run_program(program)
    assert list(ambient) == []


def test_an_ambient_store_that_is_down_keeps_no_job_from_running(serverless, tmp_path, monkeypatch):
    """The job is run, and a warning says that it is in no list."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("QSTATE_URL", f"sqlite:///{tmp_path / 'file' / 'state.db'}")
    with pytest.warns(RuntimeWarning, match="not in the list of jobs.*set QSTATE_URL"):
        job = serverless.run_job("true")
    assert job.wait(60) is JobStatus.SUCCEEDED
    assert job.arguments == {}
    assert job.result() is None
    assert serverless.get_job_by_id(job.job_id).status() is JobStatus.SUCCEEDED


def test_outside_of_a_job():
    """There are no arguments, and neither results nor progress go anywhere."""
    assert lines_of("import qstate; print(qstate.get_arguments())") == ["{}"]
    assert save_result(1) is None
    assert report_progress(1, 2) is None
