"""A plug-in that gives what is no state."""

from qstate.plugins import hookimpl


@hookimpl
def qstate_inject(state, context):
    return {}
