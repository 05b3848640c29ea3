"""Tasks on a real Ray: what they are handed, and in which form they come back."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import ray

from qstate import (
    StateStore,
    Target,
    UnreachableStoreError,
    connect,
    current,
    distribute_task,
    get,
    get_refs_by_status,
    override,
    put,
    remote,
    run_qiskit_remote,
    whereabouts,
)

pytestmark = pytest.mark.usefixtures("ray_session")


class Notes:
    """A handler of a user's own: ``get`` and ``set``, over a folder."""

    def __init__(self, folder):
        self.folder = folder

    def get(self, key, default=None):
        file = self.folder / key
        return pickle.loads(file.read_bytes()) if file.exists() else default

    def set(self, key, value):
        (self.folder / key).write_bytes(pickle.dumps(value))


@pytest.fixture
def notes(tmp_path):
    return Notes(tmp_path)


@pytest.fixture
def store():
    with connect("memory://") as store:
        yield store


def test_a_task_is_handed_a_handler_of_ones_own(notes):
    """A class with only get and set is injected like any other, and shared as it shares itself."""

    @run_qiskit_remote(state=notes)
    def write(state, seed: int):
        state.set("in_job", {"k": seed})
        return seed

    assert get(write(42)) == 42
    assert notes.get("in_job") == {"k": 42}


def test_tasks_call_tasks(store):
    """A task calls another and waits for it; both write to the store they are handed."""

    @remote(state=store)
    def inner(state, seed: int):
        state.set("inner", seed)
        return seed

    @remote(state=store)
    def outer(state, seed: int):
        state.set("outer", seed)
        return get(inner(seed))

    assert get(outer(42)) == 42
    assert dict(store) == {"inner": 42, "outer": 42}


def test_a_task_that_calls_itself(store):
    """A task may call itself: what travels with it does not go round in circles."""

    @remote(state=store)
    def count_down(state, left: int):
        state.set(str(left), True)
        return left if left == 0 else get(count_down(left - 1))

    assert get(count_down(2)) == 0
    assert sorted(store) == ["0", "1", "2"]


def test_the_three_names_are_one():
    """remote is run_qiskit_remote is distribute_task, with parentheses or without."""
    assert remote is run_qiskit_remote is distribute_task

    @remote
    def plain(x):
        return x + 1

    @remote()
    def called(x):
        return x + 2

    assert get([plain(1), called(1), plain.remote(2)]) == [2, 3, 3]


def test_an_override_reaches_nested_tasks(store, notes):
    """override() replaces the bound store in the task, and in tasks that it calls in turn."""

    @remote(state=notes)
    def inner(state):
        state.set("inner", 1)
        return repr(current())

    @remote
    def outer(state: StateStore):
        state.set("outer", 1)
        return get(inner())

    with override(store):
        reference = outer()
    assert "StateStore" in get(reference)
    assert dict(store) == {"inner": 1, "outer": 1}
    assert notes.get("inner") is None


def test_an_override_does_not_stay_in_the_worker(store, notes):
    """Once a task under an override has ended, the next one in its worker is not under it."""

    @remote(state=notes)
    def which(state):
        return type(state).__name__

    with override(store):
        assert set(get([which() for _ in range(4)])) == {"StateStore"}
    assert set(get([which() for _ in range(4)])) == {"Notes"}


def test_what_the_caller_gives_wins_on_ray(store, notes):
    """A state given by the caller reaches the task, by name or in its place."""

    @remote(state=notes)
    def write(state, key):
        state.set(key, 1)

    get([write(store, "by place"), write("by name", state=store)])
    assert sorted(store) == ["by name", "by place"]


def test_references_are_arguments_like_any_other(store):
    """What put() and other tasks return can be given to a task in place of its value."""

    @remote(state=store)
    def add(state, x, y=0):
        return x + y

    assert get(add(put(40), y=add(1, 1))) == 42


def test_options_are_rays():
    """.options() changes what Ray is asked for, for that call alone."""

    @remote(target=Target(cpu=1))
    def assigned():
        return ray.get_runtime_context().get_assigned_resources()

    assert get(assigned.options(num_cpus=2).remote()) == {"CPU": 2.0}
    assert get(assigned()) == {"CPU": 1.0}


def test_a_target_is_a_class_or_a_dict():
    """target= takes a Target or a dict with its fields; its variables reach the task."""

    @remote(target={"cpu": 0, "env_vars": {"SHOTS": "100"}})
    def environment():
        import os

        return os.environ["SHOTS"], ray.get_runtime_context().get_assigned_resources()

    assert get(environment()) == ("100", {})
    assert Target(1, 2, 3, 4, {"x": 1}, {"A": "b"}, ["numpy"]).options() == {
        "num_cpus": 1,
        "num_gpus": 2,
        "memory": 4,
        "resources": {"qpu": 3, "x": 1},
        "runtime_env": {"env_vars": {"A": "b"}, "pip": ["numpy"]},
    }
    with pytest.raises(TypeError, match="target: unknown 'cpus'; known here: cpu, gpu"):
        remote(target={"cpus": 1})


def test_an_error_of_a_task_is_the_callers(store):
    """What a task raises is raised by get(), as its own class."""

    @remote(state=store)
    def fail(state):
        return state["nothing"]

    with pytest.raises(KeyError, match="nothing stands under 'nothing'"):
        get(fail())


