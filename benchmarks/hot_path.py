"""Get and set of a small value: the paths for which the ratio to the raw thing is promised."""

from __future__ import annotations

import itertools
import json
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hiredis
import msgpack
import redis
import sqlalchemy
from redis.cache import CacheConfig

import qstate
from benchmarks import peers
from benchmarks.measuring import Group, repeated
from benchmarks.values import PACKED, SMALL
from qstate.serializers.codec import ValueCodec
from tests.servers.postgres import PostgresServer, of_the_wheel
from tests.servers.redis import RedisServer


class Wire:
    """Redis over a bare socket: commands packed and answers parsed by hiredis."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def call(self, *command: bytes) -> Any:
        """Send one command, and return its answer."""
        self._socket.sendall(hiredis.pack_command(command))
        while (answer := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(65536))
        return answer

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def memory() -> Iterator[Group]:
    """Memory, against the codec alone."""
    with qstate.connect("memory://bench") as store, peers.memory_stores() as (get, put):
        store.set("key", SMALL)
        decode = repeated("msgpack.unpackb", lambda: msgpack.unpackb(PACKED))
        encode = repeated("msgpack.packb", lambda: msgpack.packb(SMALL))
        yield Group("memory get", [decode, repeated("qstate", lambda: store.get("key")), get], 5)
        yield Group(
            "memory set", [encode, repeated("qstate", lambda: store.set("key", SMALL)), put], 5
        )


def on_redis() -> Iterator[Group]:
    """Redis, against redis-py."""
    with (
        RedisServer() as server,
        qstate.connect(server.url) as store,
        redis.Redis(port=server.port) as raw,
        closing(Wire(server.port)) as wire,
        peers.redis_stores(server.port) as (get, put),
    ):
        older = peers.OlderHandler(server.port)
        raw.set("raw", PACKED)
        older.set("older", SMALL)
        store.set("key", SMALL)
        gets = [
            repeated("redis-py, bytes", lambda: raw.get("raw")),
            repeated("qstate", lambda: store.get("key")),
            repeated("hiredis on a socket, bytes", lambda: wire.call(b"GET", b"raw")),
            repeated("older handler", lambda: older.get("older")),
            get,
        ]
        sets = [
            repeated("redis-py, bytes", lambda: raw.set("raw", PACKED)),
            repeated("qstate", lambda: store.set("key", SMALL)),
            repeated("hiredis on a socket, bytes", lambda: wire.call(b"SET", b"raw", PACKED)),
            repeated("older handler", lambda: older.set("older", SMALL)),
            put,
        ]
        yield Group("Redis get", gets, 0.85, seconds=0.2)
        yield Group("Redis set", sets, 0.85, seconds=0.2)


def cached_on_redis() -> Iterator[Group]:
    """Values read lately, against redis-py's own client-side cache."""
    with (
        RedisServer() as server,
        qstate.connect(server.url, cache=10_000) as store,
        redis.Redis(port=server.port, protocol=3, cache_config=CacheConfig()) as raw,
    ):
        raw.set("raw", PACKED)
        store.set("key", SMALL)
        yield Group(
            "Redis cached get",
            [
                repeated("redis-py with its cache, bytes", lambda: raw.get("raw")),
                repeated("qstate", lambda: store.get("key")),
            ],
            0.2,
        )
        with qstate.connect(server.url) as other:
            numbers = itertools.count()

            def seen() -> None:
                number = next(numbers)
                other.set("key", number)
                while store.get("key") != number:
                    pass

            yield Group(
                "Redis cached get, behind another's write",
                [
                    repeated("the write alone", lambda: other.set("other", 1)),
                    repeated("the write, and until it is read", seen),
                ],
                seconds=0.1,
            )


def codec() -> Iterator[Group]:
    """The codec alone: what of each operation on a small value is not the store's."""
    ours = ValueCodec("msgpack")
    framed = b"".join(bytes(part) for part in ours.encode(SMALL))
    yield Group(
        "codec, decode",
        [
            repeated("msgpack.unpackb", lambda: msgpack.unpackb(PACKED)),
            repeated("qstate, checksum included", lambda: ours.decode(framed)),
            repeated("json.loads", lambda: json.loads(_JSON)),
        ],
    )
    yield Group(
        "codec, encode",
        [
            repeated("msgpack.packb", lambda: msgpack.packb(SMALL)),
            repeated("qstate, checksum included", lambda: ours.encode(SMALL)),
            repeated("json.dumps", lambda: json.dumps(SMALL)),
        ],
    )


_JSON = json.dumps(SMALL)


