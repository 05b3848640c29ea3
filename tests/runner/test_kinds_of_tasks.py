"""Each kind of function and class as a task on a real Ray: it is handed its state, and works."""

from __future__ import annotations

import asyncio
import functools
import traceback

import pytest
import ray

from qstate import StateStore, Target, connect, current, get, override, remote

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture
def store():
    with connect("memory://") as store:
        yield store


@pytest.fixture
def other():
    with connect("memory://") as store:
        yield store


def test_coroutines_run_as_tasks(store):
    """An async function is a task like any other."""

    @remote(state=store)
    async def write(state, value):
        await state.aio.set("async", value)
        return value

    assert get(write(7)) == 7
    assert store["async"] == 7


def test_generators_give_references_as_they_come(store):
    """Generators, async ones too, give a reference for each value while they go on."""

    @remote(state=store)
    def numbers(state, n):
        for i in range(n):
            yield i
            state.wait_for(f"go on {i}")

    @remote(state=store)
    async def async_numbers(state, n):
        for i in range(n):
            yield i
            await state.aio.wait_for(f"go on {i}")

    for generator in (numbers, async_numbers):
        store.clear(everything=True)
        seen = []
        for reference in generator(3):
            seen.append(get(reference))
            store[f"go on {seen[-1]}"] = True
        assert seen == [0, 1, 2]


def test_a_generator_of_a_fixed_number(store):
    """num_returns= gives as many references at once, as with Ray's own generators."""

    @remote(state=store)
    def halves(state, whole):
        yield whole // 2
        yield whole - whole // 2

    first, second = halves.options(num_returns=2).remote(7)
    assert (get(first), get(second)) == (3, 4)


def test_a_generator_keeps_its_override(store, other):
    """What overrides where a generator is called does so until its last value."""

    @remote(state=store)
    def numbers(state):
        for i in range(2):
            current().set(str(i), i)
            yield i

    with override(other):
        references = numbers()
    assert [get(reference) for reference in references] == [0, 1]
    assert dict(other) == {"0": 0, "1": 1}


def test_several_results(store):
    """num_returns= gives a reference for each part of a tuple."""

    @remote(state=store)
    def pair(state):
        return 1, 2

    assert get(list(pair.options(num_returns=2).remote())) == [1, 2]


def test_a_class_is_an_actor_with_a_state(store, other):
    """Of a class the constructor is handed the state; its methods are called on the actor."""

    @remote(state=store)
    class Counter:
        def __init__(self, state, start: int = 0):
            self.state = state
            self.total = start

        def add(self, n):
            self.total += n
            self.state.set("total", self.total)
            return self.total

        def each(self, n):
            for i in range(n):
                yield self.total + i

    plain = Counter(40)
    assert get(plain.add.remote(2)) == 42
    assert store["total"] == 42
    streamed = plain.each.options(num_returns="streaming").remote(2)
    assert [get(reference) for reference in streamed] == [42, 43]
    with override(other):
        overridden = Counter.options(num_cpus=0).remote(start=1)
    assert get(overridden.add.remote(1)) == 2
    assert other["total"] == 2


def test_an_actor_with_asynchronous_methods(store, other):
    """Async methods run on the actor's event loop, several at a time, under its override."""

    @remote(state=store, target=Target(cpu=0))
    class Meeting:
        def __init__(self, state):
            self.state = state
            self.there = asyncio.Event()

        async def wait(self):
            await self.there.wait()
            await self.state.aio.set("met", True)
            return repr(current())

        async def come(self):
            self.there.set()

    with override(other):
        meeting = Meeting()
    waiting = meeting.wait.remote()
    get(meeting.come.remote())
    assert get(waiting).startswith("<StateStore | memory://")
    assert dict(other) == {"met": True}


def test_an_actor_whose_class_asks_by_annotation(store):
    """Without state= the constructor's annotated parameter is filled from the ambient store."""

    @remote
    class Keeper:
        def __init__(self, key: str, state: StateStore):
            state.set(key, "kept")

        def ready(self):
            return True

    with override(store):
        assert get(Keeper("key").ready.remote())
    assert store["key"] == "kept"


class Lab:
    """Its methods are tasks: the object travels to the worker, the state comes after it."""

    offset = 1

    @remote(target=Target(cpu=0))
    def measure(self, state: StateStore, shots: int = 10):
        state.set("shots", self.offset + shots)
        return self.offset + shots

    @staticmethod
    @remote
    def outer_static(state: StateStore, x):
        return state.get("shots", 0) + x

    @remote
    @staticmethod
    def inner_static(x, state: StateStore):
        return state.get("shots", 0) + x

    def plain(self, state, shots):
        state.set("plain", shots)
        return self.offset


def test_methods_are_tasks(store):
    """On an object, on the class with the object as first argument, and with options."""
    lab = Lab()
    lab.offset = 2
    with override(store):
        assert get(lab.measure(40)) == 42
        assert get(Lab.measure(lab, shots=1)) == 3
        assert get(lab.measure.options(num_cpus=1).remote()) == 12
        assert lab.measure.local(5) == 7
    assert store["shots"] == 7


