"""How a command ends: exit codes, and errors as one line without a secret."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from cyclopts import CycloptsError

from qstate.errors import BackendNotFoundError, InvalidKeyError, InvalidURLError, StateError

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
NOBODY_READS: Final = 141
"""As a shell tells of a program that SIGPIPE has ended."""

_PASSWORD: Final = re.compile(r"(://[^\s:/@?#]*:)[^\s@]*(?=@)")
_OPTION: Final = re.compile(
    r"([?&][^\s=&]*(?:pass|pwd|secret|token|encrypt|credential|auth)[^\s=&]*=)[^\s&\"']*",
    re.IGNORECASE,
)


class UsageError(Exception):
    """The command can't be meant as it was given."""


class Failure(Exception):  # noqa: N818 - it is one, and its text is all there is
    """The command did not succeed; its text says why."""


def exit_code(command: Callable[[], object], *, debug: bool = False) -> int:
    """Run a command, tell what went wrong on stderr, and give the exit code.

    Args:
        command: Returns its exit code, or None where it succeeded.
        debug: Show tracebacks; so does ``$QSTATE_DEBUG``.
    """
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return NOBODY_READS
    except Exception as error:  # noqa: BLE001 - each is told, as one line
        if debug or os.environ.get("QSTATE_DEBUG"):
            tell(masked(traceback.format_exc().rstrip()))
        tell(masked(f"qstate: {_one_line(error)}"))
        return USAGE if _is_usage(error) else FAILED
    return code if isinstance(code, int) else 0


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries log from between the lines; Python's warnings become lines of ours."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: tell(masked(f"qstate: {message}"))
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logging.disable(before)


def tell(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def masked(text: str) -> str:
    """A text without the passwords of the URLs in it.

    Example:
        >>> masked("no --stor redis://ada:lovelace@lab/0?sentinel_password=x here")
        'no --stor redis://ada:***@lab/0?sentinel_password=*** here'
    """
    return _OPTION.sub(r"\1***", _PASSWORD.sub(r"\1***", text))


def _is_usage(error: Exception) -> bool:
    mistakes = (CycloptsError, UsageError, InvalidURLError, InvalidKeyError, BackendNotFoundError)
    return isinstance(error, mistakes)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, CycloptsError):
        return f"{text} See: qstate {' '.join(error.command_chain or ())} --help".replace("  ", " ")
    if isinstance(error, (StateError, UsageError, Failure)):
        return text
    return f"{type(error).__name__}: {text}"


def _drop_output() -> None:
    """Have nothing to say any more; else Python would complain at its end."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
    os.close(sink)
