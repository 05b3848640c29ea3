"""A plug-in that adds a command."""

import sys

from qstate.plugins import hookimpl


@hookimpl
def qstate_cli(app):
    def greet(name: str, /) -> None:
        """Greet someone."""
        sys.stdout.write(f"hello, {name}\n")

    app.command(greet)
