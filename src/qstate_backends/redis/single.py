"""SingleServerBackend: a store on one Redis server, which can also be watched and awaited."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from qstate.awaiting import Coroutines, Threaded
from qstate.backend import Capabilities
from qstate_backends.redis.asynchronous import LoopConnections
from qstate_backends.redis.backend import RememberingRedisBackend
from qstate_backends.redis.connections import Connections
from qstate_backends.redis.tracking import Tracking


class SingleServerBackend(RememberingRedisBackend):
    """A store on one server, alone or behind sentinels.

    Args:
        connections: The connections to it.
        capabilities: As declared to the core.
        tls: Whether they use TLS; then ``aio`` uses threads, as TLS in Python has a socket of its
            own that event loops don't take.
    """

    def __init__(
        self, connections: Connections, capabilities: Capabilities, *, tls: bool = False
    ) -> None:
        super().__init__(connections, capabilities)
        self._connections = connections
        self._tls = tls

    def watch(self, prefix: str) -> AbstractContextManager[Iterator[str]]:
        """The keys that change under ``prefix``, as the server tells them."""
        connections = self._connections
        return Tracking(connections.dial, prefix, connections.address, connections.timeout)

    def aio(self) -> Any:
        """The same for coroutines."""
        if self._tls:
            return Threaded(self)
        connections = LoopConnections(self._connections)
        return Coroutines(RememberingRedisBackend(connections, self.capabilities))
