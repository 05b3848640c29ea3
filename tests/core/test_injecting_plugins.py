"""The hook qstate_inject: plug-ins wrap or replace what a task is handed."""

from __future__ import annotations

import sys

import pytest

from qstate import BackendNotFoundError, PluginError, connect, override, remote
from qstate.plugins import InjectionContext, schemes


@pytest.fixture
def store():
    with connect("memory://") as store:
        yield store


def test_a_plugin_wraps_what_a_function_is_handed(install, store):
    """By the function's name: one gets a scope, another the store itself."""
    install("injecting")

    @remote(state=store)
    def first(state):
        state["a"] = 1

    @remote(state=store)
    def shared(state):
        state["a"] = 2

    first.local()
    shared.local()
    assert dict(store) == {"first/a": 1, "a": 2}


def test_it_is_asked_whatever_fills_the_state(install, store):
    """A bound, overriding, ambient or given state alike; not where no state is asked for."""
    install("injecting")
    import injecting

    @remote(state=connect("memory://"))
    def bound(state):
        state["bound"] = 1

    @remote
    def plain(x):
        return x

    with override(store):
        bound.local()
        bound.local(store)
        assert plain.local(1) == 1
    assert dict(store) == {"bound/bound": 1}
    assert len(injecting.contexts) == 2


def test_it_is_told_for_whom_the_state_is(install, store):
    """Function and module; no job and no task where the call runs without Ray."""
    install("injecting")
    import injecting

    class Lab:
        @remote(state=store)
        def measure(self, state): ...

    Lab().measure.local()
    (context,) = injecting.contexts
    assert context == InjectionContext(function=f"{Lab.__qualname__}.measure", module=__name__)


def test_it_is_imported_when_a_task_is_handed_its_state(install, store):
    """Neither by connecting nor by listing the schemes, of which it is none."""
    install("injecting")
    assert "qstate_inject" not in schemes()
    with pytest.raises(BackendNotFoundError, match="no plug-in serves"):
        connect("qstate-inject://")
    assert "injecting" not in sys.modules
    remote(state=store)(lambda state: None).local()
    assert "injecting" in sys.modules


def test_what_is_no_state_is_told(install, store):
    """A plug-in that gives something without get and set is named."""
    install("injecting_nothing")
    with pytest.raises(PluginError, match=r"qstate_inject gave dict.*injecting_nothing"):
        remote(state=store)(lambda state: None).local()


def test_a_plugin_that_can_not_be_imported_is_told_by_name(install, store):
    """No task runs without the plug-in that its author relies on; stores work all the same."""
    install("injecting_broken")
    store["a"] = 1
    with pytest.raises(PluginError, match=r"injecting-broken 1\.0.*can't be loaded.*uninstall it"):
        remote(state=store)(lambda state: None).local()
    remote(lambda: None).local()
