"""Imports its driver, which is not there."""

import quantum_ledger_driver  # noqa: F401
