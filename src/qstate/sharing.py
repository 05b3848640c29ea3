"""One client for each address of a process: shared by its stores, dropped, forked, closed."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import gc
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from qstate.backend import StateURL
from qstate.clients import Client
from qstate.errors import StateError

_lock = threading.Lock()
_clients: dict[object, Client] = {}
_making: dict[object, threading.RLock] = {}
_dropped: deque[Client] = deque()
_inherited: list[object] = []
_holders: weakref.WeakValueDictionary[int, Holder] = weakref.WeakValueDictionary()


def acquire(url: StateURL, options: Mapping[str, Any]) -> Client:
    """The client of an address in this process, made where there is none; give it back by release.

    Args:
        url: The address in canonical form, without its query.
        options: The query and the keywords that the backend is made with.
    """
    key = (url, tuple(sorted((name, repr(value)) for name, value in options.items())))
    if (client := _held(key)) is not None:
        return client
    # One lock for each address: making a backend takes time, and may open another store.
    with _making.setdefault(key, threading.RLock()):
        if (client := _held(key)) is not None:
            return client
        client = Client(key, url, options)
        with _lock:
            _clients[key] = client
            client.holders = 1
        _making.pop(key, None)
        return client


def _held(key: object) -> Client | None:
    """The client that is there, held once more."""
    with _lock:
        client = _clients.get(key)
        if client is not None:
            client.holders += 1
        return client


def retain(client: Client) -> Client:
    """Hold a client once more."""
    with _lock:
        client.holders += 1
        return client


def release(client: Client) -> None:
    """Give a client back; the last one to do so closes its backend."""
    with _lock:
        unused = _let_go(client)
    if unused:
        client.backend.close()


def drop(client: Client) -> None:
    """As release, for a store that was never closed and is collected: it never waits for a lock.

    A collection may begin inside acquire, in the thread that holds the lock; then the client is
    given back the next time one is dropped. It may begin inside a backend, too, in the thread that
    holds a lock which closing asks for; so where Python is collecting, another thread closes.
    """
    _dropped.append(client)
    if not _lock.acquire(blocking=False):
        return
    try:
        unused = [client for client in _drain() if _let_go(client)]
    finally:
        _lock.release()
    if unused and _collecting():
        with contextlib.suppress(RuntimeError):  # the process ends, and closes what is left
            _thread.start_new_thread(_close, (unused,))  # Thread.start would wait for locks
    else:
        _close(unused)


def _close(unused: Iterable[Client]) -> None:
    for client in unused:
        client.backend.close()


class _Ring:
    """What only a collection removes."""

    def __init__(self) -> None:
        self.itself = self


def _collecting() -> bool:
    """Whether Python is collecting what refers to itself: another collection does nothing then.

    Being told by ``gc.callbacks`` would cost more: a Ctrl-C in a collection reaches the next
    Python code that runs, and what is raised in a callback is lost.
    """
    ring = weakref.ref(_Ring())
    gc.collect(0)
    return ring() is not None


def _drain() -> Iterator[Client]:
    while _dropped:
        yield _dropped.popleft()


def _let_go(client: Client) -> bool:
    client.holders -= 1
    if client.holders or _clients.get(client.key) is not client:
        return False
    del _clients[client.key]
    return True


def _abandon() -> None:
    """In a forked child: leave the parent's clients alone.

    They are kept, not closed: closing would say goodbye on the parent's sockets, and tell SQLite
    that the parent's files are done with.
    """
    global _lock  # the parent's may have been held by another thread
    _lock = threading.Lock()
    _inherited.append((dict(_clients), list(_dropped)))
    _clients.clear()
    _making.clear()
    _dropped.clear()
    for holder in list(_holders.values()):
        holder._client = None
        holder._opening = threading.Lock()


def _close_all() -> None:
    """When the process ends, while Python still works whole: close what was left open."""
    with _lock:
        left = list(_clients.values())
        _clients.clear()
    for holder in list(_holders.values()):
        holder._client = None
    for client in left:
        with contextlib.suppress(StateError):
            client.backend.close()


atexit.register(_close_all)


class Holder(Protocol):
    """What holds a client, and opens another where it has none."""

    _client: Client | None
    _opening: Any


def watch_over(holder: Holder) -> None:
    """Take the client from a holder when the process is forked."""
    _holders[id(holder)] = holder


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)
