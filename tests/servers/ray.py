"""A real Ray: ``ray start --head`` on free ports, once per session of tests."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from qstate.runner.connection import session_folder
from tests.servers.names import Names
from tests.servers.process import ServerProcess, free_port

FREE_PORTS = (
    "--dashboard-agent-listen-port=0",
    "--dashboard-agent-grpc-port=0",
    "--metrics-export-port=0",
    "--min-worker-port=0",
    "--max-worker-port=0",
)
"""Options of ``ray start`` that let Ray choose the ports that nobody has to know."""

RAY = ("-m", "ray.scripts.scripts")
"""The command line of Ray, as an interpreter runs it."""

_COMMAND = (
    *RAY,
    "start",
    "--head",
    "--block",
    "--disable-usage-stats",
    "--node-ip-address=127.0.0.1",
    "--num-cpus=2",
    f"--object-store-memory={100 * 2**20}",
    *FREE_PORTS,
)
_OWN_VARIABLES = (
    "RAY_TMPDIR",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_AUTH_MODE",
    "RAY_ADDRESS",
)


@dataclass(frozen=True)
class RayHead:
    """Where the head of a Ray cluster is.

    Attributes:
        port: That of its global control service, for drivers on this machine.
        port_interactive: That of its client server.
        port_job_server: That of its dashboard and job server.
    """

    host: str
    port: int
    port_interactive: int
    port_job_server: int

    @property
    def address(self) -> str:
        """As ``ray.init`` takes it."""
        return f"{self.host}:{self.port}"

    def config(self, name: str = "docker") -> dict[str, object]:
        """As ``QuantumServerless`` takes it."""
        resource = {
            "name": name,
            "host": self.host,
            "port_interactive": self.port_interactive,
            "port_job_server": self.port_job_server,
        }
        return {"providers": [{"name": name, "compute_resource": resource}]}


@contextmanager
def ray_running(env: Mapping[str, str] | None = None, *options: str) -> Iterator[RayHead]:
    """A Ray head that runs while the ``with`` block does; it asks its callers for a token.

    Args:
        env: Its environment; None: that of the tests.
        *options: Further options of ``ray start``.
    """
    with ray_started(env, *options) as (head, _):
        yield head


@contextmanager
def ray_started(
    env: Mapping[str, str] | None = None,
    *options: str,
    python: str | Path = sys.executable,
) -> Iterator[tuple[RayHead, ServerProcess]]:
    """As :func:`ray_running`, with its process, which may be killed.

    Args:
        env: Its environment; None: that of the tests.
        *options: Further options of ``ray start``.
        python: The interpreter that it runs with, and its jobs.
    """
    head = RayHead("127.0.0.1", free_port(), free_port(), free_port())
    ports = [
        f"--port={head.port}",
        f"--ray-client-server-port={head.port_interactive}",
        f"--dashboard-port={head.port_job_server}",
    ]
    # Ray's client server forks while gRPC is in use: with gRPC's own fork handlers some forks die.
    env = {**(os.environ if env is None else env), "GRPC_ENABLE_FORK_SUPPORT": "0"}
    server = ServerProcess(
        [python, *_COMMAND, *ports, *options], ready=lambda: _answers(head), timeout=90, env=env
    )
    with latest_as_before(), server:
        yield head, server
        server.kill()  # asked to end, it takes 3 to 20 s after many jobs


@contextmanager
def latest_as_before() -> Iterator[None]:
    """Name the Ray anew that started last before this block: jobs of a head run on that one."""
    latest = session_folder() / "ray_current_cluster"
    before = latest.read_bytes() if latest.exists() else None
    try:
        yield
    finally:
        if before is not None:
            latest.write_bytes(before)


def _answers(head: RayHead) -> bool:
    """Whether jobs can be submitted: the head's node has come up, not the dashboard alone."""
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text()
    request = urllib.request.Request(
        f"http://{head.host}:{head.port_job_server}/nodes?view=summary",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        nodes = json.load(answer)["data"]["summary"]
    return bool(nodes) and nodes[0]["raylet"].get("state") == "ALIVE"


@pytest.fixture(scope="session")
def ray_environment() -> Iterator[None]:
    """Keep Ray's files and its token in a folder of the tests, whatever runs on this machine."""
    before = {name: os.environ.get(name) for name in _OWN_VARIABLES}
    # Short, as the paths of Ray's sockets may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="qs"))
    token = folder / "token"
    token.write_text("a-token-that-only-these-tests-know")
    for name in _OWN_VARIABLES:
        os.environ.pop(name, None)
    os.environ["RAY_TMPDIR"] = str(folder)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def no_ray(ray_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no Ray ran on this machine: processes of the test find none, and start their own."""
    folder = tempfile.mkdtemp(prefix="qs")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    before = ray_heads()
    yield
    left = ray_heads() - before
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"a Ray was left behind: {left}"


def ray_heads() -> set[int]:
    """The process ids of the heads of Ray that this machine runs under this process."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if child.name() == "gcs_server"}


@pytest.fixture(scope="session")
def names(tmp_path_factory: pytest.TempPathFactory) -> Names:
    """Names that resolve in the shared Ray, its jobs and tasks; none until a test sets some."""
    names = Names(tmp_path_factory.mktemp("names") / "names.json")
    names.set({})
    return names


@pytest.fixture(scope="session")
def ray_head(ray_environment: None, names: Names) -> Iterator[RayHead]:
    """The Ray head that the tests of a session share; processes of tests connect to it."""
    with ray_running(names.environment()) as head:
        yield head


@pytest.fixture(scope="session")
def ray_session(ray_head: RayHead) -> Iterator[RayHead]:
    """This process, connected to the shared Ray as a driver, until the tests end."""
    import ray

    from qstate.runner.connection import show_token

    show_token(ray_head.host)
    ray.init(ray_head.address, log_to_driver=False, logging_level="warning")
    try:
        yield ray_head
    finally:
        ray.shutdown()
