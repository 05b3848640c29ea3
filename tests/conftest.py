"""What every test has: folders of its own for the user's data, and nothing left behind."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.servers.mariadb",
    "tests.servers.postgres",
    "tests.servers.ray",
    "tests.servers.redis",
    "tests.servers.ray_cluster",  # after those that it imports, so that pytest rewrites them
]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what runs in the background; commands that the tests interrupt inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "qstate",
    deadline=None,  # the machine may be busy
    max_examples=50,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("qstate")


_RAYS = {"no_ray", "ray_head", "ray_running", "ray_session"}
"""Fixtures that a Ray of one machine runs for."""


_LONGEST = ("ray", "tests/runner/test_cluster.py", "tests/plugins/test_installed.py")
"""Groups that are begun first, or the others would have to wait for them in the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Processes share the tests: one has all that need a Ray, so that there is one Ray; a file of
    the others, or the laws of one store, stays together with the servers that it shares."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: [_group(item) != group for group in _LONGEST])


def _group(item):
    file = item.nodeid.partition("::")[0]
    fixtures = set(getattr(item, "fixturenames", ()))
    if hasattr(item, "callspec"):
        fixtures |= {value for value in item.callspec.params.values() if isinstance(value, str)}
    if _RAYS & fixtures and "ray_cluster" not in fixtures:
        return "ray"
    return f"{file}::{item.cls.__name__}" if item.cls else file


EXPECTED_SKIPS = ("not applicable: ",)
"""How reasons begin for which a test may be skipped where continuous integration runs."""


def pytest_sessionfinish(session, exitstatus):
    """Where continuous integration runs, a test that was skipped unexpectedly is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    reasons = {report.longrepr[2] for report in reporter.stats.get("skipped", ())}
    bare = {reason.removeprefix("Skipped: ") for reason in reasons}
    unexpected = sorted(reason for reason in bare if not reason.startswith(EXPECTED_SKIPS))
    if unexpected:
        reporter.write_line(f"skipped, but not expected to be: {'; '.join(unexpected)}", red=True)
        session.exitstatus = exitstatus or 1


@pytest.fixture(scope="session", autouse=True)
def user_folders(tmp_path_factory, ray_environment):
    """The user's folders are empty ones of this run, and no variable names a store."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("QSTATE_")]:
            patch.delenv(name)
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def nothing_left():
    """No thread or child process that a test started outlives it."""
    threads, children = set(threading.enumerate()), _children()
    yield
    deadline = time.monotonic() + 5
    while (left := _left(threads, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"left behind: {left}"


def _left(threads, children):
    new = [thread for thread in set(threading.enumerate()) - threads if not thread.daemon]
    # Python's own trackers of shared resources end with the process that they serve.
    commands = map(_command, _children() - children)
    return new + [command for command in commands if command and "multiprocessing" not in command]


def _children():
    """The ids of this process's children; asked of Linux directly, since it is asked often."""
    if not Path("/proc/self/task").is_dir():
        return {child.pid for child in psutil.Process().children()}
    found = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found.update(map(int, file.read_text().split()))
    return found


def _command(pid):
    try:
        process = psutil.Process(pid)
        return f"{pid} {process.status()} {' '.join(process.cmdline())}"
    except psutil.Error:
        return None
