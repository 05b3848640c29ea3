"""The one table of a store, described by SQLAlchemy, which is loaded only to make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from sqlalchemy import Table

Kind = Literal["sqlite", "postgresql", "mysql"]

LONGEST_KEY: Final = 1200
"""Bytes of the longest key that fits: those of users and those that the core makes from them."""

_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('qstate'))"

# What is no record is told to nobody: the empty versions stand for absence while a transaction
# lasts, and behind the byte 255 stand applied operations.
_TELLING: Final = (
    """CREATE OR REPLACE FUNCTION "{table}_tell"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_notify('{table}', encode(coalesce(NEW."key", OLD."key"), 'hex'));
    RETURN NULL;
    END $$""",
    """CREATE OR REPLACE TRIGGER "{table}_put" AFTER INSERT ON "{table}" FOR EACH ROW
    WHEN (NEW."version" <> '' AND NEW."key" < '\\xff') EXECUTE FUNCTION "{table}_tell"()""",
    """CREATE OR REPLACE TRIGGER "{table}_replace" AFTER UPDATE ON "{table}" FOR EACH ROW
    WHEN ((NEW."version", NEW."expires_at") IS DISTINCT FROM (OLD."version", OLD."expires_at")
    AND NEW."key" < '\\xff') EXECUTE FUNCTION "{table}_tell"()""",
    """CREATE OR REPLACE TRIGGER "{table}_delete" AFTER DELETE ON "{table}" FOR EACH ROW
    WHEN (OLD."version" <> '' AND OLD."key" < '\\xff') EXECUTE FUNCTION "{table}_tell"()""",
)


def definition(table: str, kind: Kind) -> list[str]:
    """The statements that make the table and its index.

    Args:
        table: The table's name, already checked.
        kind: Whose SQL.
    """
    from sqlalchemy.dialects import mysql, postgresql, sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect = {"mysql": mysql, "postgresql": postgresql, "sqlite": sqlite}[kind].dialect()
    described = _describe(table)
    (index,) = described.indexes
    once = kind != "mysql"  # MySQL has no CREATE INDEX IF NOT EXISTS
    made = (CreateTable(described, if_not_exists=True), CreateIndex(index, if_not_exists=once))
    statements = [str(statement.compile(dialect=dialect)) for statement in made]
    if kind == "postgresql":
        return [_ONE_AT_A_TIME, *statements, *(part.format(table=table) for part in _TELLING)]
    return statements


def _describe(name: str) -> Table:
    from sqlalchemy import VARBINARY, Column, Double, Index, LargeBinary, MetaData, Table
    from sqlalchemy.dialects.mysql import LONGBLOB

    blob = LargeBinary()
    key = blob.with_variant(VARBINARY(LONGEST_KEY), "mysql", "mariadb")
    version = blob.with_variant(VARBINARY(16), "mysql", "mariadb")
    data = blob.with_variant(LONGBLOB(), "mysql", "mariadb")
    table = Table(
        name,
        MetaData(),
        Column("key", key, primary_key=True),
        Column("version", version, nullable=False),
        Column("data", data, nullable=False),
        Column("expires_at", Double()),
        mysql_engine="InnoDB",
        mysql_row_format="DYNAMIC",  # older formats take keys of 767 bytes only
    )
    expires = table.c.expires_at
    some = expires.is_not(None)
    Index(f"{name}_expires_at", expires, postgresql_where=some, sqlite_where=some)
    return table
