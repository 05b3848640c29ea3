"""A Ray of three nodes, each on a machine of its own, with a notebook and servers on two others."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tests.servers.machines import SUBNET, Machine, joined, why_none
from tests.servers.postgres import PASSWORD, PostgresServer, of_the_wheel
from tests.servers.process import ServerProcess
from tests.servers.ray import RAY
from tests.servers.redis import RedisServer

NODES = ("head", "node-1", "node-2")

_SMALL = (
    "--block",
    "--disable-usage-stats",
    "--include-log-monitor=false",
    "--num-cpus=1",
    f"--object-store-memory={80 * 2**20}",
)
_SETTINGS = {
    "RAY_raylet_start_wait_time_s": "200",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
}
_ALIVE = """
import json, os, sys, time, urllib.request
head, wanted = sys.argv[1], set(sys.argv[2].split(","))
token = open(os.environ["RAY_AUTH_TOKEN_PATH"]).read()
request = urllib.request.Request(
    f"http://{head}:8265/nodes?view=summary", headers={"Authorization": f"Bearer {token}"}
)
alive = None
while alive != wanted:
    time.sleep(0.1)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            nodes = json.load(answer)["data"]["summary"]
    except OSError:
        continue
    alive = {node["hostname"] for node in nodes if node["raylet"].get("state") == "ALIVE"}
"""


class LabRedis(RedisServer):
    """A Redis on a machine; tests look at it through a socket in its folder."""

    def __init__(self, machine: Machine, password: str) -> None:
        self._host = machine.host
        self.socket = machine.files / "redis.sock"
        options = ("--bind", machine.host, "--unixsocket", str(self.socket))
        super().__init__("8", *options, port=6379, password=password)
        self.command = machine.on(*self.command)

    @property
    def address(self) -> str:
        """Host and port, for the machines."""
        return f"{self._host}:{self.port}"

    def database(self, number: int) -> str:
        """The URL of one of its databases, for the machines."""
        return f"{self.url.removesuffix('0')}{number}"

    def client(self, **options: object) -> redis.Redis:
        """A client of redis-py's own, for the tests."""
        where = {"unix_socket_path": str(self.socket), "password": self.password}
        return redis.Redis(**where, **options)  # type: ignore[arg-type]


class LabPostgres(PostgresServer):
    """A PostgreSQL on a machine; tests look at it through a socket in its folder."""

    def __init__(self, machine: Machine) -> None:
        self._host = machine.host
        super().__init__(of_the_wheel(), f"listen_addresses={machine.host}")
        with (self._data / "pg_hba.conf").open("a") as access:
            access.write(f"host all all {SUBNET} scram-sha-256\n")
        self.command = machine.on(*self.command)

    @property
    def address(self) -> str:
        """Host and port, for the machines."""
        return f"{self._host}:{self.port}"

    def client(self, database: str = "qstate") -> psycopg.Connection:
        """A connection of psycopg's own, for the tests."""
        return psycopg.connect(
            host=str(self._home),
            port=self.port,
            user="ada",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
        )


class RayCluster:
    """Three nodes of Ray, which ask their callers for a token.

    Args:
        machines: Those of ``NODES``, ``notebook`` and ``servers``.
        token: The file of the token.

    Attributes:
        machines: As given.
        redis: On ``servers``.
        postgres: On ``servers``.
    """

    def __init__(self, machines: Mapping[str, Machine], token: Path) -> None:
        self.machines = machines
        self._token = token
        self.redis = LabRedis(machines["servers"], "a-password")
        self.postgres = LabPostgres(machines["servers"])
        self._nodes = {name: self._node(name) for name in NODES}
        self._crashed: set[str] = set()
        self._running = ExitStack()

    def __enter__(self) -> RayCluster:
        first = (self.redis, self.postgres, self._nodes["head"])
        others = (self._nodes["node-1"], self._nodes["node-2"])
        with ExitStack() as running, ThreadPoolExecutor() as pool:
            for servers in (first, others):
                list(pool.map(running.enter_context, servers))
            self._await_nodes()
            running.callback(self._crash_all)
            self._running = running.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def _crash_all(self) -> None:
        for machine in self.machines.values():
            machine.crash()

    def run(self, script: str, *arguments: object, on: str = "notebook", **variables: str) -> Any:
        """Run a Python script on a machine; the JSON in the last line that it prints."""
        return self.machines[on].run(script, *arguments, **self._variables(), **variables)

    def config(self) -> dict[str, object]:
        """As ``QuantumServerless`` takes it on the notebook."""
        resource = {"name": "lab", "host": self.machines["head"].host, "python": sys.executable}
        return {"providers": [{"name": "lab", "compute_resource": resource}]}

    def crash(self, name: str) -> None:
        """End all processes of a node at once (SIGKILL)."""
        self.machines[name].crash()
        self._crashed.add(name)

    def make_whole(self) -> None:
        """Have nodes that crashed start anew and join the others."""
        for name in self._crashed:
            self._nodes[name].kill()
            self._nodes[name].log.unlink()
            self._nodes[name].start()
        if self._crashed:
            self._await_nodes()
            self._crashed.clear()

    def _await_nodes(self) -> None:
        self.run(_ALIVE, self.machines["head"].host, ",".join(NODES))

    def _node(self, name: str) -> ServerProcess:
        machine, head = self.machines[name], self.machines["head"].host
        if name == "head":
            role = ("--head", "--port=6379", "--dashboard-host=0.0.0.0")
            resources = {name: 1}
        else:
            role = (f"--address={head}:6379",)
            resources = {name: 1, "worker": 1}
        node = ServerProcess(
            machine.on(
                *(sys.executable, *RAY, "start", *role, *_SMALL),
                f"--node-ip-address={machine.host}",
                f"--resources={json.dumps(resources)}",
            ),
            ready=lambda: "Ray runtime started" in node.log.read_text(),
            folder=machine.files,
            timeout=240,
            env={**os.environ, **self._variables(), **_SETTINGS},
        )
        return node

    def _variables(self) -> dict[str, str]:
        return {
            "RAY_TMPDIR": str(self.machines["head"].own),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._token),
            "GRPC_ENABLE_FORK_SUPPORT": "0",
        }


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[RayCluster]:
    """Three nodes of Ray on machines of their own; a test that ends one has it recover."""
    reason = why_none()
    if reason is not None:
        pytest.skip(f"not applicable: no namespaces can be made here: {reason}")
    # Short, as the paths of Ray's sockets may have 107 characters.
    lab = Path(tempfile.mkdtemp(prefix="qs"))
    (lab / "token").write_text("a-token-that-only-these-machines-know")
    try:
        with joined(lab, *NODES, "notebook", "servers") as machines:
            with RayCluster(machines, lab / "token") as cluster:
                yield cluster
    finally:
        shutil.rmtree(lab)
