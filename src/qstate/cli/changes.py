"""The command watch."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from qstate.cli import printing
from qstate.cli.options import OnStore, Prefix
from qstate.cli.readable import moment, readable, told_of
from qstate.watching import Change


def watch(
    prefix: Prefix = "",
    /,
    *,
    count: Annotated[int | None, Parameter(help="End after so many changes.")] = None,
    on: OnStore = OnStore(),  # noqa: B008
) -> None:
    """Print changes as they happen, until Ctrl-C."""
    left = count
    with on.opened() as store, store.watch(prefix) as changes:
        while left is None or left > 0:
            change = changes.next()
            if change is None:
                return
            if on.json:
                printing.document(_fields(change))
            else:
                printing.line(_told(change))
            sys.stdout.flush()
            left = None if left is None else left - 1


def _fields(change: Change) -> dict[str, Any]:
    if change.entry is None:
        return {"kind": change.kind, "key": change.key}
    told = told_of(change.key, change.entry)
    return {"kind": change.kind, **told, "value": readable(change.entry.value)}


def _told(change: Change) -> str:
    entry = change.entry
    at = moment((entry and entry.modified) or datetime.now(UTC))
    if entry is None:
        return f"{at}  {change.kind:<7}  {change.key}"
    value = json.dumps(readable(entry.value), ensure_ascii=False)
    return f"{at}  {change.kind:<7}  {change.key}  {value}"
