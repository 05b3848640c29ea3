"""Many tasks at once on one Redis: nothing that was acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import pytest
import ray

from qstate import connect, remote

pytestmark = pytest.mark.usefixtures("ray_session")

TASKS, EACH = 64, 20


def test_sixty_four_tasks_lose_nothing(redis_server):
    """As many at once as Ray has room for: what each counts and writes is there in the end."""

    def hammer(state, task):
        for number in range(EACH):
            state.increment("all")
            state.increment(f"some/{task % 4}")
            state.set(f"own/{task}/{number}", number)
        return task

    with connect(redis_server.url, timeout=120) as store:
        run = store.scope("hammered")
        task = remote(state=run)(hammer)
        assert ray.get([task(number) for number in range(TASKS)]) == list(range(TASKS))
        assert run["all"] == TASKS * EACH
        assert [run[f"some/{which}"] for which in range(4)] == [TASKS // 4 * EACH] * 4
        own = run.scope("own")
        assert dict(own.items()) == {f"{t}/{n}": n for t in range(TASKS) for n in range(EACH)}
        run.clear()
