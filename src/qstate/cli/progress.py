"""The progress bar of a copy; there is one only where a terminal shows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qstate.copying import Outcome, Told
from qstate.store import StateStore


@contextmanager
def progress(what: str, total: int | None, told: Told) -> Iterator[Told]:
    """A bar on stderr while keys are copied.

    Args:
        what: Stands before the bar.
        total: How many keys there are; None: that is not known.
        told: Is told of each outcome too.
    """
    console = Console(stderr=True)
    if not (sys.stdout.isatty() and console.is_terminal):
        yield told
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)

        def tell(outcome: Outcome) -> None:
            bar.advance(task)
            told(outcome)

        yield tell


def count(store: StateStore, prefix: str) -> int | None:
    """How many keys a copy will see, where the store can tell without a look at each."""
    client = store._client or store._open()
    return client.count(store._prefix + prefix)
