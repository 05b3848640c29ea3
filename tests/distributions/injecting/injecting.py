"""A plug-in that gives each function a scope of its own, and leaves one as it is."""

from qstate.plugins import hookimpl

contexts = []


@hookimpl
def qstate_inject(state, context):
    contexts.append(context)
    return None if context.function.endswith("shared") else state.scope(context.function[-5:])
