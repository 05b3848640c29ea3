"""The examples of plug-ins are found once they are installed, and keep what they promise."""

import json
import os
import subprocess
import sys

import pytest

from qstate.testing.conformance import reporting
from tests.plugins.conftest import PLUGINS, ROOT

BACKENDS = ["qstate-lmdb", "qstate-nats"]
HOOKS = ["qstate-scope-per-task"]


def run(environment, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    return done.stdout


def test_every_example_is_tested():
    """There is no plug-in that these tests leave out."""
    assert sorted(path.parent.name for path in PLUGINS.glob("*/pyproject.toml")) == BACKENDS + HOOKS


@pytest.mark.parametrize("name", BACKENDS)
def test_an_installed_plugin_serves_its_scheme(installed, name):
    """Its distribution is told, and its module is imported when it is asked for alone."""
    scheme = name.removeprefix("qstate-")
    url = {"lmdb": "lmdb:///nowhere", "nats": "nats://localhost/nothing"}[scheme]
    code = (
        "import sys, qstate; before = set(sys.modules)\n"
        f"store = qstate.connect({url!r}); info = store.info(); store.close()\n"
        f"print(info.plugin, 'qstate_{scheme}' in before, 'qstate_{scheme}' in sys.modules)"
    )
    assert run(installed, "-c", code) == f"{name} 0.1.0 False True\n"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", BACKENDS)
def test_an_installed_plugin_passes_its_own_tests(
    installed, name, request, tmp_path, record_property
):
    """The laws of the conformance suite among them; their outcomes are told with those here."""
    report = tmp_path / "report.json"
    more = request.config.getoption("conformance_more", 1)
    plugin = "qstate.testing.conformance.reporting"
    options = ["-p", plugin, "-p", "no:cacheprovider", f"--conformance-json={report}", "-q"]
    options += [f"--conformance-more={more}"]
    folder = str(PLUGINS / name)
    run(installed, "-m", "pytest", *options, "-c", "/dev/null", f"--rootdir={folder}", folder)
    told = json.loads(report.read_text())
    assert {outcome["word"] for outcome in told["outcomes"]} == {"kept", "not applicable"}
    record_property(reporting.PROPERTY, told)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", HOOKS)
def test_an_installed_hook_passes_its_own_tests(installed, no_ray, name):
    """Its tests use the fixtures that qstate's own plug-in gives to pytest."""
    environment = {**installed, "RAY_TMPDIR": os.environ["RAY_TMPDIR"]}
    options = ["-p", "no:cacheprovider", "-q", "-c", "/dev/null"]
    folder = str(PLUGINS / name)
    told = run(environment, "-m", "pytest", *options, f"--rootdir={folder}", folder)
    assert "6 passed" in told
