"""The SQL that the backend speaks, written once for all three kinds of server.

Texts have ``?`` for parameters and ``"`` round names, and in braces what differs between servers:

======= ==========================================================================================
table   the table's name
now     seconds since 1970, the same for a whole statement
clock   the same at the moment of evaluation: after a lock was waited for
among   the condition that takes several keys as one parameter
live    the condition that a record has not expired, by ``now``
lasting the same, by ``clock``
======= ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final, Self

_LIVE: Final = '("expires_at" IS NULL OR "expires_at" > {})'


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Each statement; its parameters, in order, stand behind it here.

    Attributes:
        data: Data of one live record: key.
        record: Key, version, data and expiry of one live record: key.
        data_of: Key and data of several: keys.
        records_of: Key, version, data and expiry of several: keys.
        versions_of: Key and version of several: keys.
        lock: Lock the rows of keys, those of absent ones too: keys.
        put: Write over anything: key, version, data, ttl.
        put_keep: As ``put``, leaving the expiry of a live record: key, version, data, None.
        put_absent: Write where nothing stands: key, version, data, ttl.
        puts: ``put`` for several rows.
        puts_keep: ``put_keep`` for several rows.
        replace: Write over one version: version, data, ttl, key, version.
        replace_keep: As ``replace``, leaving the expiry: version, data, key, version.
        delete: Remove whatever stands: key.
        delete_version: Remove only that version: key, version.
        delete_live: Remove a live record: key.
        deletes: Remove whatever stands: keys.
        count: Number of live keys: first key, key after the last.
        scan: Live keys in their order: first key, key after the last, limit.
        remember: Write a row where none may be: key, version, data, ttl.
        reap: Find or remove some expired records without waiting for anyone: limit.
    """

    data: str
    record: str
    data_of: str
    records_of: str
    versions_of: str
    lock: str
    put: str
    put_keep: str
    put_absent: str
    puts: str
    puts_keep: str
    replace: str
    replace_keep: str
    delete: str
    delete_version: str
    delete_live: str
    deletes: str
    count: str
    scan: str
    remember: str
    reap: str

    def spoken(
        self, speak: Callable[[str], str], *, table: str, now: str, clock: str, among: str
    ) -> Self:
        """These statements with what stands in braces filled in, each passed through ``speak``."""
        live, lasting = _LIVE.format(now), _LIVE.format(clock)
        differing = {"table": table, "now": now, "clock": clock, "among": among}
        texts = {
            field.name: speak(
                getattr(self, field.name).format(**differing, live=live, lasting=lasting)
            )
            for field in fields(self)
        }
        return type(self)(**texts)


ROW: Final = "VALUES (?, ?, ?, {clock} + ?)"
"""What of a ``put`` stands once for each row."""

_UPSERT: Final = (
    'INSERT INTO "{table}" AS standing ("key", "version", "data", "expires_at") '
    f"{ROW} "
    'ON CONFLICT ("key") DO UPDATE SET "version" = excluded."version", "data" = excluded."data", '
)
_PUT: Final = _UPSERT + '"expires_at" = excluded."expires_at"'
_PUT_KEEP: Final = (
    _UPSERT + '"expires_at" = CASE WHEN standing."expires_at" > {clock} '
    'THEN standing."expires_at" END'
)

STANDARD: Final = Statements(
    data='SELECT "data" FROM "{table}" WHERE "key" = ? AND {live}',
    record='SELECT "key", "version", "data", "expires_at" '
    'FROM "{table}" WHERE "key" = ? AND {live}',
    data_of='SELECT "key", "data" FROM "{table}" WHERE "key" {among} AND {live}',
    records_of='SELECT "key", "version", "data", "expires_at" '
    'FROM "{table}" WHERE "key" {among} AND {live}',
    versions_of='SELECT "key", "version" FROM "{table}" WHERE "key" {among} AND {live}',
    lock="",
    put=_PUT,
    put_keep=_PUT_KEEP,
    put_absent=_PUT + ' WHERE standing."expires_at" <= {clock}',
    puts=_PUT,
    puts_keep=_PUT_KEEP,
    replace='UPDATE "{table}" SET "version" = ?, "data" = ?, "expires_at" = {clock} + ? '
    'WHERE "key" = ? AND "version" = ? AND {lasting}',
    replace_keep='UPDATE "{table}" SET "version" = ?, "data" = ? '
    'WHERE "key" = ? AND "version" = ? AND {lasting}',
    delete='DELETE FROM "{table}" WHERE "key" = ?',
    delete_version='DELETE FROM "{table}" WHERE "key" = ? AND "version" = ? AND {lasting}',
    delete_live='DELETE FROM "{table}" WHERE "key" = ? AND {lasting}',
    deletes='DELETE FROM "{table}" WHERE "key" {among}',
    count='SELECT count(*) FROM "{table}" WHERE "key" >= ? AND "key" < ? AND {live}',
    scan='SELECT "key" FROM "{table}" WHERE "key" >= ? AND "key" < ? AND {live} '
    'ORDER BY "key" LIMIT ?',
    remember='INSERT INTO "{table}" ("key", "version", "data", "expires_at") ' + ROW,
    reap='DELETE FROM "{table}" WHERE "key" IN '
    '(SELECT "key" FROM "{table}" WHERE "expires_at" <= {now} LIMIT ?)',
)
"""For servers that know ``ON CONFLICT``."""
