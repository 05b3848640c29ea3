"""Commands on values: keys, get, set, delete, blame."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any, Final

from cyclopts import Parameter

from qstate.backend import Version
from qstate.cli import printing
from qstate.cli.failing import FAILED, UsageError, tell
from qstate.cli.options import OnStore, Prefix
from qstate.cli.readable import readable, told_of
from qstate.encoded import ABSENT, Absent
from qstate.entries import Entry
from qstate.errors import MissingKeyError
from qstate.store import StateStore

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def keys(prefix: Prefix = "", /, *, on: OnStore = OnStore()) -> None:  # noqa: B008
    """List keys, one a line."""
    with on.opened() as store:
        for key in store.scan(prefix):
            printing.document(key) if on.json else printing.line(key)


def get(
    key: Annotated[str, Parameter(help="What to print.")],
    /,
    *,
    raw: Annotated[bool, Parameter(help="Print text and bytes as they are.")] = False,
    on: OnStore = OnStore(),  # noqa: B008
) -> None:
    """Print a value."""
    with on.opened() as store:
        entry = _standing(store, key)
    if raw:
        _print_raw(key, entry.value)
    elif on.json:
        printing.document({**told_of(key, entry), "value": readable(entry.value)})
    else:
        printing.pretty(readable(entry.value))


def set_(
    key: Annotated[str, Parameter(help="Where to write.")],
    value: Annotated[str, Parameter(help="JSON; - reads stdin.", allow_leading_hyphen=True)],
    /,
    *,
    text: Annotated[bool, Parameter(help="The value is text, not JSON.")] = False,
    binary: Annotated[
        bool, Parameter(name="--bytes", help="The value is stdin, as bytes; VALUE is -.")
    ] = False,
    ttl: Annotated[
        str | None, Parameter(help="Until it expires: seconds, or as in 500ms, 90s, 15m, 2h, 7d.")
    ] = None,
    if_version: Annotated[str | None, Parameter(help="Write only over this version.")] = None,
    if_absent: Annotated[bool, Parameter(help="Write only where nothing stands.")] = False,
    on: OnStore = OnStore(),  # noqa: B008
) -> None:
    """Write a value; print its version."""
    given = _given(value, text=text, binary=binary)
    seconds = None if ttl is None else _seconds(ttl)
    required = _required(if_version, if_absent=if_absent)
    with on.opened() as store:
        version = store.set(key, given, ttl=seconds, if_version=required)
    if on.json:
        printing.document({"key": key, "version": str(version)})
    else:
        printing.line(str(version))


def delete(
    keys: Annotated[tuple[str, ...], Parameter(help="What to remove.", negative=())],
    /,
    *,
    on: OnStore = OnStore(),  # noqa: B008
) -> int:
    """Remove keys; exit code 1 where one did not stand."""
    with on.opened() as store:
        removed = {key: store.delete(key) for key in dict.fromkeys(keys)}
    absent = [key for key, stood in removed.items() if not stood]
    if on.json:
        printing.document({"deleted": [key for key in removed if removed[key]], "absent": absent})
    for key in absent:
        tell(f"qstate: nothing stands under {key!r}")
    return FAILED if absent else 0


def blame(
    key: Annotated[str, Parameter(help="Whose writer to tell.")],
    /,
    *,
    on: OnStore = OnStore(),  # noqa: B008
) -> None:
    """Tell who wrote a value: job, task, attempt, node, function; and when, and its version."""
    with on.opened() as store:
        told = told_of(key, _standing(store, key))
    if on.json:
        printing.document(told)
        return
    writer = told.pop("writer") or {"writer": "unknown"}
    for name, fact in {**told, **writer}.items():
        if fact is not None:
            printing.line(f"{name:<12}{fact}")


def _standing(store: StateStore, key: str) -> Entry:
    entry = store.entry(key)
    if entry is None:
        raise MissingKeyError(f"nothing stands under {key!r} in {store.info().url}")
    return entry


def _print_raw(key: str, value: Any) -> None:
    if isinstance(value, str):
        sys.stdout.write(value)
    elif isinstance(value, bytes | bytearray | memoryview):
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
        sys.stdout.buffer.flush()
    else:
        kind = type(value).__name__
        raise UsageError(f"--raw prints text and bytes; {key!r} holds a {kind}: leave it out")


def _given(value: str, *, text: bool, binary: bool) -> Any:
    if text and binary:
        raise UsageError("a value is --text or --bytes, not both")
    if binary:
        if value != "-":
            raise UsageError("--bytes reads stdin: write - for the value")
        return sys.stdin.buffer.read()
    content = sys.stdin.read() if value == "-" else value
    if text:
        return content
    try:
        return json.loads(content)
    except ValueError as error:
        raise UsageError(f"the value is no JSON ({error}); for text add --text") from None


def _seconds(ttl: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)", ttl)
    if match is None or match[2] not in _UNITS or float(match[1]) <= 0:
        raise UsageError(f"--ttl is seconds above 0, or as in 500ms, 90s, 15m, 2h, 7d; not {ttl!r}")
    return float(match[1]) * _UNITS[match[2]]


def _required(version: str | None, *, if_absent: bool) -> Version | Absent | None:
    if version is not None and if_absent:
        raise UsageError("give --if-version or --if-absent, not both")
    if version is None:
        return ABSENT if if_absent else None
    try:
        parsed = Version.fromhex(version.replace("-", ""))
    except ValueError:
        parsed = Version()
    if len(parsed) != 16:
        raise UsageError(f"--if-version is a version as `qstate blame` tells it, not {version!r}")
    return parsed
