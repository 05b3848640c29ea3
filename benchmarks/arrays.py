"""Arrays of 1 kB to 256 MB: on Redis against the same bytes sent raw, on others by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import redis

import qstate
from benchmarks.measuring import Group, repeated
from benchmarks.stores import each
from qstate.serializers.codec import ValueCodec
from tests.servers.redis import RedisServer

SIZES = {
    "1 kB": 2**10,
    "100 kB": 100 * 2**10,
    "10 MB": 10 * 2**20,
    "100 MB": 100 * 2**20,
    "256 MB": 256 * 2**20,
}


def on_redis() -> Iterator[Group]:
    """Redis, against redis-py's get and set of the bytes."""
    with (
        RedisServer() as server,
        redis.Redis(port=server.port) as raw,
        qstate.connect(server.url, timeout=60) as store,
    ):
        for name, size in SIZES.items():
            array = np.random.default_rng(1).random(size // 8)
            data = array.tobytes()
            rounds = 15 if size < 2**24 else 3 if size > 2**27 else 5
            target = 1.1 if name == "100 MB" else None
            sets = [
                repeated("redis-py, bytes", lambda data=data: raw.set("raw", data)),
                repeated("qstate", lambda array=array: store.set("array", array)),
            ]
            yield Group(f"Redis set of a {name} array", sets, target, rounds=rounds)
            gets = [
                repeated("redis-py, bytes", lambda: raw.get("raw")),
                repeated("qstate", lambda: store.get("array")),
            ]
            yield Group(f"Redis get of a {name} array", gets, target, rounds=rounds)


def on_others() -> Iterator[Group]:
    """Every other store, beside the codec alone: a view of the array goes in, and one comes out."""
    codec = ValueCodec("msgpack")
    for store_name, store in each(but={"Redis"}):
        for name, size in SIZES.items():
            array = np.random.default_rng(1).random(size // 8)
            try:
                store["array"] = array
            except qstate.StateError as error:
                print(f"{store_name} takes no array of {name}: {error}")
                break
            data = b"".join(codec.encode(array, key="array"))
            rounds = 15 if size < 2**22 else 3
            sets = [
                repeated("codec, encode", lambda a=array: codec.encode(a, key="array")),
                repeated("qstate", lambda a=array, s=store: s.set("array", a)),
            ]
            yield Group(f"{store_name} set of a {name} array", sets, rounds=rounds)
            gets = [
                repeated("codec, decode", lambda data=data: codec.decode(data, "array")),
                repeated("qstate", lambda s=store: s.get("array")),
            ]
            yield Group(f"{store_name} get of a {name} array", gets, rounds=rounds)


GROUPS = {"arrays": on_redis, "arrays-elsewhere": on_others}
