"""The line that shows how far a job is: on a terminal and in a notebook, and nowhere else."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

_WIDTH: Final = 20


class ProgressLine:
    """A job's log with a line under it that says how far the job is. Use it by ``with``."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown = ""
        self._at_line_start = True
        self._display = _notebook_display()
        self._on_terminal = self._display is None and sys.stdout.isatty()

    @property
    def is_shown(self) -> bool:
        """Whether there is a place for the line."""
        return self._on_terminal or self._display is not None

    def print(self, text: str) -> None:
        """Print a piece of the log."""
        self._clear()
        sys.stdout.write(text)
        sys.stdout.flush()
        self._at_line_start = text.endswith("\n")

    def show(self, status: str, progress: tuple[float, float | None] | None) -> None:
        """Show the line.

        Args:
            status: The job's status.
            progress: How much it has done, and of how much.
        """
        line = told(status, time.monotonic() - self._began, progress)
        if self._display is not None:
            self._display.update({"text/plain": line}, raw=True)
        elif self._on_terminal and self._at_line_start:
            self._clear()
            sys.stdout.write(line)
            sys.stdout.flush()
            self._shown = line

    def _clear(self) -> None:
        if self._shown:
            sys.stdout.write("\r\x1b[K")
            self._shown = ""

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()
        sys.stdout.flush()


def told(status: str, seconds: float, progress: tuple[float, float | None] | None) -> str:
    """The line.

    Example:
        >>> told("RUNNING", 75, (5, 10))
        'RUNNING  1:15  ██████████░░░░░░░░░░ 5/10'
        >>> told("PENDING", 3, None)
        'PENDING  0:03'
    """
    line = f"{status}  {int(seconds) // 60}:{int(seconds) % 60:02}"
    if progress is None:
        return line
    done, total = progress
    if not total:
        return f"{line}  {done:g}"
    filled = round(_WIDTH * min(max(done / total, 0), 1))
    return f"{line}  {'█' * filled}{'░' * (_WIDTH - filled)} {done:g}/{total:g}"


def _notebook_display() -> Any:
    """What shows a line in a notebook, and changes it later; None: this is no notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    show: Any = display
    return show({"text/plain": ""}, raw=True, display_id=True)
