"""fakeredis in place of a server: one for each name, for as long as the process lives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fakeredis import FakeRedis, FakeServer
from redis.exceptions import RedisError

from qstate_backends.redis.errors import sharpened
from qstate_backends.redis.wire import Packed

_servers: dict[tuple[str, int], FakeServer] = {}


def server(name: str, database: int) -> FakeServer:
    """The one server of a name and a database in this process.

    fakeredis makes a database when it is first asked for, and two for threads that ask at once.
    """
    if (found := _servers.get((name, database))) is not None:
        return found
    made = FakeServer()
    made.dbs[database]
    return _servers.setdefault((name, database), made)


class FakeLink:
    """A connection to a fake server, in the form of :class:`~qstate_backends.redis.wire.Wire`."""

    def __init__(self, name: str, database: int) -> None:
        self.sent = False
        client = FakeRedis(server=server(name, database), db=database, protocol=2)
        self._connection: Any = client.connection_pool.make_connection()

    def is_fresh(self) -> bool:
        """True: nothing is ever cut."""
        return True

    def ask(self, command: Packed, deadline: float) -> Any:
        """Have one command done and return its reply, an error included."""
        return self.ask_all((command,), deadline)[0]

    def ask_all(self, commands: Sequence[Packed], deadline: float) -> list[Any]:  # noqa: ARG002
        """Have several commands done and return their replies."""
        self._connection.connect()
        return [self._done(command) for command in commands]

    def limit(self, deadline: float) -> None:
        """Nothing: it never waits."""

    def cut(self) -> None:
        """Nothing: no call ever waits."""

    def close(self) -> None:
        """Hang up."""
        self._connection.disconnect()

    def _done(self, command: Packed) -> Any:
        whole = command if isinstance(command, bytes) else b"".join(command)
        self._connection.send_packed_command([whole])
        try:
            return self._connection.read_response()
        except RedisError as error:
            return sharpened(error)