def test_the_state_of_a_method_comes_after_the_object(store):
    """With state= as well: self first, then the state."""

    class Bench:
        factor = 21

        @remote(state=store)
        def multiply(self, state, x):
            state["x"] = x
            return self.factor * x

    assert get(Bench().multiply(2)) == 42
    assert store["x"] == 2


def test_static_methods_are_functions(store):
    """Whichever decorator stands first."""
    with override(store):
        store["shots"] = 40
        assert get([Lab.outer_static(2), Lab().outer_static(2)]) == [42, 42]
        assert get([Lab.inner_static(2), Lab().inner_static(2)]) == [42, 42]


def test_a_bound_method_as_a_task(store):
    """What remote() is given may be the method of an object."""
    assert get(remote(state=store)(Lab().plain)(100)) == 1
    assert store["plain"] == 100


def test_partials_are_tasks(store):
    """A partial takes the state like its function does, and keeps its own arguments."""

    def add(state, x, y=0, *, z=0):
        state["sum"] = x + y + z
        return x + y + z

    assert get(remote(state=store)(functools.partial(add, z=2))(30, 10)) == 42

    def keep(x: int, state: StateStore):
        return state.get("sum") + x

    with override(store):
        assert get(remote(functools.partial(keep, 8))()) == 50


def test_a_callable_object_is_a_task(store):
    """An object with __call__ is called in the worker."""

    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, state, x):
            return state.get("unit", 1) * self.factor * x

    store["unit"] = 2
    assert get(remote(state=store)(Scale(3))(7)) == 42


def test_parameters_of_every_kind(store):
    """Defaults, keyword-only, positional-only and variadic parameters get what they are given."""

    @remote(state=store)
    def defaults(state, a, b=2, *rest, c, d=4, **others):
        return isinstance(state, StateStore), a, b, rest, c, d, others

    @remote(state=store)
    def positional(state, a, /, b):
        return isinstance(state, StateStore), a, b

    @remote
    def keyword(a, *rest, state: StateStore, b=2):
        return isinstance(state, StateStore), a, rest, b

    @remote(state=store)
    def anything(*args, **kwargs):
        return isinstance(args[0], StateStore), args[1:], kwargs

    assert get(defaults(1, c=3)) == (True, 1, 2, (), 3, 4, {})
    assert get(defaults(1, 5, 6, 7, c=3, e=9)) == (True, 1, 5, (6, 7), 3, 4, {"e": 9})
    assert get(positional(1, b=2)) == (True, 1, 2)
    with override(store):
        assert get(keyword(1, 9, b=3)) == (True, 1, (9,), 3)
    assert get(anything(1, b=2)) == (True, (1,), {"b": 2})


def test_what_a_decorator_between_hides_is_still_found(store):
    """functools.wraps keeps the signature, so that the state is found beneath it."""

    def twice(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return 2 * function(*args, **kwargs)

        return wrapper

    @remote
    @twice
    def read(key, state: StateStore):
        return state[key]

    store["x"] = 21
    with override(store):
        assert get(read("x")) == 42


def test_the_function_itself_is_at_hand(store):
    """__wrapped__ is the undecorated function, for calls with a state of one's own."""

    @remote(state=store)
    def write(state, x):
        state["x"] = x

    values = {}
    write.__wrapped__(values, 1)
    assert values == {"x": 1}


def test_an_error_is_raised_with_the_tasks_own_traceback(store):
    """get() raises the task's own class, and tells where in the task it happened."""

    class NotConvergedError(ArithmeticError):
        pass

    @remote(state=store)
    def optimise(state):
        def step():
            raise NotConvergedError("after 7 steps")

        step()

    with pytest.raises(NotConvergedError, match="after 7 steps") as caught:
        get(optimise())
    told = "".join(traceback.format_exception(caught.value))
    assert "in step" in told
    assert 'raise NotConvergedError("after 7 steps")' in told
    assert isinstance(caught.value, ray.exceptions.RayTaskError)


def test_retries_are_rays(store):
    """retry_exceptions= runs a task again that failed; each attempt is handed the state."""

    @remote(state=store)
    def third_time(state):
        if state.increment("tries") < 3:
            raise OSError("not yet")
        return state["tries"]

    retried = third_time.options(max_retries=5, retry_exceptions=[OSError])
    assert get(retried.remote()) == 3
    with pytest.raises(OSError, match="not yet"):
        store.clear(everything=True)
        get(third_time.options(max_retries=0).remote())


def test_a_task_whose_worker_dies_is_run_again(store):
    """max_retries= brings a task back whose process was killed; what it wrote is there."""

    @remote(state=store)
    def survive(state):
        if state.increment("lives") == 1:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)
        return state["lives"]

    assert get(survive.options(max_retries=1).remote()) == 2


def test_options_that_ray_does_not_know_are_told(store):
    """A misspelt option is Ray's own error."""

    @remote(state=store)
    def write(state):
        pass

    with pytest.raises(ValueError, match="num_cpu"):
        write.options(num_cpu=1).remote()