def test_finished_and_unfinished(store):
    """get_refs_by_status() tells the tasks that have finished from those that have not."""

    @remote(state=store, target=Target(cpu=0))
    def wait_for(state, key):
        while key is not None and key not in state:
            pass
        return key

    quick, slow = wait_for(None), wait_for("go")
    assert get_refs_by_status([quick, slow]) == ([quick], [slow])
    store["go"] = True
    assert get_refs_by_status([quick, slow], num_returns=2, timeout=60) == ([quick, slow], [])


def test_a_function_is_exported_once(store):
    """Calling a task again, with options or without, does not send the function again."""
    pickled = []

    class Weight:
        def __reduce__(self):
            pickled.append(1)
            return Weight, ()

    weight = Weight()

    @remote(state=store)
    def use(state):
        return weight is not None

    assert get([use() for _ in range(5)]) == [True] * 5
    assert get([use.options(name=f"call {i}").remote() for i in range(5)]) == [True] * 5
    assert len(pickled) == 1


def test_a_store_does_not_travel_with_each_call(store):
    """The bound store is sent with the function, once; the tasks of a worker share a client."""
    pickled = []

    class Counted(Notes):
        def __reduce__(self):
            pickled.append(1)
            return Notes, (self.folder,)

    @remote(state=Counted(None))
    def use(state, other: object = None):
        return True

    @remote(state=store, target=Target(cpu=2))
    def client(state):
        return os.getpid(), id((state._client or state._open()).backend)

    assert get([use() for _ in range(5)]) == [True] * 5
    assert len(pickled) == 1
    seen = [get(client()) for _ in range(6)]
    with override(store):
        seen += [get(client()) for _ in range(6)]
    assert len(set(seen)) == len({process for process, _ in seen})


class Touching:
    """Its pickle touches a file where it is read."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_no_argument_is_taken_for_the_surroundings(store, tmp_path):
    """Bytes arrive as they are, in whatever place; what a pickle in them says is not done."""
    pickled = pickle.dumps(Touching(tmp_path / "done"))
    like = {"qstate:surroundings": pickled}

    @remote
    def echo(*args: object, **kwargs: object):
        return args, kwargs

    assert get(echo(1, pickled, **like)) == ((1, pickled), like)
    with override(store):
        assert get(echo(1, pickled, **like)) == ((1, pickled), like)
    assert not (tmp_path / "done").exists()


def test_a_task_may_close_what_it_is_handed(store):
    """The next task in the same worker is handed an open store all the same."""

    @remote(state=store)
    def use(state):
        with state, current() as ambient:
            state.increment("uses")
            ambient.increment("uses")
        return True

    with override(store):
        assert get([use() for _ in range(4)]) == [True] * 4
    assert store["uses"] == 8


def test_a_store_out_of_reach_is_told_when_the_task_starts(tmp_path):
    """What a worker can't reach is an error before the task has done anything."""
    began = tmp_path / "began"

    @remote(state=connect("fakeredis://"))
    def write(state):
        began.touch()

    with pytest.raises(
        UnreachableStoreError, match=r"fakeredis://.* was opened in another process"
    ):
        get(write())
    with override(connect("fakeredis://")), pytest.raises(UnreachableStoreError):
        get(write())
    assert not began.exists()


def test_a_file_of_another_host_is_told_when_the_task_starts(tmp_path, monkeypatch):
    """An SQLite file that was opened on another machine is not taken for one that is here."""
    monkeypatch.setattr(whereabouts, "_host", lambda: "notebook 001122334455")
    elsewhere = connect(f"sqlite:///{tmp_path / 'state.db'}")

    @remote(state=elsewhere)
    def write(state):
        state["x"] = 1

    with pytest.raises(UnreachableStoreError, match=r"was opened on host notebook.*postgresql://"):
        get(write())
    elsewhere.close()
    assert not (tmp_path / "state.db").exists()


def test_the_ambient_store_of_the_caller_is_that_of_nested_tasks(store, monkeypatch, tmp_path):
    """What connect() gives where a task is called is what it, and those it calls, are handed."""
    monkeypatch.setenv("QSTATE_URL", f"sqlite:///{tmp_path / 'ambient.db'}")

    @remote
    def inner(state: StateStore):
        state["inner"] = 1

    @remote
    def outer(state: StateStore):
        state["outer"] = 1
        get(inner())
        return get(bound())

    @remote(state=store)
    def bound(state):
        state["bound"] = 1
        return str(current().info().url)

    assert get(outer()) == f"sqlite:///{tmp_path / 'ambient.db'}"
    with connect() as ambient:
        assert dict(ambient) == {"inner": 1, "outer": 1}
    assert dict(store) == {"bound": 1}


def test_an_override_reaches_nested_tasks_of_actors(store, notes):
    """An actor made under an override is under it in all its methods, and so is what they call."""

    @remote(state=notes)
    def inner(state, key):
        state.set(key, 1)

    @remote(target=Target(cpu=0))
    class Caller:
        def call(self, key):
            get(inner(key))

    with override(store):
        caller = Caller()
    get(caller.call.remote("from the actor"))
    assert dict(store) == {"from the actor": 1}


def test_a_task_travels_by_pickle(store):
    """A task can be given to another as an argument, and called there."""

    @remote(state=store)
    def called(state, x):
        return state.get("offset", 0) + x

    @remote
    def call(task, x):
        return get(task(x))

    store["offset"] = 40
    get(called(0))
    assert get(call(called, 2)) == 42
