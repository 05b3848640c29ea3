"""What commands print: lines, JSON, tables; coloured where a terminal reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from qstate.cli.failing import tell

_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def line(text: str) -> None:
    """A line of plain text; a terminal gets no control characters."""
    if sys.stdout.isatty():
        text = text.translate(_CONTROLS)
    sys.stdout.write(f"{text}\n")


def document(content: Any) -> None:
    """One JSON document on one line."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")


def pretty(content: Any) -> None:
    """JSON for people: indented, and coloured on a terminal."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    if len(text) < 80 or not isinstance(content, dict | list):
        text = json.dumps(content, ensure_ascii=False)
    if sys.stdout.isatty():
        Console().print_json(text, indent=2 if "\n" in text else None)
    else:
        sys.stdout.write(f"{text}\n")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, missing: str) -> None:
    """A table without lines, so that it is as good for people as for ``awk``.

    Args:
        headings: Of its columns.
        rows: Texts.
        missing: Told on stderr where there is no row.
    """
    shown = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(part.translate(_CONTROLS) for part in row))
    if not shown.row_count:
        tell(missing)
        return
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, emoji=False, highlight=False, width=10_000)
    with console.capture() as captured:
        console.print(shown)
    for printed in captured.get().splitlines():
        sys.stdout.write(printed.rstrip() + "\n")
