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


class OwnTests:
    """The tests of a plug-in, in a pytest of their own."""

    def __init__(self, name, environment, folder, more):
        self._log = folder / f"{name}.txt"
        self._told = folder / f"{name}.json"
        root = str(PLUGINS / name)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            "/dev/null",
            f"--rootdir={root}",
            root,
        ]
        command += ["-p", "qstate.testing.conformance.reporting", "-p", "no:cacheprovider"]
        command += [f"--conformance-json={self._told}", f"--conformance-more={more}"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    def told(self):
        """What they told of the laws, once they have passed."""
        assert self.process.wait() == 0, self._log.read_text()[-20_000:]
        return json.loads(self._told.read_text())


@pytest.fixture(scope="module")
def own_tests(installed, request, tmp_path_factory):
    """Those of each backend; they wait for most of the time, so that all of them run at once."""
    more = request.config.getoption("conformance_more", 1)
    folder = tmp_path_factory.mktemp("own")
    running = {name: OwnTests(name, installed, folder, more) for name in BACKENDS}
    yield running
    for each in running.values():
        each.process.kill()
        each.process.wait()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", BACKENDS)
def test_an_installed_plugin_passes_its_own_tests(own_tests, name, record_property):
    """The laws of the conformance suite among them; their outcomes are told with those here."""
    told = own_tests[name].told()
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
