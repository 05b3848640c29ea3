"""Connections of this process to Ray: on this machine, or at the host that a provider names.

A Ray may ask its callers for a token; one that a program starts for itself does so from Ray 2.59
on. For a Ray on this machine the token is looked up as Ray does for its own local cluster
(``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH``, ``~/.ray/auth_token``). To other hosts this process
sends a token only where ``RAY_AUTH_MODE=token`` is set.
"""

from __future__ import annotations

import inspect
import ipaddress
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

from qstate.errors import RayUnavailableError

TIMEOUT: Final = 10.0
"""Seconds within which a Ray must answer when it is first called."""


class Context:
    """A connection of this process to Ray. Leaving it undoes what entering it did, and no more.

    Attributes:
        dashboard_url: Host and port of Ray's dashboard and job server; empty where it has none.
    """

    def __init__(self, dashboard_url: str, *, opened: bool) -> None:
        self.dashboard_url = dashboard_url
        self._opened = opened

    def disconnect(self) -> None:
        """Leave Ray, if this context joined it; a Ray that it started ends with it."""
        if self._opened:
            self._opened = False
            load_ray().shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        return f"<Context | {self.dashboard_url or 'no dashboard'}>"


def load_ray() -> ModuleType:
    """The module ``ray``.

    Raises:
        RayUnavailableError: It isn't installed.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RayUnavailableError("Ray isn't installed here: pip install 'qstate[ray]'") from error
    module: ModuleType = ray
    return module


def join_local(**options: Any) -> Context:
    """Join the Ray of this machine, or of the job that this is; start one where none runs.

    Args:
        **options: As for ``ray.init``.

    Raises:
        RayUnavailableError: A Ray was found, but does not answer.
    """
    ray = load_ray()
    opened = not ray.is_initialized()
    options = {"include_dashboard": True, "ignore_reinit_error": True, **options}
    address = options.get("address") or os.environ.get("RAY_ADDRESS")
    with told(address or "this machine"):
        if opened and address and ":" in address:
            _await(address.removeprefix("ray://"))
        elif opened and not address and not runs_here():
            options["address"] = "local"
        with _agent_on_a_free_port():
            joined = ray.init(**options)
    return Context(joined.dashboard_url or "", opened=opened)


_agent_lock: Final = threading.Lock()


@contextmanager
def _agent_on_a_free_port() -> Iterator[None]:
    """Let a Ray that is started take any port for its agent, without which it runs no jobs.

    ``ray.init``, other than ``ray start``, has no option for it, and the usual one may be held by
    another Ray of this machine.
    """
    from ray._private.parameter import RayParams

    make: Any = RayParams.__init__
    names = list(inspect.signature(make).parameters)[-len(make.__defaults__ or ()) :]
    with _agent_lock:
        before = make.__defaults__
        make.__defaults__ = tuple(
            0 if name == "dashboard_agent_listen_port" else default
            for name, default in zip(names, before, strict=True)
        )
        try:
            yield
        finally:
            make.__defaults__ = before


def is_joined() -> bool:
    """Whether this process is connected to a Ray; does not load it."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def joined_address() -> str | None:
    """Where drivers find the Ray that this process joined; None where it is a client of one."""
    from ray.util.client import ray as client

    if client.is_connected():  # type: ignore[no-untyped-call]
        return None
    return str(load_ray().get_runtime_context().gcs_address)


def runs_here() -> bool:
    """Whether the Ray that was started last on this machine answers; ray.init would wait for it."""
    file = session_folder() / "ray_current_cluster"
    try:
        _await(file.read_text().strip())
    except OSError:
        return False
    return True


def session_folder() -> Path:
    """Where Ray keeps the files of its sessions on this machine."""
    return Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray"


def join_host(host: str, port: int, **options: Any) -> Context:
    """Join a Ray cluster as its client.

    Args:
        host: Where the cluster's head is.
        port: Its client server's port.
        **options: As for ``ray.init``.

    Raises:
        RayUnavailableError: No Ray answers there in time, it refuses this process's token, or this
            process is connected to another Ray.
    """
    ray = load_ray()
    address = f"ray://{join_port(host, port)}"
    if ray.is_initialized():
        return _rejoin(address)
    show_token(host)
    with told(address):
        _await(join_port(host, port))
        joined = ray.init(address, **options)
    _joined[:] = [address]
    return Context(joined.dashboard_url or "", opened=True)


_joined: Final[list[str]] = []


def _rejoin(address: str) -> Context:
    from ray.util.client import ray as client

    connected = client.is_connected()  # type: ignore[no-untyped-call]
    if connected and _joined == [address]:
        return Context("", opened=False)
    raise RayUnavailableError(
        f"{address} can't be joined, as this process is connected to another Ray; "
        "end that `with` first, or call ray.shutdown()"
    )


def join_port(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def show_token(host: str) -> None:
    """Where ``host`` is this machine and a token is at hand, show it, as Ray does by itself."""
    from ray._private.authentication import authentication_token_setup as tokens

    if _is_loopback(host):
        tokens.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _await(address: str) -> None:
    """Wait until a gRPC server answers; ray.init alone would try for minutes.

    Args:
        address: Host and port.

    Raises:
        OSError: None does, in time.
    """
    import grpc  # type: ignore[import-untyped]

    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), TIMEOUT).close()
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=TIMEOUT)
        except grpc.FutureTimeoutError:
            raise ConnectionError(f"no answer within {TIMEOUT:g} s") from None


@contextmanager
def told(address: str) -> Iterator[None]:
    """Tell what keeps a Ray from answering, where it is and what to do."""
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError as error:
        raise RayUnavailableError(
            f"{address} takes no call without its token: set RAY_AUTH_MODE=token, and the token by "
            "RAY_AUTH_TOKEN_PATH, RAY_AUTH_TOKEN or ~/.ray/auth_token"
        ) from error
    except OSError as error:
        raise RayUnavailableError(
            f"no Ray answers at {address} ({_last_line(error)}); start one there "
            "(`ray start --head`, or `docker compose up`), or correct the provider's host and ports"
        ) from error


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
