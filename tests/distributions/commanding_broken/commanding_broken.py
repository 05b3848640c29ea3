"""A plug-in that would add a command, if it did not fail."""

from qstate.plugins import hookimpl


@hookimpl
def qstate_cli(app):
    raise RuntimeError("no more commands today")
