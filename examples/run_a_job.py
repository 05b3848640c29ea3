"""Run a job on this machine, follow it, and read what it saved after its Ray has ended."""

import logging
from pathlib import Path

import qstate
from qstate import Program, QuantumServerless

logging.disable(logging.INFO)  # Ray tells much of how it works
serverless = QuantumServerless()
store = qstate.connect()
program = Program(entrypoint="job_with_arguments.py", working_dir=Path(__file__).parent)

with serverless.context(log_to_driver=False):
    job = serverless.run_program(program, arguments={"angles": [0.5, 1.0]}, state=store)
    job.follow()
    print(job.result(timeout=60), job.state["energies/0.5"])

latest = serverless.jobs()[0]
print(latest.program, latest.status(), latest.arguments, latest.result())
