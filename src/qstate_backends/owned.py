"""Stores that live in one process: found there by name, and reached from other processes.

The process that made a store owns it. It serves the store once another process may know it: when
the store is pickled, and when the process forks.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from qstate.backend import (
    DEFAULT_TIMEOUT,
    Backend,
    Capabilities,
    InvalidURLError,
    Reach,
    StateURL,
    StoreUnavailableError,
    read_options,
)
from qstate_backends import wire
from qstate_backends.channels import SocketChannel
from qstate_backends.served import ServedBackend
from qstate_backends.server import BackendServer
from qstate_backends.service import ServableBackend, Service

LOOPBACK: Final = "127.0.0.1"
_PRIVATE: Final = re.compile(r"private-[0-9a-f]{32}")
_PLAIN: Final = re.compile(r"[\w.-]+", re.ASCII)


class NamedBackend(ServableBackend, Protocol):
    """A backend that knows its name."""

    name: str


class Way(NamedTuple):
    """How another process reaches a store.

    Attributes:
        address: Where its owner listens.
        authkey: The secret that lets a client in.
        owner: Which process that is.
    """

    address: wire.Address
    authkey: bytes
    owner: str

    def url(self, name: str) -> str:
        """The URL that leads there, its secret included."""
        address = f"{self.address[0]}:{self.address[1]}"
        options = {"address": address, "authkey": self.authkey.hex(), "owner": self.owner}
        return named_url("memory", name).with_options(options).plain()


class _Serving:
    """The servers of one store: one for each address of this machine that it is reached at."""

    def __init__(self, backend: NamedBackend) -> None:
        self._service = Service(backend)
        self.servers: dict[str, BackendServer] = {}

    def listen(self, host: str) -> BackendServer:
        """Bind, but do not answer yet."""
        if host not in self.servers:
            self.servers[host] = BackendServer(self._service, host)
        return self.servers[host]

    def start(self) -> None:
        """Answer on all addresses."""
        for server in self.servers.values():
            server.start()


class _Owner:
    """A process, with the stores that it owns or had when it was forked."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.named: dict[str, NamedBackend] = {}
        self.private: weakref.WeakValueDictionary[str, NamedBackend] = weakref.WeakValueDictionary()
        self.servings: dict[str, _Serving] = {}
        self.inherited: dict[str, Way | None] = {}
        self.lock = threading.RLock()

    def stores(self) -> list[NamedBackend]:
        """All stores that it owns."""
        return [*self.named.values(), *self.private.values()]

    def find(self, name: str, make: Callable[[str], NamedBackend]) -> NamedBackend:
        """The store of that name, made where there is none."""
        stores = self.private if _PRIVATE.fullmatch(name) else self.named
        return self.named.get(name) or stores.get(name) or stores.setdefault(name, make(name))

    def serve(self, store: NamedBackend) -> _Serving:
        """The servers of a store, which lives as long as this process from now on."""
        self.named[store.name] = store
        self.private.pop(store.name, None)
        return self.servings.setdefault(store.name, _Serving(store))

    def way_to(self, store: NamedBackend, host: str) -> Way | None:
        """What leads to a store that listens; None where it does not."""
        serving = self.servings.get(store.name)
        if serving is None or host not in serving.servers:
            return None
        server = serving.servers[host]
        return Way(server.address, server.key, self.id)


_owner = _Owner()


def named_url(scheme: str, name: str) -> StateURL:
    """The URL of a store by its name."""
    if _PLAIN.fullmatch(name):
        return StateURL(scheme, hosts=((name, None),))
    return StateURL(scheme, path=f"/{name}" if name else "")


def name_of(url: StateURL | str) -> str:
    """The name of a store; empty where its URL has none.

    Raises:
        InvalidURLError: The URL has parts that mean nothing here.

    Example:
        >>> [name_of(StateURL.parse(f"memory://{text}")) for text in ("lab", "lab/a", "/a:b", "")]
        ['lab', 'lab/a', 'a:b', '']
    """
    if isinstance(url, str):
        return url
    if url.username or url.password or url.port or len(url.hosts) > 1:
        raise InvalidURLError(
            f"{url}: such a store has a name and nothing else, as in {url.scheme}://name; "
            f"a name with special characters goes after a slash: {url.scheme}:///a:b"
        )
    return (url.host or "") + url.path if url.host else url.path[1:]


