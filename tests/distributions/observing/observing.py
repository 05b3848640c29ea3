"""A plug-in that notes each operation, and how it ended."""

import contextlib

from qstate.plugins import hookimpl

operations = []


@hookimpl
def qstate_operation(operation, store, keys):
    return None if operation == "count" else _noting(operation, store, keys)


@contextlib.contextmanager
def _noting(operation, store, keys):
    try:
        yield
    except Exception as error:
        operations.append((operation, store, keys, type(error).__name__))
        raise
    operations.append((operation, store, keys, None))
    del operations[:-100]
