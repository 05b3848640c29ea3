"""RedisBackend: the methods of a backend as Redis's commands."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from redis.exceptions import NoPermissionError, NoScriptError

from qstate.backend import (
    NO_REQUIREMENTS,
    Buffer,
    Capabilities,
    ConflictError,
    Delete,
    Operation,
    Put,
    Record,
    SerializationError,
    UnsupportedOperationError,
    Version,
    open_record,
    time_left,
)
from qstate_backends.redis.errors import WrongTypeError
from qstate_backends.redis.expiries import Computed, Exact, Expiries
from qstate_backends.redis.records import Argument, blob_of, command_of, data_of, value_and_expiry
from qstate_backends.redis.scripts import WRITE, memory_of
from qstate_backends.redis.server import Server, first_error
from qstate_backends.redis.wire import pack, pack_small

_MULTI: Final = pack_small(("MULTI",))
_EXEC: Final = pack_small(("EXEC",))


class RedisBackend:
    """A store in Redis.

    Args:
        server: What the commands are sent to.
        capabilities: As declared to the core.
        hashtag: What all keys stand under in a cluster, so that they are in one slot; ``""``: none.
    """

    def __init__(self, server: Server, capabilities: Capabilities, hashtag: str = "") -> None:
        self._capabilities = capabilities
        self._server = server
        self._call = server.call
        self._expiries: Expiries = Exact()
        self._prefix = f"{{{hashtag}}}" if hashtag else ""

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do."""
        return self._capabilities

    def read_data(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """The data under ``keys`` by one GET or MGET."""
        if len(keys) != 1:
            return self._read_several(keys)
        key = self._prefix + keys[0]
        try:
            return (data_of(self._call(pack_small(("GET", key)), key)),)
        except SerializationError as error:
            raise self._foreign(keys[0]) from error

    def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys``, by one transaction."""
        if not keys:
            return []
        raw = self._raw(keys)
        expiries = self._expiries
        asked = (
            command for key in raw for command in (pack_small(("GET", key)), *expiries.ask(key))
        )
        replies = self._server.ask_all([_MULTI, *asked, _EXEC], raw[0])
        if isinstance(expiries, Exact) and _is_refused(first_error(replies)):
            self._expiries = Computed()
            return self.read(keys)
        found = self._within(replies)
        step = 1 + expiries.replies
        rows = (found[start : start + step] for start in range(0, len(found), step))
        return [self._record(key, *row) for key, row in zip(keys, rows, strict=True)]

    def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply all operations as one: by one command, one transaction, or the script."""
        if require:
            self._write_by_script(operations, require)
        elif len(operations) == 1:
            operation = operations[0]
            key = self._prefix + operation.key
            self._call(command_of(operation, key), key)
        elif operations:
            self._write_several(operations)

    def remove(self, keys: Sequence[str]) -> int:
        """Remove ``keys`` as one; return how many stood."""
        raw = self._raw(keys)
        count: int = self._call(pack_small(("DEL", *raw)), raw[0])
        return count

    def scan(self, prefix: str, cursor: bytes | None, limit: int) -> tuple[list[str], bytes | None]:
        """One page of SCAN; keys that are not UTF-8 or hold no string are others' and left out."""
        raw = self._prefix + prefix
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", raw) + "*"
        arguments = ("MATCH", pattern, "COUNT", limit, "TYPE", "string")
        found, following = self._server.scan(cursor, arguments)
        start = len(self._prefix)
        page = [key[start:] for key in _decoded(found) if key.startswith(raw)]
        return page, following

    def close(self) -> None:
        """Hang up on all connections."""
        self._server.close()

    def _raw(self, keys: Iterable[str]) -> list[str]:
        """The keys as they stand in Redis."""
        raw = [self._prefix + key for key in keys]
        if len(raw) > 1 and not self._capabilities.several_keys:
            raise UnsupportedOperationError(
                f"{self._server.address} is a cluster, which takes several keys at a time only if "
                "they are in one slot; put ?hashtag=name into the store's URL"
            )
        return raw

    def _read_several(self, keys: Sequence[str]) -> list[Buffer | None]:
        if not keys:
            return []
        raw = self._raw(keys)
        blobs: list[bytes | None] = self._call(pack_small(("MGET", *raw)), raw[0])
        missing = [key for key, blob in zip(keys, blobs, strict=True) if blob is None]
        if missing:
            self._refuse_foreign(missing)
        return [None if blob is None else data_of(blob) for blob in blobs]

    def _refuse_foreign(self, keys: Sequence[str]) -> None:
        """Make sure of keys that MGET found nothing under: it says so of a hash, too."""
        raw = self._raw(keys)
        kinds = self._server.call_all([pack_small(("TYPE", key)) for key in raw], raw[0])
        for key, kind in zip(keys, kinds, strict=True):
            if kind not in (b"none", b"string"):
                raise _foreign(key, kind)

    def _record(self, key: str, blob: Any, *expiry: Any) -> Record | None:
        if blob is None:
            return None
        if isinstance(blob, WrongTypeError):
            raise self._foreign(key) from blob
        return Record(*open_record(blob), self._expiries.moment(expiry))

    def _write_several(self, operations: Sequence[Operation]) -> None:
        raw = self._raw(operation.key for operation in operations)
        puts = [operation for operation in operations if isinstance(operation, Put)]
        if len(puts) == len(operations) and all(put.ttl is None for put in puts):
            pairs = zip(raw, map(blob_of, puts), strict=True)
            self._call(pack("MSET", *(part for pair in pairs for part in pair)), raw[0])
        else:
            commands = [_MULTI, *map(command_of, operations, raw), _EXEC]
            self._within(self._server.ask_all(commands, raw[0]))

    def _write_by_script(
        self,
        operations: Sequence[Operation],
        require: Mapping[str, Version | None],
        operation_id: Version | None = None,
    ) -> int:
        """Require and write; return how many keys were deleted."""
        keys = [*require, *(operation.key for operation in operations)]
        versions = [b"" if version is None else version for version in require.values()]
        memory = None if operation_id is None else memory_of(operation_id)
        arguments: list[Argument] = [len(versions), bytes(operation_id or b"")]
        arguments += map(bytes, versions)
        for operation in operations:
            arguments += value_and_expiry(operation)
        self._raw(set(keys))
        reply = self._run_script(keys, arguments, memory)
        if isinstance(reply, list):
            key = keys[reply[0] - 1]
            raise ConflictError(key, require[key], Version(reply[1]) if reply[1] else None)
        return int(reply)

    def _run_script(
        self, keys: Sequence[str], arguments: Sequence[Argument], memory: str | None
    ) -> Any:
        server = self._server
        deadline = time.monotonic() + time_left(server.timeout)
        raw = [self._prefix + key for key in (keys[0] if memory is None else memory, *keys)]
        call = (len(raw), *raw, *arguments)
        reply = server.ask(pack("EVALSHA", WRITE.sha1, *call), raw[0], deadline)
        if isinstance(reply, NoScriptError):
            reply = server.ask(pack("EVAL", WRITE.source, *call), raw[0], deadline)
        if isinstance(reply, WrongTypeError):
            self._refuse_foreign(keys)
        return server.refuse(reply) if isinstance(reply, Exception) else reply

    def _within(self, replies: list[Any]) -> list[Any]:
        """What a transaction replied; of errors in it only foreign types are left to the caller."""
        if error := first_error(replies):
            self._server.refuse(error)
        found: list[Any] = replies[-1]
        if error := first_error(reply for reply in found if not isinstance(reply, WrongTypeError)):
            self._server.refuse(error)
        return found

    def _foreign(self, key: str) -> SerializationError:
        raw = self._prefix + key
        return _foreign(key, self._call(pack_small(("TYPE", raw)), raw))


class RememberingRedisBackend(RedisBackend):
    """A store in Redis that remembers for a while what it has applied.

    The operation's id goes into a hash in the same step. A cluster without a hashtag can't have
    that: the hash would be in another slot.
    """

    def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``; nothing where ``operation`` was applied before."""
        if operations or require:
            self._write_by_script(operations, require, operation)

    def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``; where ``operation`` was applied before, what it answered then."""
        return self._write_by_script([Delete(key) for key in keys], {}, operation) if keys else 0


def _decoded(keys: Iterable[bytes]) -> Iterable[str]:
    for key in keys:
        try:
            yield key.decode()
        except UnicodeDecodeError:
            continue


def _is_refused(error: Exception | None) -> bool:
    """Whether a command is unknown to the server, or not allowed to us."""
    return isinstance(error, NoPermissionError) or "unknown command" in str(error)


def _foreign(key: str, kind: bytes) -> SerializationError:
    return SerializationError(
        f"{key!r} holds a Redis {kind.decode()}, which qstate did not write and can't read; "
        "use another key, or remove it first",
        key=key,
    )
