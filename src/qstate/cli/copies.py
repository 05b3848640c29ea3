"""Commands on whole stores: copy, export, import."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, BinaryIO, TypeAlias

from cyclopts import Parameter

from qstate.cli import printing
from qstate.cli.failing import FAILED, tell
from qstate.cli.options import Common, OnStore, Prefix
from qstate.cli.progress import count, progress
from qstate.copying import Copied, Outcome, Told, copy as copy_keys, only_in
from qstate.exporting import export_file, import_file
from qstate.store import connect

Address: TypeAlias = Annotated[str, Parameter(help="URL or name of a store.")]
File: TypeAlias = Annotated[
    str, Parameter(help="A path; - is stdout, or stdin.", allow_leading_hyphen=True)
]
Overwrite: TypeAlias = Annotated[
    bool, Parameter(help="Write also where another version stands, which is a conflict otherwise.")
]
Compare: TypeAlias = Annotated[
    bool,
    Parameter(
        name=("--compare", "--dry-run"),
        help="Write nothing; list what differs. Exit code 1 where anything does.",
    ),
]


def copy(
    source: Address,
    destination: Address,
    /,
    *,
    prefix: Prefix = "",
    overwrite: Overwrite = False,
    compare: Compare = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Copy all keys from a store to another, with versions and expiries; again resumes."""
    with connect(source) as one, connect(destination) as other:
        with progress("copying", count(one, prefix), _teller(common, compare)) as told:
            copied = copy_keys(
                one, other, prefix=prefix, overwrite=overwrite, dry_run=compare, told=told
            )
        surplus = 0
        if compare:
            for key in only_in(other, one, prefix):
                _tell_difference(common, key, "surplus", "only at the destination", printing.line)
                surplus += 1
    return _summarise(common, copied, compare, surplus)


def export(file: File, /, *, prefix: Prefix = "", on: OnStore = OnStore()) -> int:  # noqa: B008
    """Write all keys to a file, as they stand, with versions and expiries."""
    told_on = Common() if file == "-" else on  # stdout is the export's
    with on.opened() as store, _written(file) as target:
        with progress("exporting", count(store, prefix), _teller(told_on, False)) as told:
            copied = export_file(store, target, prefix=prefix, told=told)
    if file != "-":
        return _summarise(on, copied, False, 0)
    return 0 if copied.complete else FAILED


def import_(
    file: File,
    /,
    *,
    overwrite: Overwrite = False,
    compare: Compare = False,
    on: OnStore = OnStore(),  # noqa: B008
) -> int:
    """Write what an export has to a store; again resumes."""
    with on.opened() as store, _read(file) as lines:
        with progress("importing", None, _teller(on, compare)) as told:
            copied = import_file(lines, store, overwrite=overwrite, dry_run=compare, told=told)
    return _summarise(on, copied, compare, 0)


@contextmanager
def _written(file: str) -> Iterator[BinaryIO]:
    """A file that takes its name when it is whole."""
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = Path(f"{file}.part")
    try:
        with unfinished.open("wb") as target:
            yield target
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _read(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as lines:
        yield lines


def _teller(common: Common, compare: bool) -> Told:
    """What tells of each key that is not simply copied; of a comparison, of each that differs."""

    def told(outcome: Outcome) -> None:
        key, kind, reason = outcome
        if kind == "copied" and compare:
            _tell_difference(common, key, "missing", "would be copied", printing.line)
        elif kind not in ("copied", "same"):
            _tell_difference(common, key, kind, reason, printing.line if compare else tell)

    return told


def _tell_difference(
    common: Common, key: str, kind: str, reason: str, say: Callable[[str], None]
) -> None:
    if common.json:
        printing.document({"key": key, "difference": kind, "reason": reason})
    else:
        say(f"{kind:<8}  {key}  {reason}")


def _summarise(common: Common, copied: Copied, compare: bool, surplus: int) -> int:
    counted = asdict(copied)
    if compare:
        counted = {"missing": counted.pop("copied"), **counted, "surplus": surplus}
    if common.json:
        printing.document(counted)
    else:
        printing.line(", ".join(f"{number} {name}" for name, number in counted.items()))
    if copied.conflicts and not common.json and not compare:
        tell("qstate: conflicts were left as they stand; --overwrite replaces them")
    differs = compare and bool(copied.copied or surplus)
    return 0 if copied.complete and not differs else FAILED
