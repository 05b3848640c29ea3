"""Transactions: reads and writes of several keys that take effect as one, or not at all."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from qstate import keys
from qstate.backend import Delete, Operation, Record, Version
from qstate.encoded import EncodedStore, TimeToLive
from qstate.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from qstate.locks import Lease

_active: ContextVar[frozenset[int]] = ContextVar("qstate_transactions", default=frozenset())


class Transaction:
    """What ``with store.transaction() as tx:`` gives: it sees its own writes.

    Nothing is written before the end of the ``with`` block. There, if anything that was read has
    changed since, ``ConflictError`` is raised and nothing is written. An exception in the block
    writes nothing either.
    """

    def __init__(self, store: EncodedStore, lease: Lease | None = None) -> None:
        self._store = store
        self._client = store._client or store._open()
        self._read: dict[str, Record | None] = {}
        self._written: dict[str, Operation] = {}
        self._lease = lease
        self._token: Token[frozenset[int]] | None = None

    def get(
        self,
        key: str,
        default: Any = None,
        *,
        type: Any = None,  # noqa: A002
    ) -> Any:
        """The value under ``key``, as this transaction has left it, or ``default``."""
        joined = keys.join(self._store._prefix, key)
        written = self._written.get(joined)
        if isinstance(written, Delete):
            return default
        if written is not None:
            return self._store._decode_as(key, written.data, type)
        record = self._record(joined)
        return default if record is None else self._store._decode_as(key, record.data, type)

    def set(self, key: str, value: Any, *, ttl: TimeToLive = None) -> Version:
        """Write ``value`` under ``key`` at the end of the transaction; as ``store.set``."""
        seconds = self._store._seconds(self._client, ttl)
        put = self._store._put(self._client, key, value, seconds)
        # Arrays may change before the end, so what is written then is a copy of them as they are.
        self._written[put.key] = put._replace(parts=(put.data,))
        return put.version

    def delete(self, key: str) -> bool:
        """Remove ``key`` at the end of the transaction; whether anything stood there."""
        stood = key in self
        joined = keys.join(self._store._prefix, key)
        self._written[joined] = Delete(joined)
        return stood

    def __contains__(self, key: object) -> bool:
        joined = keys.join(self._store._prefix, key)
        written = self._written.get(joined)
        if written is not None:
            return not isinstance(written, Delete)
        return self._record(joined) is not None

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise self._store._missing(key)
        return self.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if not self.delete(key):
            raise self._store._missing(key)

    def __enter__(self) -> Self:
        place = hash((self._store._address, id(self._client)))
        if place in _active.get():
            raise self._store._told(
                UnsupportedOperationError(
                    "a transaction can't begin inside another of the same store; "
                    "use the one that is open"
                )
            )
        self._token = _active.set(_active.get() | {place})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _active.reset(self._token)
        if error is None:
            self._commit()

    def _commit(self) -> None:
        require = {key: record and record.version for key, record in self._read.items()}
        if self._lease is not None:
            require |= self._lease.requirement()
        operations = list(self._written.values())
        if not operations and not require:
            return
        self._store._allow_several(self._client, [*{*require, *self._written}])
        self._store._write_required(self._client, operations, require)

    def _record(self, joined: str) -> Record | None:
        if joined not in self._read:
            self._read[joined] = self._client.read((joined,))[0]
        return self._read[joined]
