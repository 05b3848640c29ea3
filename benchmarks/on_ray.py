"""What needs a Ray: the actor's hot path, and what injection adds to a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.experimental import internal_kv

import qstate
from benchmarks.measuring import Group, Subject, repeated
from benchmarks.values import PACKED, SMALL
from tests.servers.redis import RedisServer


@contextmanager
def session() -> Iterator[None]:
    """A Ray of this process's own."""
    if ray.is_initialized():
        yield
        return
    ray.init(
        address="local",
        num_cpus=8,  # tasks that wait for a store need no core each
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    try:
        yield
    finally:
        ray.shutdown()


@ray.remote
class BareActor:
    """What a user would write: a dictionary in an actor."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """The bytes under a key."""
        return self._values.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Write them."""
        self._values[key] = value


def actor() -> Iterator[Group]:
    """The actor, against one that a user would write, and Ray's internal key-value store."""
    with session(), qstate.connect("actor://bench") as store:
        bare: Any = BareActor.remote()
        ray.get(bare.set.remote("key", PACKED))
        store.set("key", SMALL)
        internal_kv._internal_kv_put("bench", PACKED)
        gets = [
            repeated("bare actor, bytes", lambda: ray.get(bare.get.remote("key"))),
            repeated("qstate", lambda: store.get("key")),
            repeated("internal_kv, bytes", lambda: internal_kv._internal_kv_get("bench")),
        ]
        yield Group("actor get", gets, 0.2, seconds=0.2)
        sets = [
            repeated("bare actor, bytes", lambda: ray.get(bare.set.remote("key", PACKED))),
            repeated("qstate", lambda: store.set("key", SMALL)),
            repeated(
                "internal_kv, bytes", lambda: internal_kv._internal_kv_put("bench", PACKED, True)
            ),
        ]
        yield Group("actor set", sets, 0.2, seconds=0.2)


def injection() -> Iterator[Group]:
    """A decorated call, against a bare one."""

    def add(number: int) -> int:
        return number + 1

    def add_with_state(state: qstate.StateStore, number: int) -> int:
        return number + 1

    with session(), RedisServer() as server, qstate.connect(server.url) as store:
        bare = ray.remote(add)
        decorated = qstate.remote(add)
        handed = qstate.remote(state=store)(add_with_state)
        ambient = qstate.remote(add_with_state)

        def overridden(times: int) -> None:
            with qstate.override(store):
                for _ in range(times):
                    ray.get(ambient(1))

        yield Group(
            "a task, called and awaited",
            [
                repeated("ray.remote", lambda: ray.get(bare.remote(1))),
                repeated("qstate.remote", lambda: ray.get(decorated(1))),
                repeated("qstate.remote with a Redis store", lambda: ray.get(handed(1))),
                Subject("qstate.remote, a store that overrides", overridden),
            ],
            1.05,
            # A call takes now half, now twice as long: only many turns tell a few hundredths.
            rounds=400,
            seconds=0.01,
            budget=60,
        )


GROUPS = {"actor": actor, "injection": injection}