def _as_ours(connection: sqlite3.Connection, _: object) -> None:
    """The same durability for all."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def on_sqlite() -> Iterator[Group]:
    """SQLite, against a cursor, SQLAlchemy Core and other embedded stores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = sqlalchemy.create_engine(f"sqlite:///{folder / 'core.db'}")
        sqlalchemy.event.listen(engine, "connect", _as_ours)
        table = sqlalchemy.Table(
            "state",
            sqlalchemy.MetaData(),
            sqlalchemy.Column("key", sqlalchemy.String, primary_key=True),
            sqlalchemy.Column("value", sqlalchemy.LargeBinary),
        )
        table.metadata.create_all(engine)
        select = sqlalchemy.select(table.c.value).where(table.c.key == "key")
        update = table.update().where(table.c.key == "key")
        # SQLite writes nothing where the bytes of a row stay the same, and ours have a new version.
        written = itertools.cycle((PACKED, bytes(reversed(PACKED))))
        with (
            closing(sqlite3.connect(folder / "raw.db", isolation_level=None)) as raw,
            qstate.connect(f"sqlite:///{folder / 'state.db'}") as store,
            peers.disk_stores(folder) as (get, put),
            peers.embedded_stores(folder) as (gets, sets),
        ):
            _as_ours(raw, None)
            raw.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
            raw.execute("INSERT INTO state VALUES ('key', ?)", (PACKED,))
            with engine.begin() as core:
                core.execute(table.insert().values(key="key", value=PACKED))
            store.set("key", SMALL)
            cursor = raw.cursor()

            def read() -> Any:
                return cursor.execute("SELECT value FROM state WHERE key = ?", ("key",)).fetchone()

            def write() -> None:
                cursor.execute("UPDATE state SET value = ? WHERE key = ?", (next(written), "key"))

            def core_read() -> None:
                with engine.connect() as connection:
                    connection.execute(select).fetchone()

            def core_write() -> None:
                with engine.begin() as connection:
                    connection.execute(update, {"value": next(written)})

            ours = repeated("qstate", lambda: store.get("key"))
            core_get = repeated("SQLAlchemy Core, bytes", core_read)
            cursor_get = repeated("sqlite3 cursor, bytes", read)
            yield Group("SQLite get", [cursor_get, ours, core_get, get, *gets], 4)
            yield Group("SQLite get, against SQLAlchemy", [core_get, ours], 0.3)
            ours = repeated("qstate", lambda: store.set("key", SMALL))
            core_set = repeated("SQLAlchemy Core, bytes", core_write)
            cursor_set = repeated("sqlite3 cursor, bytes", write)
            yield Group("SQLite set", [cursor_set, ours, core_set, put, *sets], 4)
            yield Group("SQLite set, against SQLAlchemy", [core_set, ours], 0.3)
        engine.dispose()


def on_postgresql() -> Iterator[Group]:
    """PostgreSQL, against psycopg with a prepared statement, and SQLAlchemy Core."""
    with (
        PostgresServer(of_the_wheel()) as server,
        server.client() as raw,
        qstate.connect(server.url) as store,
    ):
        engine = sqlalchemy.create_engine(server.url.replace("postgresql", "postgresql+psycopg"))
        raw.execute("CREATE TABLE raw (key TEXT PRIMARY KEY, value BYTEA)")
        raw.execute("INSERT INTO raw VALUES ('key', %s)", (PACKED,))
        store.set("key", SMALL)
        statement = sqlalchemy.text("SELECT value FROM raw WHERE key = :key")
        with raw.cursor(binary=True) as cursor:

            def read() -> Any:
                return cursor.execute(
                    "SELECT value FROM raw WHERE key = %s", ("key",), prepare=True
                ).fetchone()

            def write() -> Any:
                return cursor.execute(
                    "UPDATE raw SET value = %s WHERE key = %s", (PACKED, "key"), prepare=True
                )

            def core_read() -> None:
                with engine.connect() as connection:
                    connection.execute(statement, {"key": "key"}).fetchone()

            gets = [
                repeated("psycopg, prepared, bytes", read),
                repeated("qstate", lambda: store.get("key")),
                repeated("SQLAlchemy Core, bytes", core_read),
            ]
            yield Group("PostgreSQL get", gets, 1.25, seconds=0.2)
            sets = [
                repeated("psycopg, prepared, bytes", write),
                repeated("qstate", lambda: store.set("key", SMALL)),
            ]
            yield Group("PostgreSQL set", sets, seconds=0.2)
        engine.dispose()


GROUPS = {
    "memory": memory,
    "redis": on_redis,
    "cached": cached_on_redis,
    "sqlite": on_sqlite,
    "postgresql": on_postgresql,
    "codec": codec,
}
