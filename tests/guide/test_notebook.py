"""The guides' notebooks, executed as they stand; those that need a Ray or a Redis get real ones."""

from __future__ import annotations

import os
import re

import nbformat
import pytest

from tests.guide.notebooks import GUIDES, executed, shown, stored

pytestmark = pytest.mark.timeout(600)  # longer than any cell may take

RUN_HERE = {
    "state_handling",
    "resuming",
    "watching",
    "testing_without_servers",
    "writing_a_plugin",
    "moving",
}


@pytest.fixture
def redis_names(names, redis_server):
    """The guides' addresses of a Redis lead to the tests' one."""
    there = {"redis:6379": redis_server.address, "localhost:6379": redis_server.address}
    names.set(there)
    yield there
    names.set({})


@pytest.fixture
def ray_here(ray_head):
    """An environment in which the Ray of this machine is the one that the tests share."""
    return {**os.environ, "RAY_ADDRESS": ray_head.address, "RAY_AUTH_MODE": "token"}


def run_as_stored(name, environment):
    """Execute a guide, make sure that it shows what the stored one does, and return that."""
    guide = stored(name)
    outputs = shown(executed(guide, environment))
    assert outputs == shown(guide)
    return "\n".join(outputs)


def test_state_between_tasks(names, redis_names, ray_head):
    """Every cell shows what the stored notebook shows."""
    names.set(redis_names | {"localhost:8265": f"{ray_head.host}:{ray_head.port_job_server}"})
    assert run_as_stored("state_handling", names.environment()).splitlines() == [
        "<QuantumServerless | providers [local, docker]>",
        "<RedisStateHandler | localhost:6379>",
        "<Job | fqs_<uuid>>",
        "<JobStatus.SUCCEEDED: 'SUCCEEDED'>",
        "({'k': 42}, {'other_k': 42})",
    ]


def test_resuming_after_a_crash(ray_here):
    """The second attempt goes on where the first was killed, and no step is done twice."""
    told = run_as_stored("resuming", ray_here)
    steps = re.findall(r"step (\d+) .* optimise, attempt (\d)", told)
    assert steps == [(f"{step:03}", "0" if step <= 12 else "1") for step in range(1, 21)]


def test_watching_a_running_job(ray_here):
    """Every step is seen, and drawn."""
    told = run_as_stored("watching", ray_here)
    assert "image/png" in told
    assert "20 steps seen" in told


def test_testing_a_job_without_its_servers(no_ray):
    """The tests that the guide writes pass, on a Ray of their own."""
    assert "6 passed in <time>" in run_as_stored("testing_without_servers", os.environ)


def test_writing_a_plugin():
    """The distribution that the guide writes is installed, found, and keeps the laws it names."""
    assert "8 passed in <time>" in run_as_stored("writing_a_plugin", os.environ)


def test_moving_from_the_older_package(names, redis_names):
    """Values of the older package are read, and not changed by accident."""
    assert "set() it first" in run_as_stored("moving", names.environment())


def test_no_guide_is_left_out():
    """Each notebook of the guides is executed by a test here."""
    assert {path.stem for path in GUIDES.glob("*.ipynb")} == RUN_HERE


@pytest.mark.parametrize("name", sorted(RUN_HERE))
def test_a_guide_is_stored_as_anyone_would_have_it(name):
    """It has been run from its first cell to its last, and holds no trace of where."""
    guide = stored(name)
    nbformat.validate(guide)
    code = [cell for cell in guide.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert guide.metadata.kernelspec.name == "python3"
    assert not any(cell.metadata for cell in guide.cells)
    assert not re.search(r"/(home|root|tmp|Users|work)/|\braylet\b", "".join(shown(guide)))
    streams = [output for cell in code for output in cell.outputs if "name" in output]
    assert {output.name for output in streams} <= {"stdout"}
    assert (GUIDES / f"{name}.ipynb").stat().st_size < 60_000
    texts = [cell.source for cell in guide.cells if cell.cell_type == "markdown"]
    for link in re.findall(r"\]\(([^)#:]+)", "".join(texts)):
        assert (GUIDES / link).is_file(), link


def test_the_job_beside_the_notebook_is_the_example():
    """The notebook shows and runs the very job of the examples."""
    job = (GUIDES / "job_with_state.py").read_text()
    assert job == (GUIDES.parents[1] / "examples" / "job_with_state.py").read_text()
    assert any(job in cell.source for cell in stored("state_handling").cells)
