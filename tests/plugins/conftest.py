"""Third-party distributions, really installed: each from its folder, into one of this run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "examples" / "plugins"


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The environment of a Python that finds them as it finds anyone's."""
    folder = tmp_path_factory.mktemp("installed")
    plugins = [str(path.parent) for path in PLUGINS.glob("*/pyproject.toml")]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", folder, *plugins]
    subprocess.run(command, check=True)
    path = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
