"""Imports its driver when a backend is made."""

from qstate.backend import hookimpl


@hookimpl
def qstate_backend(url, options):
    import quantum_ledger_driver.connections  # noqa: F401
