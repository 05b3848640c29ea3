"""The app: every command, those of plug-ins too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from importlib.metadata import version
from typing import Final

from cyclopts import App, Group, Parameter

from qstate import plugins
from qstate.cli.failing import exit_code, quiet, tell

_COMMANDS: Final = {
    "Values": {
        "keys": "entries:keys",
        "get": "entries:get",
        "set": "entries:set_",
        "delete": "entries:delete",
        "blame": "entries:blame",
        "watch": "changes:watch",
    },
    "Whole stores": {
        "copy": "copies:copy",
        "export": "copies:export",
        "import": "copies:import_",
    },
    "Jobs": {
        "run": "running:run",
        "jobs": "jobs:jobs",
        "logs": "jobs:logs",
        "stop": "jobs:stop",
    },
    "This installation": {"stores": "stores:stores", "doctor": "doctor:doctor"},
}


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    debug = "--debug" in arguments
    with nullcontext() if debug else quiet():
        return exit_code(lambda: app(*arguments[:1])(arguments), debug=debug)


def app(wanted: str | None = None) -> App:
    """The app with its commands.

    Args:
        wanted: The command that will be run: where it is one of qstate's, no other is imported.
    """
    own = {name for commands in _COMMANDS.values() for name in commands}
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
    for order, (title, commands) in enumerate(_COMMANDS.items()):
        group = Group(title, sort_key=order)
        for name, function in commands.items():
            if wanted == name or wanted not in own:
                made.command(_imported(function), name=name, group=group)
    made.register_install_completion_command(
        group=group, help="Let the shell (bash, zsh, fish) complete commands."
    )
    for error in plugins.add_commands(made):
        tell(f"qstate: {error}")
    return made


def _imported(place: str) -> Callable[..., object]:
    module, _, name = place.partition(":")
    function: Callable[..., object] = getattr(import_module(f"qstate.cli.{module}"), name)
    return function
