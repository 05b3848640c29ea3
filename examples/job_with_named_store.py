"""The guide's job on a store that is known by name: the same here, in a job and in a notebook."""

from qstate import QuantumServerless, StateStore, connect, get, run_qiskit_remote

state_handler = connect("lab")
serverless = QuantumServerless()


@run_qiskit_remote(state=state_handler)
def func_with_state(state: StateStore, seed: int) -> int:
    state.set("in_job", {"k": seed})
    return seed


@run_qiskit_remote(state=state_handler)
def other_func_with_state(state: StateStore, seed: int) -> int:
    state.set("in_other_job", {"other_k": seed})
    return get(func_with_state(seed))


with serverless.context():
    result = get(other_func_with_state(42))

print(state_handler)
print(result)
