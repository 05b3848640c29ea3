"""Scopes: prefixes that nest, and out of which nothing leaks."""

import pytest
from hypothesis import given, strategies as st

from qstate import InvalidKeyError

NAMES = st.sampled_from(["run", "run-2", "run/a", "..", ".", "/", "a_b", "axb", "a%", " ", "run "])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "delete", "clear", "pop", "setdefault"]),
        st.lists(NAMES, max_size=2).map(tuple),
        NAMES,
        st.integers(0, 9),
    ),
    max_size=25,
)


def test_a_scope_is_a_prefix(store):
    """store.scope("run")["a"] is store["run/a"]; scopes nest."""
    store.scope("run")["a"] = 1
    (store / "run" / "deep")["b"] = 2
    assert dict(store) == {"run/a": 1, "run/deep/b": 2}
    assert dict(store / "run") == {"a": 1, "deep/b": 2}
    assert dict(store / "run/deep") == {"b": 2}


@pytest.mark.parametrize("key", ["..", "../a", "/", "//", "/a", ".", "run/..", "a/../../b"])
def test_no_key_of_a_scope_names_anything_outside(store, key):
    """Dots and slashes are characters like any other."""
    scope = store / "run"
    scope[key] = 1
    assert list(scope) == [key]
    assert list(store) == [f"run/{key}"]


@pytest.mark.parametrize("name", ["..", "/", "../other", "a/..", "."])
def test_no_name_of_a_scope_leads_out_of_another(store, name):
    """A scope in a scope is inside it, whatever it is called, and its clear stays there."""
    store["other"] = store["run/a"] = 1
    scope = store / "run" / name
    scope["k"] = 2
    assert dict(store) == {"other": 1, "run/a": 1, f"run/{name}/k": 2}
    scope.clear()
    assert dict(store) == {"other": 1, "run/a": 1}


@pytest.mark.parametrize("name", ["", None, 1, "a\0b", "\ud800", "a" * 1025])
def test_what_is_no_name_of_a_scope_is_refused(store, name):
    """An empty one would be the whole store."""
    with pytest.raises(InvalidKeyError):
        store.scope(name)


def test_siblings_do_not_leak_into_one_another(store):
    """A scope's name is compared whole: run is not run-2."""
    for key in ("run", "run-2/a", "run/a", "Run/a", "ru/n", "runn/a"):
        store[key] = key
    assert dict(store / "run") == {"a": "run/a"}
    assert len(store / "run") == 1
    assert list((store / "run").scan("a")) == ["a"]


def test_a_key_that_is_the_scopes_prefix_and_no_more_is_not_in_it(open_trial):
    """The scope has no name for it, so its clear leaves it."""
    for options in ({}, {"fast": "yes"}):
        store, _ = open_trial(**options)
        store["run/"] = 1
        scope = store / "run"
        assert (list(scope), len(scope)) == ([], 0)
        scope.clear()
        assert "run/" in store


@given(steps=STEPS)
def test_scopes_behave_as_a_dict_of_joined_keys(store, steps):
    """Any calls on any scopes leave what the same calls on one dict of paths leave."""
    store.clear(everything=True)
    model = {}
    for call, path, name, value in steps:
        scope, prefix = store, ""
        for part in path:
            scope, prefix = scope / part, prefix + part + "/"
        key = prefix + name
        if call == "set":
            scope[name] = model[key] = value
        elif call == "delete":
            assert scope.delete(name) == (model.pop(key, None) is not None)
        elif call == "pop":
            assert scope.pop(name, None) == model.pop(key, None)
        elif call == "setdefault":
            assert scope.setdefault(name, value) == model.setdefault(key, value)
        elif path:
            scope.clear()
            model = {k: v for k, v in model.items() if not inside(k, prefix)}
        assert dict(store) == model
        seen = {k[len(prefix) :]: v for k, v in model.items() if inside(k, prefix)}
        assert dict(scope) == seen
        assert len(scope) == len(seen)


def inside(key, prefix):
    """Whether a key has a name in the scope of a prefix."""
    return key.startswith(prefix) and key != prefix
