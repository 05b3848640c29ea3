"""The guide's job on whatever store $QSTATE_URL names; without it, on the embedded SQLite."""

import qstate
from qstate import QuantumServerless, StateStore, get, remote

store = qstate.connect()
serverless = QuantumServerless()


@remote(state=store)
def func_with_state(state: StateStore, seed: int) -> int:
    state.set("in_job", {"k": seed})
    return seed


@remote(state=store)
def other_func_with_state(state: StateStore, seed: int) -> int:
    state.set("in_other_job", {"other_k": seed})
    return get(func_with_state(seed))


with serverless.context():
    result = get(other_func_with_state(42))
    entries = store.get("in_job"), store.get("in_other_job")

print("result:", result)
print("entries:", *entries)
