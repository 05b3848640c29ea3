"""Messages: a record as it lies in the stream of a bucket, its version and expiry in the headers.

What the tools of NATS put into the bucket has no such headers, and is read as what it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from nats.js.api import Header

from qstate.backend import Record, Version

VERSION = "Qstate-Version"
EXPIRES = "Qstate-Expires"
OPERATION = "KV-Operation"
MARKER = "Nats-Marker-Reason"

REMOVED_FOR = 120
"""Seconds that the mark of a removal stays where the server can take it away."""

_LONGEST_TTL = 2**31


class Stored(NamedTuple):
    """The last message of a key.

    Attributes:
        sequence: Its place in the stream; 0 where there is none.
        record: What it holds; None where it marks a removal.
    """

    sequence: int
    record: Record | None

    @classmethod
    def read(cls, sequence: int, headers: Mapping[str, str] | None, data: bytes | None) -> Stored:
        """A message as what it stands for."""
        headers = headers or {}
        if OPERATION in headers or MARKER in headers:
            return cls(sequence, None)
        data = data or b""
        known = headers.get(VERSION)
        version = Version.fromhex(known) if known else Version.derived(data)
        expires_at = float(headers[EXPIRES]) if EXPIRES in headers else None
        return cls(sequence, Record(version, data, expires_at))

    def standing(self, now: float) -> Record | None:
        """The record, unless it has expired."""
        record = self.record
        if record is None or record.expires_at is None or record.expires_at > now:
            return record
        return None


def written(version: Version, expires_at: float | None) -> dict[str, str]:
    """The headers of a record."""
    headers = {VERSION: version.hex()}
    if expires_at is not None:
        headers[EXPIRES] = repr(expires_at)
    return headers


def removal() -> dict[str, str]:
    """The headers of a message that marks a removal."""
    return {OPERATION: "DEL"}


def taken_away_after(seconds: float) -> dict[str, str]:
    """The headers by which the server takes a message away, never too early.

    What the key held before must not come to light then: the message takes its place for good.
    """
    if seconds > _LONGEST_TTL:
        return {}
    return {Header.MSG_TTL: str(math.ceil(seconds) + 1), Header.ROLLUP: "sub"}
