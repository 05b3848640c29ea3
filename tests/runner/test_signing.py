"""Who wrote what: entries name the job, the task, its attempt, the node and the function."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import ray

from qstate import (
    JobStatus,
    Program,
    QuantumServerless,
    StateStore,
    Target,
    Writer,
    connect,
    get,
    remote,
)

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def store():
    with connect("memory://") as store:
        yield store


def running():
    """What Ray says of the task that runs here."""
    context = ray.get_runtime_context()
    return context.get_job_id(), context.get_task_id(), context.get_node_id()


@pytest.mark.usefixtures("ray_session")
class TestWriter:
    """In tasks of this process, which is no job of a job server."""

    def test_a_task_signs_what_it_writes(self, store):
        """Every write of a task has it as its writer; what the driver writes has none."""

        @remote(state=store)
        def measure(state):
            state["energy"] = -1.137
            state.increment("shots")
            return running()

        job, task, node = get(measure())
        function = f"{__name__}.TestWriter.test_a_task_signs_what_it_writes.<locals>.measure"
        writer = store.entry("energy").writer
        assert writer.function.endswith("measure")
        assert function.endswith(writer.function.rpartition(".")[2])
        assert writer == Writer(job=job, task=task, attempt=0, node=node, function=writer.function)
        assert store.entry("shots").writer == writer
        store["energy"] = 0
        assert store.entry("energy").writer is None

    def test_each_attempt_signs_for_itself(self, store):
        """A task that is run again writes under the same id, as its next attempt."""

        @remote(state=store)
        def second_time(state):
            attempt = state.increment("tries")
            state[f"attempt {attempt}"] = True
            if attempt < 2:
                raise OSError("not yet")

        get(second_time.options(max_retries=3, retry_exceptions=True).remote())
        first, second = (store.entry(f"attempt {i}").writer for i in (1, 2))
        assert (first.attempt, second.attempt) == (0, 1)
        assert first.task == second.task

    def test_tasks_sign_for_themselves_when_they_call_one_another(self, store):
        """The caller's writes after its call are its own again."""

        @remote(state=store)
        def inner(state):
            state["inner"] = 1

        @remote(state=store)
        def outer(state):
            get(inner())
            state["outer"] = 1

        get(outer())
        writers = [store.entry(key).writer for key in ("inner", "outer")]
        assert [writer.function.rpartition(".")[2] for writer in writers] == ["inner", "outer"]
        assert writers[0].task != writers[1].task

    def test_a_thread_of_a_task_signs_for_the_task(self, store):
        """Threads that a task starts, and coroutines, write in its name."""

        @remote(state=store)
        async def spread(state):
            thread = threading.Thread(target=state.set, args=("thread", 1))
            thread.start()
            thread.join()
            await asyncio.to_thread(state.set, "to_thread", 1)
            await state.aio.set("aio", 1)
            state["task"] = 1

        get(spread())
        writers = {key: store.entry(key).writer for key in store}
        assert set(writers) == {"thread", "to_thread", "aio", "task"}
        assert len(set(writers.values())) == 1
        assert writers["thread"].function.endswith("spread")

    def test_generators_sign(self, store):
        """A generator signs while it streams."""

        @remote(state=store)
        def numbers(state):
            for i in range(2):
                state[str(i)] = i
                yield i

        assert [get(reference) for reference in numbers()] == [0, 1]
        assert store.entry("0").writer == store.entry("1").writer != None  # noqa: E711

    def test_an_actor_signs_with_the_method_that_writes(self, store):
        """Methods of actors, asynchronous ones too, are told apart, and so are their calls."""

        @remote(state=store, target=Target(cpu=0))
        class Counter:
            def __init__(self, state: StateStore):
                self.state = state
                state["made"] = 1

            def add(self, key):
                self.state[key] = 1
                return running()

        @remote(state=store, target=Target(cpu=0))
        class AsyncCounter:
            def __init__(self, state: StateStore):
                self.state = state

            async def add(self, key):
                await asyncio.sleep(0.01)
                await self.state.aio.set(key, 1)
                return running()

        for kind in (Counter, AsyncCounter):
            actor = kind()
            told = get([actor.add.remote("a"), actor.add.remote("b")])
            for key, (job, task, node) in zip("ab", told, strict=True):
                writer = store.entry(key).writer
                assert (writer.job, writer.task, writer.node) == (job, task, node)
                assert writer.function.endswith("ounter.add")
        assert store.entry("made").writer.function.endswith("Counter.__init__")


def test_a_job_signs_with_the_id_it_was_submitted_under(ray_head, tmp_path):
    """What the tasks of a program wrote names the job as job.job_id does."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    program = Program(
        entrypoint="job_with_any_store.py", working_dir=EXAMPLES, env_vars={"QSTATE_URL": url}
    )
    job = QuantumServerless(ray_head.config()).run_program(program)
    assert job.wait(120) is JobStatus.SUCCEEDED, job.logs()
    with connect(url) as store:
        writers = [store.entry(key).writer for key in ("in_job", "in_other_job")]
    assert [writer.job for writer in writers] == [job.job_id] * 2
    assert [writer.function for writer in writers] == ["func_with_state", "other_func_with_state"]
