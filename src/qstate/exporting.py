"""Exporting: a store as a file of lines, and back; docs/command-line.md describes the file."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from qstate.backend import Record, Version
from qstate.copying import Batch, Copied, Outcome, Told, batches, take
from qstate.errors import SerializationError
from qstate.store import StateStore

FORMAT: Final = "qstate export"
FORMAT_VERSION: Final = 1
_BATCH: Final = 100
_BATCH_BYTES: Final = 8 * 2**20


def export_file(
    store: StateStore, file: BinaryIO, *, prefix: str = "", told: Told | None = None
) -> Copied:
    """Write all keys of a store to a file, with their versions and expiries.

    Values are written as they stand: an encrypted one stays encrypted.

    Args:
        store: What is written; a scope's keys are written without its name.
        file: Open for writing bytes.
        prefix: Keys that begin with it are written.
        told: Is called with the outcome of each key.

    Returns:
        The numbers of keys written and refused.

    Raises:
        StoreUnavailableError: The store did not answer; the file has no last line.

    Example:
        >>> import io, qstate
        >>> lab, archive = qstate.connect("memory://lab"), qstate.connect("memory://archive")
        >>> lab["energy"] = -1.137
        >>> file = io.BytesIO()
        >>> qstate.export_file(lab, file).copied, file.seek(0)
        (1, 0)
        >>> qstate.import_file(file, archive).copied, archive["energy"]
        (1, -1.137)
        >>> lab.clear(everything=True), archive.clear(everything=True)
        (None, None)
    """
    written = Copied()
    _write(file, {"format": FORMAT, "version": FORMAT_VERSION, "exported": _now()})
    for batch in batches(store, prefix):
        for key, record in batch:
            refused = isinstance(record, SerializationError)
            outcome = Outcome(key, "refused" if refused else "copied", str(record) * refused)
            if isinstance(record, Record):
                _write(file, _line_of(key, record))
            written._count(outcome.kind)
            if told is not None:
                told(outcome)
    _write(file, {"end": written.copied})
    return written


def import_file(
    file: Iterable[bytes],
    store: StateStore,
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    told: Told | None = None,
) -> Copied:
    """Write what a file has to a store, as :func:`qstate.copy` does; doing so again resumes.

    Args:
        file: What :func:`export_file` wrote, open for reading bytes.
        store: Where to.
        overwrite: As for :func:`qstate.copy`.
        dry_run: As for :func:`qstate.copy`.
        told: Is called with the outcome of each key.

    Returns:
        The numbers of keys written, left alone, in conflict and refused.

    Raises:
        SerializationError: The file is none of these, or a line is damaged or missing; whole lines
            before that were written.
    """
    return take(_batches(file), store, overwrite=overwrite, dry_run=dry_run, told=told)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(file: BinaryIO, fields: dict[str, Any]) -> None:
    file.write(json.dumps(fields, separators=(",", ":")).encode() + b"\n")


def _line_of(key: str, record: Record) -> dict[str, Any]:
    return {
        "key": key,
        "version": record.version.hex(),
        "expires_at": record.expires_at,
        "data": base64.b64encode(record.data).decode(),
    }


def _batches(file: Iterable[bytes]) -> Iterator[Batch]:
    batch: Batch = []
    weight = 0
    try:
        for key, record in _records(file):
            batch.append((key, record))
            weight += len(record.data)
            if len(batch) == _BATCH or weight > _BATCH_BYTES:
                yield batch
                batch, weight = [], 0
    except SerializationError:
        yield batch  # what came before a damaged line is good
        raise
    yield batch


def _records(file: Iterable[bytes]) -> Iterator[tuple[str, Record]]:
    lines = enumerate(file, 1)
    _check_first(next(lines, (1, b""))[1])
    read = 0
    for number, line in lines:
        fields = _fields(number, line)
        if "end" in fields:
            if fields["end"] != read:
                raise SerializationError(f"the export has {read} keys of {fields['end']}")
            return
        yield _record(number, fields)
        read += 1
    raise SerializationError(
        f"the export is cut short: its last line is missing after {read} keys, which were imported"
    )


def _check_first(line: bytes) -> None:
    try:
        first = json.loads(line)
        known = first["format"], first["version"]
    except (ValueError, TypeError, KeyError):
        known = None, None
    if known[0] != FORMAT:
        raise SerializationError("this is no file that `qstate export` has written")
    if known[1] != FORMAT_VERSION:
        raise SerializationError(
            f"this is an export of version {known[1]!r}; known here: {FORMAT_VERSION}"
        )


def _fields(number: int, line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not line.endswith(b"\n") or not isinstance(fields, dict):
        raise SerializationError(f"line {number} of the export is damaged or cut short")
    return fields


def _record(number: int, fields: dict[str, Any]) -> tuple[str, Record]:
    try:
        version = Version.fromhex(fields["version"])
        data = base64.b64decode(fields["data"], validate=True)
        key, expires_at = fields["key"], fields["expires_at"]
    except (KeyError, TypeError, ValueError) as error:
        raise SerializationError(f"line {number} of the export is damaged: {error!r}") from error
    known = isinstance(key, str) and isinstance(expires_at, float | int | None)
    if not known or len(version) != 16:
        raise SerializationError(f"line {number} of the export is damaged: a field can't be that")
    return key, Record(version, data, expires_at)
