"""Installed, the plug-in gives each task a scope of its own in the store it is handed."""

from importlib.metadata import entry_points

import pytest
from qstate_scope_per_task import scopes_of

import qstate

pytestmark = pytest.mark.usefixtures("ray_session")


def test_it_is_found():
    """Its distribution is installed, and named after the hook."""
    (entry,) = entry_points(group="qstate", name="qstate_inject")
    assert entry.dist.name == "qstate-scope-per-task"


def test_tasks_do_not_meet(state_store):
    """Two tasks write under one key, and both values stay; so does that of a task they call."""

    @qstate.remote
    def inner(state: qstate.StateStore, seed):
        state["checkpoint"] = -seed

    @qstate.remote(state=state_store)
    def optimise(state, seed):
        assert dict(state) == {}
        state["checkpoint"] = seed
        with qstate.override(state_store):
            qstate.get(inner(seed))
        return dict(state)

    assert qstate.get([optimise(1), optimise(2)]) == [{"checkpoint": 1}, {"checkpoint": 2}]
    assert len(scopes_of(state_store, optimise)) == 2
    assert sorted(state_store.values()) == [-2, -1, 1, 2]


def test_a_task_that_is_run_again_finds_what_it_left(state_store):
    """Attempts of one task share its scope."""

    @qstate.remote(state=state_store)
    def second_time(state):
        if state.increment("tries") < 2:
            raise OSError("not yet")
        return state["tries"]

    retried = second_time.options(max_retries=3, retry_exceptions=True)
    assert qstate.get(retried.remote()) == 2


def test_the_state_of_an_actor_is_its_own(state_store):
    """An actor's constructor is a task as well."""

    @qstate.remote(state=state_store)
    class Counter:
        def __init__(self, state):
            self.state = state

        def add(self, n):
            return self.state.increment("total", n)

    first, second = Counter(), Counter()
    qstate.get([first.add.remote(1), second.add.remote(5)])
    assert qstate.get([first.add.remote(1), second.add.remote(5)]) == [2, 10]


def test_what_runs_here_is_left_as_it_is(state_store):
    """A call without Ray has no task, and no scope."""

    @qstate.remote(state=state_store)
    def write(state):
        state["here"] = 1

    write.local()
    assert dict(state_store) == {"here": 1}


def test_what_has_no_scopes_is_left_as_it_is(tmp_path):
    """A handler with only get and set is handed as it is."""

    class Notes:
        def get(self, key):
            return (tmp_path / key).read_text()

        def set(self, key, value):
            (tmp_path / key).write_text(value)

    @qstate.remote(state=Notes())
    def write(state):
        state.set("note", "plain")

    qstate.get(write())
    assert Notes().get("note") == "plain"
