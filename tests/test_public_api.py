"""The public names: complete, sorted, documented."""

import ast
import inspect
from pathlib import Path

import pytest

import qstate

STUB = Path(qstate.__file__).with_name("__init__.pyi")


def test_public_names_are_those_of_the_stub_sorted():
    """`__all__` has the names that type checkers see, in order, each once."""
    tree = ast.parse(STUB.read_text("utf-8"))
    named = [name.asname for node in tree.body for name in node.names]
    assert sorted(named) == list(qstate.__all__)
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("name", qstate.__all__)
def test_each_public_name_is_there_and_says_what_it_is(name):
    """Every public name can be had, and every function and class has a docstring."""
    value = getattr(qstate, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        assert (value.__doc__ or "").strip(), f"qstate.{name} has no docstring"


def test_every_error_is_public():
    """Whatever qstate raises on purpose can be caught by its public name."""
    errors = [
        name
        for name, value in vars(qstate.errors).items()
        if inspect.isclass(value) and issubclass(value, qstate.StateError)
    ]
    assert set(errors) <= set(qstate.__all__)


def test_an_unknown_name_is_an_attribute_error():
    """A misspelt name fails as it does on any module."""
    with pytest.raises(AttributeError, match="conect"):
        _ = qstate.conect
