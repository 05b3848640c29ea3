"""What imports what: the ranks of the core, and that nothing is loaded before it is needed."""

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BACKENDS = sorted(
    {
        entry.module
        for entry in entry_points(group="qstate")
        if entry.module.startswith("qstate_backends.")
    }
)
DRIVERS = {
    "actor": {"ray"},
    "memory": set(),
    "redis": {"redis"},
    "sql": {"psycopg", "pymysql", "sqlalchemy", "sqlite3"},
}
HEAVY = {"ray", "redis", "fakeredis", "sqlalchemy", "numpy", "psycopg", "pymysql", "sqlite3"}


def loaded_by(statement):
    """The top-level packages that a new Python has loaded after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return {module.partition(".")[0] for module in json.loads(done.stdout.splitlines()[-1])}


def test_the_ranks_of_the_core_are_kept():
    """A file of the core imports only files of a lower rank, and no backend: exhaustively."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_importing_qstate_is_light():
    """Neither Ray nor a driver nor numpy is loaded, nor most of qstate itself."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import qstate"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "qstate" in modules
    assert not {module.partition(".")[0] for module in modules} & HEAVY
    assert "qstate.store" not in modules


def test_a_store_loads_no_other_backend_and_no_ray():
    """Opening a store loads its own module alone."""
    statement = "import qstate; qstate.connect('memory://a').set('k', 1)"
    assert not loaded_by(statement) & HEAVY


@pytest.mark.parametrize("module", BACKENDS)
def test_a_backend_loads_no_driver_of_another(module):
    """Importing a backend's module brings its own driver at the most."""
    own = DRIVERS[module.partition(".")[2].partition(".")[0]]
    if "redis" in own:
        own = own | {"fakeredis"}
    assert not loaded_by(f"import {module}") & HEAVY - own


def test_a_value_loads_no_package_of_types():
    """Plain values, and dataclasses, bring neither numpy nor any plug-in for types."""
    statement = (
        "import dataclasses, qstate; store = qstate.connect('memory://a'); "
        "store['k'] = {'a': (1, {2})}; store.get('k', type=dict); "
        "store['d'] = dataclasses.make_dataclass('D', ['n'])(1); store['d']"
    )
    packages = {"numpy", "pandas", "pyarrow", "pydantic", "msgspec", "qiskit"}
    assert not loaded_by(statement) & packages


@pytest.mark.parametrize("folder", ["qstate/testing", "qstate/runner"])
def test_nothing_of_the_core_needs(folder):
    """What only tests or the runner need is not loaded by a store."""
    package = folder.replace("/", ".")
    code = (
        "import sys, qstate; qstate.connect('memory://a').set('k', 1); "
        f"sys.exit(any(name.startswith({package!r}) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
