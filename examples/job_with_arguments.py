"""A job that is told what to do, says how far it is, and hands back what it has found."""

import qstate
from qstate import QuantumServerless, StateStore, get, remote


@remote
def measure(state: StateStore, angle: float, shots: int) -> float:
    energy = round(-angle * shots / 100, 3)
    state[f"energies/{angle}"] = energy
    return energy


arguments = qstate.get_arguments()
angles = arguments.get("angles", [0.1, 0.2])

with QuantumServerless().context():
    energies = []
    for done, angle in enumerate(angles, 1):
        energies.append(get(measure(angle, arguments.get("shots", 100))))
        print("measured", angle, flush=True)
        qstate.report_progress(done, len(angles))

qstate.save_result({"lowest": min(energies)})
