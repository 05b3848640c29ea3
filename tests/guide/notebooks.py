"""Notebooks of the guides: executed as they stand, and what they show."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient

GUIDES = Path(__file__).parents[2] / "docs" / "guides"

_VARYING = {
    r"fqs_[0-9a-f-]{36}": "fqs_<uuid>",
    r"\x1b\[\d+m\(raylet\)[^\n]*\n": "",
    r"=+ (\d+ passed)(.*) in [\d.]+s.* =+": r"\1\2 in <time>",
    r" +\[ *\d+%\]$": "",
}
"""What is another one in each run: ids of jobs, when Ray tells of a worker's death, how long pytest
took and how wide it took the screen to be."""


def stored(name: str) -> nbformat.NotebookNode:
    """A guide with the outputs that it is published with."""
    return nbformat.read(GUIDES / f"{name}.ipynb", as_version=4)


def executed(notebook: nbformat.NotebookNode, env: Mapping[str, str]) -> nbformat.NotebookNode:
    """A copy with the outputs of a run, by a kernel with this environment; an error is raised."""
    fresh = copy.deepcopy(notebook)
    folder = {"metadata": {"path": str(GUIDES)}}
    options = {"record_timing": False, "coalesce_streams": True}
    # Not what this pytest was told to show: some guides run one of their own.
    env = {name: value for name, value in env.items() if name != "PYTEST_ADDOPTS"}
    NotebookClient(fresh, timeout=300, resources=folder, **options).execute(env=env)
    return fresh


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    """What the cells show, in order: text as people read it, and for a picture that there is one.

    What goes to stderr is left out: there libraries say what they please.
    """
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [text for output in outputs for told in _told(output) if (text := _alike(told))]


def _told(output: nbformat.NotebookNode) -> list[str]:
    if output["output_type"] == "stream":
        return [output["text"]] if output["name"] == "stdout" else []
    data = output["data"]
    return [data["text/plain"], *(kind for kind in sorted(data) if kind.startswith("image/"))]


def _alike(text: str) -> str:
    for pattern, alike in _VARYING.items():
        text = re.sub(pattern, alike, text, flags=re.MULTILINE)
    return text
