"""run, jobs, logs and stop, on a real Ray."""

import json
import signal

import pytest

import qstate
from qstate import QuantumServerless
from tests.cli.conftest import ended, run, started
from tests.servers.process import wait_until

SCRIPT = """
import sys
from qstate import current, get_arguments, save_result

print("arguments:", get_arguments())
current().set("energy", get_arguments()["theta"])
save_result(42)
"""


@pytest.fixture
def provider(ray_head):
    """Options that choose the Ray of the tests."""
    return ["--provider", f"{ray_head.host}:{ray_head.port_job_server}"]


def script(folder, text, name="job.py"):
    """A script in a folder of its own, which is what is uploaded."""
    folder = folder / "program"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_a_script_runs_with_arguments_and_a_store(default_store, provider, tmp_path, redis_server):
    """Its log goes to stdout as it comes, and what is said of it to stderr."""
    file = script(tmp_path, SCRIPT)
    arguments = ["--arg", "theta=0.5", "--arg", "label=a b"]
    with qstate.connect(redis_server.url) as state:
        ran = run("run", file, *arguments, "--state", redis_server.url, *provider)
        assert ran.code == 0, ran.err
        assert "arguments: {'theta': 0.5, 'label': 'a b'}\n" in ran.out
        assert state.pop("energy") == 0.5
    first, last = ran.err.splitlines()
    job_id = first.split()[1].rstrip(";")
    assert last == f"job {job_id} SUCCEEDED"
    assert "arguments: " in run("logs", job_id, *provider).out
    assert json.loads(run("logs", job_id, "--json", *provider).out)["job"] == job_id
    listed = run("jobs", *provider).out.splitlines()
    assert listed[0].split() == ["job", "program", "status", "submitted", "ended", "error"]
    assert listed[1].split()[:3] == [job_id, "job", "SUCCEEDED"]
    document = json.loads(run("jobs", "--json", *provider).out)
    assert [told["job"] for told in document] == [job_id]
    stopped = run("stop", job_id, *provider)
    assert (stopped.code, stopped.out) == (1, f"{job_id}  SUCCEEDED\n")


def test_a_job_that_fails_ends_with_1(provider, tmp_path):
    """With its traceback in its log, and why it failed on the last line."""
    file = script(tmp_path, "raise RuntimeError('the laboratory is closed')")
    ran = run("run", file, "--json", *provider)
    assert ran.code == 1
    first, *logged, last = map(json.loads, ran.out.splitlines())
    assert "the laboratory is closed" in "".join(line["log"] for line in logged)
    assert (last["job"], last["status"]) == (first["job"], "FAILED")
    assert last["error"]


def test_ctrl_c_stops_the_job(provider, tmp_path, ray_head):
    """It is asked to stop, waited for, and the command ends with 130."""
    file = script(tmp_path, "import time\nprint('begun', flush=True)\ntime.sleep(600)")
    process = started("run", file, *provider)
    while "begun" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    ran = ended(process, 120)
    assert ran.code == 130
    assert "stopping job" in ran.err
    assert ran.err.splitlines()[-1].endswith("STOPPED")


def test_a_job_is_followed_and_stopped_by_another_process(default_store, provider, tmp_path):
    """`logs --follow` shows its log until it ends; `stop` ends it."""
    file = script(tmp_path, "import time\nprint('begun', flush=True)\ntime.sleep(600)")
    runner = started("run", file, *provider)
    wait_until(lambda: len(QuantumServerless().jobs(state=default_store)) == 1, 60)
    (job,) = QuantumServerless().jobs(state=default_store)
    follower = started("logs", job.job_id, "--follow", *provider)
    while "begun" not in follower.stdout.readline():
        assert follower.poll() is None
    stopped = run("stop", job.job_id, *provider)
    assert (stopped.code, stopped.out) == (0, f"{job.job_id}  STOPPED\n")
    assert ended(follower).code == 0
    assert ended(runner).code == 1


def test_mistakes_are_told_before_anything_runs(provider, tmp_path):
    """A script that is not there, and options that mean nothing."""
    file = script(tmp_path, "print('never')")
    missing = run("run", tmp_path / "nothing.py", *provider)
    assert missing.code == 1
    assert "no script 'nothing.py'" in missing.err
    assert run("run", file, "--arg", "theta", *provider).code == 2
    assert run("run", file, "--provider", "host:", *provider[2:]).code == 2
    outside = run("run", file, "--working-dir", tmp_path / "elsewhere", *provider)
    assert outside.code == 2
    assert run("logs", "nothing", *provider).code == 1
    assert run("jobs", *provider) == (0, "", "qstate: no job has a record here\n")


def test_a_script_of_a_larger_folder_runs_in_it(provider, tmp_path):
    """--working-dir is what is uploaded, --env what the script finds."""
    folder = script(tmp_path, "answer = 42", "lab.py").parent
    (folder / "scripts").mkdir()
    file = folder / "scripts" / "job.py"
    file.write_text(
        "import os, sys\nsys.path.insert(0, '.')\nimport lab\n"
        "print(lab.answer, os.environ['SHOTS'])"
    )
    ran = run("run", file, "--working-dir", folder, "--env", "SHOTS=100", *provider)
    assert ran.code == 0, ran.out + ran.err
    assert "42 100\n" in ran.out
