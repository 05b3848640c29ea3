"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from cyclopts import Group, Parameter

from qstate.store import StateStore, connect

_EVERYWHERE: Final = Group("Options of every command", sort_key=10)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Options of every command."""

    json: Annotated[
        bool, Parameter(group=_EVERYWHERE, help="Print JSON: one document, or one line each.")
    ] = False
    debug: Annotated[
        bool, Parameter(group=_EVERYWHERE, help="Show the traceback of an error; $QSTATE_DEBUG.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OnStore(Common):
    """Options of a command on a store."""

    store: Annotated[
        str | None,
        Parameter(
            name=("--store", "-s"),
            help="URL or name of the store. Else $QSTATE_URL, else the user's own SQLite file.",
        ),
    ] = None

    @contextmanager
    def opened(self) -> Iterator[StateStore]:
        """The store."""
        with connect(self.store) as store:
            yield store


Prefix: TypeAlias = Annotated[str, Parameter(help="Only keys that begin so.")]
