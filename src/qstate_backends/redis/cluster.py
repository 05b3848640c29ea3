"""Cluster: each key's command goes to the server that has its slot, wherever that moves."""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, TryAgainError

from qstate.backend import StoreUnavailableError, time_left
from qstate_backends.redis.connections import Connections
from qstate_backends.redis.dialing import Account, hosts_of
from qstate_backends.redis.errors import leave
from qstate_backends.redis.server import Server, first_error
from qstate_backends.redis.wire import Packed, pack

Host: TypeAlias = tuple[str, int]

_ASKING: Final = pack("ASKING")
_SLOTS: Final = pack("CLUSTER", "SLOTS")
_PAUSE: Final = 0.02
"""Seconds until a slot whose keys are on the move is asked for again."""


class Cluster(Server):
    """The servers of a cluster, found from those that its URL names.

    Args:
        account: How to connect to any of them.
    """

    __slots__ = ("_account", "_lock", "_nodes", "_ranges", "_seeds")

    def __init__(self, account: Account) -> None:
        self._account = account
        self._seeds = hosts_of(account.url)
        self._nodes: dict[Host, Connections] = {}
        self._ranges: list[tuple[int, Host]] = []  # where each range of slots ends, sorted
        self._lock = threading.Lock()
        self.address = "the cluster of " + ",".join(f"{host}:{port}" for host, port in self._seeds)
        self.timeout = account.timeout

    def ask(self, command: Packed, key: str, deadline: float | None = None) -> Any:
        """Send one command to the server that has the key's slot."""
        return self.ask_all((command,), key, deadline)[0]

    def ask_all(
        self, commands: Sequence[Packed], key: str, deadline: float | None = None
    ) -> list[Any]:
        """As :meth:`ask`, for several commands in one round trip.

        A server that no longer has the slot has applied nothing, so the one that it names is asked.
        """
        until = time.monotonic() + time_left(self.timeout) if deadline is None else deadline
        host = self._host_of(key_slot(key.encode()), until)
        while True:
            replies = self._send(host, commands, until)
            error = first_error(replies)
            if type(error) is AskError:
                replies = self._send((error.host, error.port), (_ASKING, *commands), until)[1:]
                error = first_error(replies)
            if not isinstance(error, (MovedError, TryAgainError)) or time.monotonic() > until:
                return replies
            if isinstance(error, MovedError):
                self._ranges = []
                host = (error.host or host[0], error.port)
            else:
                time.sleep(_PAUSE)

    def scan(
        self, cursor: bytes | None, arguments: Sequence[str | int]
    ) -> tuple[list[bytes], bytes | None]:
        """One page of SCAN of one server after another; the cursor names the server."""
        hosts = self._hosts(time.monotonic() + time_left(self.timeout))
        host, position = _from_cursor(cursor) if cursor else (hosts[0], None)
        keys, position = self._node(host).scan(position, arguments)
        if position is None:
            remaining = [other for other in hosts if other > host]
            return keys, _to_cursor(remaining[0], b"0") if remaining else None
        return keys, _to_cursor(host, position)

    def close(self) -> None:
        """Hang up on all servers."""
        with self._lock:
            nodes = list(self._nodes.values())
        for node in nodes:
            node.close()

    def _send(self, host: Host, commands: Sequence[Packed], until: float) -> list[Any]:
        node = self._node(host)
        try:
            if len(commands) == 1:
                return [node.ask(commands[0], "", until)]
            return node.ask_all(commands, "", until)
        except StoreUnavailableError:
            self._ranges = []  # another server may have taken over
            raise

    def _node(self, host: Host) -> Connections:
        with self._lock:
            if host not in self._nodes:
                self._nodes[host] = Connections(
                    lambda deadline: self._account.dial(*host, deadline),
                    f"{host[0]}:{host[1]}",
                    self.timeout,
                )
            return self._nodes[host]

    def _host_of(self, slot: int, until: float) -> Host:
        ranges = self._ranges or self._find(until)
        # A slot that none has is asked for anywhere: the answer says that the cluster is down.
        position = bisect.bisect_left(ranges, slot, key=lambda entry: entry[0])
        return ranges[min(position, len(ranges) - 1)][1]

    def _hosts(self, until: float) -> list[Host]:
        return sorted({host for _, host in self._ranges or self._find(until)})

    def _find(self, until: float) -> list[tuple[int, Host]]:
        """Ask the servers, one after another, which of them has which slots."""
        known = list(dict.fromkeys([*self._nodes, *self._seeds]))
        failure: Exception = ConnectionError("none of its servers was asked")
        for left, host in zip(range(len(known), 0, -1), known, strict=True):
            part = (until - time.monotonic()) / left
            try:
                reply = self._node(host).ask(_SLOTS, "", time.monotonic() + part)
            except StoreUnavailableError as error:
                failure = error
                continue
            if isinstance(reply, list) and reply:
                self._ranges = ranges = sorted(_ranges(reply, host))
                return ranges
            failure = reply if isinstance(reply, Exception) else ConnectionError("it has no slots")
        return leave(failure, self.address, sent=False)


def _ranges(reply: Iterable[Any], asked: Host) -> Iterable[tuple[int, Host]]:
    for _, last, master, *_ in reply:
        yield last, (master[0].decode() if master[0] else asked[0], master[1])


def _to_cursor(host: Host, position: bytes) -> bytes:
    return b"%s %d %s" % (host[0].encode(), host[1], position)


def _from_cursor(cursor: bytes) -> tuple[Host, bytes]:
    name, port, position = cursor.split(b" ")
    return (name.decode(), int(port)), position
