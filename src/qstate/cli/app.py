"""The app: every command, those of plug-ins too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version

from cyclopts import App, Group, Parameter

from qstate import plugins
from qstate.cli import changes, copies, doctor, entries, jobs, running, stores
from qstate.cli.failing import exit_code, quiet, tell

_COMMANDS = {
    "Values": (
        entries.keys,
        entries.get,
        entries.set_,
        entries.delete,
        entries.blame,
        changes.watch,
    ),
    "Whole stores": (copies.copy, copies.export, copies.import_),
    "Jobs": (running.run, jobs.jobs, jobs.logs, jobs.stop),
    "This installation": (stores.stores, doctor.doctor),
}


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    debug = "--debug" in arguments
    with nullcontext() if debug else quiet():
        return exit_code(lambda: app()(arguments), debug=debug)


def app() -> App:
    """The app with all its commands."""
    made = App(
        name="qstate",
        help="State stores for jobs on Ray: look into them, move them, run jobs on them.",
        version=version("qstate"),
        help_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=False),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for order, (name, functions) in enumerate(_COMMANDS.items()):
        group = Group(name, sort_key=order)
        for function in functions:
            made.command(function, name=function.__name__.strip("_"), group=group)
    made.register_install_completion_command(
        group="This installation", help="Let the shell (bash, zsh, fish) complete commands."
    )
    for error in plugins.add_commands(made):
        tell(f"qstate: {error}")
    return made
