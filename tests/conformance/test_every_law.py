"""Each law says what it promises, so that a failure reads as the broken promise."""

from qstate.testing.conformance.laws import Laws
from qstate.testing.conformance.suite import LAWS, BackendConformance

NAMES = [(kind, name) for kind in LAWS for name in vars(kind) if name.startswith("test_")]


def test_every_law_says_in_a_sentence_what_it_promises():
    """Its name as a statement, its docstring as what belongs to it."""
    assert [name for kind, name in NAMES if not (vars(kind)[name].__doc__ or "").strip()] == []
    assert all(issubclass(kind, Laws) and kind.promise for kind in LAWS)


def test_no_two_laws_have_the_same_name():
    """One would hide the other."""
    names = [name for _, name in NAMES]
    assert sorted(names) == sorted(set(names))
    assert set(names) == {name for name in dir(BackendConformance) if name.startswith("test_")}
