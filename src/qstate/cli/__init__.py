"""The command line: ``qstate``. What it needs is brought by the extra ``cli``."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What follows ``qstate`` on the command line; None: those of this process.

    Returns:
        The exit code: 0; 1: not found, or failed; 2: not understood; 130: ended by Ctrl-C.
    """
    try:
        import cyclopts  # noqa: F401
        import rich  # noqa: F401
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"qstate: the command line needs {error.name}, which is not installed: "
            "pip install 'qstate[cli]'\n"
        )
        return 1
    from qstate.cli.app import run

    return run(sys.argv[1:] if arguments is None else list(arguments))
