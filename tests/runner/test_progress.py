"""The line that shows how far a job is, and the tables of notebooks."""

from __future__ import annotations

import io
import sys

import nbformat
from nbclient import NotebookClient

from qstate import Job, Provider, QuantumServerless, connect
from qstate.runner.progress import ProgressLine
from qstate.runner.record import Record, now

CELL = """
from qstate.runner.progress import ProgressLine
with ProgressLine() as line:
    line.show("PENDING", None)
    line.print("from the job\\n")
    line.show("RUNNING", (1, 4))
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(output):
    """What a job's log and its line write."""
    with ProgressLine() as line:
        line.show("RUNNING", None)
        line.print("first\n")
        line.show("RUNNING", (1, 4))
        line.print("half a line")
        line.show("RUNNING", (2, 4))
    return output.getvalue()


def test_on_a_terminal_the_line_stays_below_the_log(monkeypatch):
    """It is removed before the log goes on, and never written behind half a line."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    clear = "\r\x1b[K"
    bar = "█" * 5 + "░" * 15
    assert shown(sys.stdout) == (
        f"RUNNING  0:00{clear}first\nRUNNING  0:00  {bar} 1/4{clear}half a line"
    )


def test_elsewhere_there_is_no_line(monkeypatch):
    """In a file or a pipe stands the log alone."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert shown(sys.stdout) == "first\nhalf a line"


def test_in_a_notebook_the_line_is_an_output_that_changes():
    """There is one output for the line, which shows the latest, and one for the log."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, timeout=60).execute()
    line, log = notebook.cells[0].outputs
    assert line["data"]["text/plain"].startswith("RUNNING  0:0")
    assert line["data"]["text/plain"].endswith(" 1/4")
    assert log["text"] == "from the job\n"


def test_a_notebook_shows_a_job_as_a_table():
    """What it says of the job can be no markup, and asks no Ray for what has ended."""
    with connect("memory://") as store:
        record = Record("fqs_1", store)
        facts = {"status": "FAILED", "program": "<b>", "error": "a < b", "submitted": now()}
        record.begin({**facts, "settled": True}, {})
        job = Job("fqs_1", None, record, known=record.facts())
        html = job._repr_html_()
    assert html.startswith("<table><tr><td>job</td><td>fqs_1</td></tr>")
    assert "<td>&lt;b&gt;</td>" in html
    assert "<td>a &lt; b</td>" in html
    assert "<td>FAILED</td>" in html
    assert repr(job) == "<Job | fqs_1>"


def test_a_notebook_shows_providers_as_a_table():
    """With where each is, and which one is selected."""
    serverless = QuantumServerless(
        {"providers": [{"name": "lab", "compute_resource": {"name": "lab", "host": "ray.lab"}}]}
    )
    serverless.add_provider(Provider("<cloud>"))
    html = serverless._repr_html_()
    assert "<td>lab</td><td>ray.lab:8265</td><td>ray.lab:10001</td><td>selected</td>" in html
    assert "<td>&lt;cloud&gt;</td><td>this machine</td>" in html
