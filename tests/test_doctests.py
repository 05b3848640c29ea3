"""Every example in a docstring runs, and shows what it says."""

import doctest
import importlib
import pkgutil

import pytest

import qstate
import qstate_backends

FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def _modules():
    yield "qstate"
    for package in (qstate, qstate_backends):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield module.name


@pytest.mark.parametrize("name", list(_modules()))
def test_examples_of_a_module_run(name, monkeypatch, tmp_path):
    """What a reader copies from a docstring works, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=FLAGS, verbose=False)
    assert not failed
