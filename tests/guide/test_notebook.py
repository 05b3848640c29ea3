"""The guide's notebook, executed as it stands, against a real Ray and a real Redis."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from nbclient import NotebookClient

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def outputs(notebook: nbformat.NotebookNode) -> list[str]:
    """What the cells show, with job ids made alike."""
    shown = [
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "execute_result"
    ]
    return [re.sub(r"fqs_[0-9a-f-]{36}", "fqs_<uuid>", text) for text in shown]


@pytest.fixture
def guide_names(names, ray_head, redis_server):
    """The guide's addresses, for the notebook and for the job, lead to the tests' servers."""
    redis = f"127.0.0.1:{urlsplit(redis_server.url).port}"
    ray = f"{ray_head.host}:{ray_head.port_job_server}"
    names.set({"redis:6379": redis, "localhost:6379": redis, "localhost:8265": ray})
    yield names
    names.set({})


def test_the_notebook_runs_as_it_stands(guide_names):
    """Every cell shows what the stored notebook shows."""
    stored = nbformat.read(GUIDES / "state_handling.ipynb", as_version=4)
    executed = copy.deepcopy(stored)
    client = NotebookClient(executed, timeout=120, resources={"metadata": {"path": str(GUIDES)}})
    client.execute(env=guide_names.environment())
    assert outputs(executed) == [
        "<QuantumServerless | providers [local, docker]>",
        "<RedisStateHandler | localhost:6379>",
        "<Job | fqs_<uuid>>",
        "<JobStatus.SUCCEEDED: 'SUCCEEDED'>",
        "({'k': 42}, {'other_k': 42})",
    ]
    assert outputs(stored) == outputs(executed)


def test_the_job_beside_the_notebook_is_the_example():
    """The notebook shows and runs the very job of the examples."""
    job = (GUIDES / "job_with_state.py").read_text()
    notebook = nbformat.read(GUIDES / "state_handling.ipynb", as_version=4)
    assert job == (GUIDES.parents[1] / "examples" / "job_with_state.py").read_text()
    assert any(job in cell.source for cell in notebook.cells)
