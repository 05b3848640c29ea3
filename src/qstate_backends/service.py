"""What a served backend answers to a request, once the way to it is open."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgpack

from qstate.backend import (
    KEEP,
    Backend,
    Buffer,
    CountsKeys,
    Delete,
    Operation,
    Put,
    ReadsData,
    RemembersWrites,
    RemovesKeys,
    StateError,
    Version,
)
from qstate_backends import answers, wire
from qstate_backends.ledger import Ledger
from qstate_backends.watches import Watch

_log: Final = logging.getLogger(__name__)


class ServableBackend(Backend, ReadsData, RemovesKeys, CountsKeys, Protocol):
    """What can be served: a backend with the faster ways, and one that tells of changes."""

    def watch(self, prefix: str) -> Watch:
        """The keys that change under ``prefix``."""
        ...


class Request(NamedTuple):
    """What a frame asks for.

    Attributes:
        method: Of the backend.
        operation: The id by which a change is remembered; None where it need not be.
        arguments: Those that the method's answering function takes.
    """

    method: str
    operation: bytes | None
    arguments: Sequence[Any]

    @classmethod
    def read(cls, head: Buffer) -> Request:
        """Read the head of a frame.

        Raises:
            FrameError: It is no request.
        """
        try:
            request = cls(*msgpack.unpackb(head))
            if request.method == "watch" or request.method in _METHODS:
                return request
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise wire.FrameError("no request of this protocol") from error
        raise wire.FrameError("a request of a method that is not known")


class Service:
    """Answers requests by calling a backend, and remembers for a while which changes it applied.

    Args:
        backend: What is called; may be replaced by another at any time.
    """

    def __init__(self, backend: ServableBackend) -> None:
        self.backend = backend
        self._ledger = Ledger()
        self._applying = threading.Lock()

    def current(self) -> ServableBackend:
        """The backend that is called now."""
        return self.backend

    def answer(self, request: Request, body: Buffer) -> list[Buffer]:
        """The frame that answers a request."""
        try:
            return answers.answer(*self._call(request, body))
        except StateError as error:
            return answers.refusal(error)
        except Exception as error:  # noqa: BLE001 - told to the one who asked
            _log.exception("a served backend failed")
            failed = StateError(f"the store failed: {type(error).__name__}: {error}")
            return answers.refusal(failed)

    def _call(self, request: Request, body: Buffer) -> _Answer:
        method, operation, arguments = request
        call, backend = _METHODS[method], self.current()
        if operation is None:
            return call(backend, body, *arguments)
        if isinstance(backend, RemembersWrites):
            return call(_Once(backend, Version(operation)), body, *arguments)
        with self._applying:
            if operation not in self._ledger:
                payload, _ = call(backend, body, *arguments)
                self._ledger.add(operation, payload)
            return self._ledger.answer(operation), ()


class _Once:
    """The changes of a backend that remembers by itself what it has applied."""

    def __init__(self, backend: RemembersWrites, operation: Version) -> None:
        self.write = functools.partial(backend.write_once, operation)
        self.remove = functools.partial(backend.remove_once, operation)


_Answer = tuple[Any, Sequence[Buffer]]


def _read(backend: ServableBackend, _: Buffer, keys: list[str]) -> _Answer:
    records = backend.read(keys)
    described = [r and [r.version, wire.size(r.data), r.expires_at] for r in records]
    return described, [record.data for record in records if record is not None]


def _read_data(backend: ServableBackend, _: Buffer, keys: list[str]) -> _Answer:
    found = backend.read_data(keys)
    sizes = [None if data is None else wire.size(data) for data in found]
    return sizes, [data for data in found if data is not None]


def _write(
    backend: ServableBackend,
    body: Buffer,
    operations: list[list[Any]],
    require: dict[str, bytes | None],
) -> _Answer:
    required = {key: None if v is None else Version(v) for key, v in require.items()}
    backend.write(list(_operations(operations, body)), require=required)
    return None, ()


def _operations(described: list[list[Any]], body: Buffer) -> Sequence[Operation]:
    operations: list[Operation] = []
    start = 0
    for key, *put in described:
        if not put:
            operations.append(Delete(key))
            continue
        version, count, ttl = put
        data = body[start : start + count]
        operations.append(Put(key, Version(version), (data,), KEEP if ttl is True else ttl))
        start += count
    return operations


def _scan(
    backend: ServableBackend, _: Buffer, prefix: str, cursor: bytes | None, limit: int
) -> _Answer:
    return backend.scan(prefix, cursor, limit), ()


def _remove(backend: ServableBackend, _: Buffer, keys: list[str]) -> _Answer:
    return backend.remove(keys), ()


def _count(backend: ServableBackend, _: Buffer, prefix: str) -> _Answer:
    return backend.count(prefix), ()


_METHODS: Final[dict[str, Callable[..., _Answer]]] = {
    "read": _read,
    "read_data": _read_data,
    "write": _write,
    "scan": _scan,
    "remove": _remove,
    "count": _count,
}
