"""What a run of the suite tells: outcomes, a page without an empty cell, laws that are dead."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ASKED = "differ_in_any_code_point or it_is_a_mapping or expired_key or survives_a_restart"


def run(folder, *options):
    """Run an author's suite; how it ended, what it printed and what it wrote."""
    command = [
        *(sys.executable, "-m", "pytest", str(HERE / "known_failures_suite.py"), "-q"),
        *("--noconftest", "--rootdir", str(folder), "-c", os.devnull, "-p", "no:cacheprovider"),
        *("-p", "qstate.testing.conformance.reporting", "-k", ASKED),
        *("--conformance-json=told.json", "--conformance-page=page.md", *options),
    ]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    told = json.loads((folder / "told.json").read_text())
    return done, told["outcomes"], (folder / "page.md").read_text()


def case(outcomes, store, law, case=""):
    [found] = [
        (each["word"], each["reason"])
        for each in outcomes
        if (each["store"], each["law"], each["case"]) == (store, law, case)
    ]
    return found


@pytest.mark.parametrize("workers", ["0", "2"])
def test_outcomes_are_told_and_no_cell_is_empty(tmp_path, workers):
    """Whether one process runs the laws or several do: kept, broken, declared, not applicable."""
    done, outcomes, page = run(tmp_path, "-n", workers)
    assert done.returncode == 1, done.stdout
    folded = "test_keys_that_differ_in_any_code_point_are_two_keys"
    assert case(outcomes, "old", folded, "case") == ("future", "a column to mend")
    assert case(outcomes, "new", folded, "case")[0] == "broken"
    assert case(outcomes, "new", folded, "emoji") == ("kept", "")
    kept = case(outcomes, "old", "test_it_is_a_mapping")
    assert kept == ("kept", "though declared as unsupported: it is, though")
    restart = case(outcomes, "old", "test_what_was_acknowledged_survives_a_restart")
    assert restart == ("not applicable", "hook restart: its author gave none")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert "| promise | new | old |" in rows
    assert "| Keys | **broken 1** | **future 1** |" in rows
    assert "| hook restart: its author gave none | new 1, old 1 |" in rows
    assert f"- old, `{folded}`: future: a column to mend" in page
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("|"))


def test_a_law_that_no_store_kept_fails_the_run(tmp_path):
    """If that is asked for; it is told which."""
    options = ["--conformance-no-dead-law", "--deselect", f"{HERE}::TestNew"]
    for workers in ("0", "2"):
        done, _, _ = run(tmp_path, "-n", workers, *options, "-k", "mapping")
        assert done.returncode == 1
        assert "dead law, kept by no store: tokens only grow" in done.stdout
        assert "dead law, kept by no store: it is a mapping" not in done.stdout


def test_a_known_failure_is_one_of_a_law_and_in_three_words(tmp_path):
    """Any other is a mistake of the declaration, and every law says so."""
    from qstate.testing.conformance.laws import Laws

    for declared in ({"test_no_such_law": "future: x"}, {"store": "later"}):
        suite = type("Suite", (Laws,), {"known_failures": declared})()
        with pytest.raises(pytest.fail.Exception, match="known_failures"):
            suite._check_declared()
