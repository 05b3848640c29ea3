"""Has a hook whose arguments are not those of the hook's specification."""

from qstate.backend import hookimpl


@hookimpl
def qstate_backend(address):
    return None
