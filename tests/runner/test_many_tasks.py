"""Many tasks at one Redis at once."""

from __future__ import annotations

import pytest

from qstate import StateStore, Target, connect, get, remote

TASKS, ROUNDS = 64, 10

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture
def store(redis_server):
    with connect(redis_server.url, timeout=60) as store:
        yield store
    redis_server.empty()


def test_64_tasks_that_hammer_one_redis_lose_nothing(store):
    """Every increment, change, transfer and write of each of them is there at the end."""

    @remote(state=store, target=Target(cpu=0.25))
    def hammer(state: StateStore, number: int) -> int:
        for turn in range(ROUNDS):
            state.increment("count")
            state.increment(f"count-{number % 8}", 0.5)
            state.set(f"own/{number}/{turn}", [number, turn])

            def transfer(transaction):
                transaction.set("from", transaction.get("from") - 1)
                transaction.set("to", transaction.get("to") + 1)

            state.transact(transfer, attempts=10_000)
        state.modify("done", lambda numbers: [*numbers, number], default=[])
        return number

    store.set_many({"from": TASKS * ROUNDS, "to": 0})
    assert get([hammer(number) for number in range(TASKS)]) == list(range(TASKS))
    assert store["count"] == TASKS * ROUNDS
    assert [store[f"count-{key}"] for key in range(8)] == [TASKS * ROUNDS / 16] * 8
    assert store.get_many(["from", "to"]) == {"from": 0, "to": TASKS * ROUNDS}
    assert sorted(store["done"]) == list(range(TASKS))
    own = dict(store.scope("own").items())
    assert own == {f"{n}/{turn}": [n, turn] for n in range(TASKS) for turn in range(ROUNDS)}