def canonical(url: StateURL) -> StateURL:
    """The one form of a URL; a URL without a name is given one that nobody else has."""
    return replace(
        named_url(url.scheme, name_of(url) or f"private-{uuid.uuid4().hex}"), query=url.query
    )


def backend(
    url: StateURL, options: Mapping[str, Any], make: Callable[[str], NamedBackend]
) -> Backend:
    """The store of a URL if this process owns it, else the way to the process that does.

    Args:
        url: In canonical form.
        options: Those of the URL; ``timeout`` in seconds.
        make: Makes the store of a name that is new.

    Raises:
        InvalidURLError: An option is unknown, or has no usable value.
        StoreUnavailableError: This process was forked from the owner, which could not serve it.
    """
    known = read_options(url, options, _OPTIONS)
    timeout = known.pop("timeout", DEFAULT_TIMEOUT)
    if known and len(known) < len(Way._fields):
        raise InvalidURLError(f"{url}: {', '.join(Way._fields)} come together or not at all")
    name = name_of(url)
    way = Way(**known) if known else None
    with _owner.lock:
        if way is not None and way.owner != _owner.id:
            return ServedMemory(name, way, timeout)
        if name in _owner.inherited:
            return ServedMemory(name, _inherited(name), timeout)
        return _owner.find(name, make)


def share(store: NamedBackend) -> str:
    """The URL by which other processes reach a store of this one, served from now on.

    What another process may know is kept for as long as this process lives.
    """
    host = _reachable_host()
    with _owner.lock:
        serving = _owner.serve(store)
        serving.listen(host)
        serving.start()
        way = _owner.way_to(store, host)
    assert way is not None, "it listens"
    return way.url(store.name)


class ServedMemory(ServedBackend):
    """A store in the memory of another process.

    Args:
        name: Its name there.
        way: How to get there.
        timeout: Seconds that a call may take.
    """

    def __init__(self, name: str, way: Way, timeout: float) -> None:
        channel = SocketChannel(way.address, way.authkey, str(named_url("memory", name)))
        reach: Reach = "host" if way.address[0] == LOOPBACK else "cluster"
        super().__init__(channel, Capabilities(reach=reach, ordered_scan=True), timeout)
        self._shared_url = way.url(name)

    def shared_url(self) -> str:
        """The URL that leads to the owner from any process."""
        return self._shared_url


def _address(text: str) -> wire.Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


_OPTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "timeout": float,
    "address": _address,
    "authkey": bytes.fromhex,
    "owner": str,
}


def _inherited(name: str) -> Way:
    way = _owner.inherited[name]
    if way is None:
        raise StoreUnavailableError(
            f"{named_url('memory', name)} belongs to the process that this one was forked from, "
            "which could not open a socket for it",
            outcome="not applied",
        )
    return way


def _reachable_host() -> str:
    """The address by which those who may be handed a store reach this process.

    It is the one that leads to the nodes of Ray: a driver may be on another machine than they are.
    """
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return LOOPBACK
    for node in ray.nodes():
        host = node["NodeManagerAddress"]
        if node["Alive"] and (own := _source_towards(host)) not in (host, None):
            return own
    return LOOPBACK


def _source_towards(host: str) -> str | None:
    """The address of this machine that packets to ``host`` come from; that itself if it is here."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((host, 9))  # sends nothing
        source: str = probe.getsockname()[0]
        return source
    return None


def _before_fork() -> None:
    _owner.lock.acquire()
    for store in _owner.stores():
        _owner.serve(store).listen(LOOPBACK)


def _after_fork_in_parent() -> None:
    try:
        for serving in _owner.servings.values():
            serving.start()
    finally:
        _owner.lock.release()


def _after_fork_in_child() -> None:
    """Everything that the parent owns is reached there; what is made from now on is the child's."""
    global _owner
    parent, _owner = _owner, _Owner()
    _owner.inherited = parent.inherited | {
        store.name: parent.way_to(store, LOOPBACK) for store in parent.stores()
    }


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
