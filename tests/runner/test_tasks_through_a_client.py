"""Tasks called through Ray Client, as from a notebook elsewhere: as on a Ray of this machine."""

from __future__ import annotations

from qstate import connect
from tests.runner.process import lines_of

SCRIPT = """
import qstate
from qstate import StateStore, get, override, remote

serverless = QuantumServerless({config!r})
store, other = qstate.connect({first!r}), qstate.connect({second!r})

@remote(state=store)
def inner(state, seed):
    state["inner"] = seed
    return seed

@remote(state=store)
def outer(state, seed):
    state["outer"] = seed
    return get(inner(seed))

@remote(state=store)
class Counter:
    def __init__(self, state):
        self.state = state

    def add(self, n):
        return self.state.increment("total", n)

with serverless.context():
    print(get(outer(42)), get(outer.options(num_cpus=0.5).remote(43)))
    with override(other):
        print(get(outer(44)))
    counter = Counter()
    print(get(counter.add.remote(1)), get(counter.add.remote(1)))
"""


def test_tasks_nested_tasks_overrides_and_actors(ray_head, tmp_path):
    """All of them, with the store of the notebook's choice; Ray Client has no generators."""
    first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
    script = SCRIPT.format(config=ray_head.config(), first=first, second=second)
    assert lines_of(script)[-3:] == ["42 43", "44", "1 2"]
    with connect(first) as store:
        assert dict(store) == {"outer": 43, "inner": 43, "total": 2}
        assert store.entry("inner").writer.function.endswith("inner")
    with connect(second) as store:
        assert dict(store) == {"outer": 44, "inner": 44}
