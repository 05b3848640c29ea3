"""Miniature distributions, installed for one test by a folder on the path."""

import importlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qstate import StateStore, plugins
from qstate.serializers import types

DISTRIBUTIONS = Path(__file__).parents[1] / "distributions"
_numbers = itertools.count()


def _forget_plugins():
    plugins._load.cache_clear()
    plugins._implementing.cache_clear()
    plugins._manager.cache_clear()
    for known in (types._by_kind, types._by_name, types._origins, types._asked):
        known.clear()
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        if str(DISTRIBUTIONS) in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def install(monkeypatch):
    """Installs a distribution of tests/distributions until the test ends."""
    _forget_plugins()

    def put_on_path(name):
        folder = str(DISTRIBUTIONS / name)
        monkeypatch.syspath_prepend(folder)
        others = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{others}" if others else folder)

    yield put_on_path
    _forget_plugins()


@pytest.fixture
def open_trial(install):
    """Opens new trial stores, with what they can do as options; gives store and backend."""
    install("plain")
    import trial_store

    opened = []

    def open_new(**options):
        opened.append(StateStore(f"trial://t{next(_numbers)}", **options))
        return opened[-1], trial_store.made[-1]

    yield open_new
    for store in opened:
        store.close()


@pytest.fixture
def store(open_trial):
    """A store whose backend has the five methods and no other."""
    return open_trial()[0]


@pytest.fixture
def filed(install, tmp_path):
    """A store that processes share."""
    install("plain")
    with StateStore(f"filed://{tmp_path}/state") as store:
        yield store


@pytest.fixture
def run_python():
    """Runs code in a new Python process; gives what it printed, and fails where it failed."""

    def run(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def plain_store(open_trial):
    """A store that has to be asked for changes, used in threads by `aio`, and without expiry."""
    return open_trial(expiry=False)[0]
