"""Address: what a URL and its options say, checked without I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qstate.backend import DEFAULT_TIMEOUT, InvalidURLError, StateURL, read_options

DEFAULT_PORT = 4222
DEFAULT_BUCKET = "qstate"


def _between(low: int, high: int, value: object) -> int:
    number = int(str(value))
    if not low <= number <= high:
        raise ValueError(f"a number from {low} to {high}")
    return number


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a bucket is, and how it is made if it is not there.

    Attributes:
        name: For messages, without secrets.
        bucket: The bucket's name.
        servers: URLs without secrets.
        login: Arguments of ``nats.connect``.
        timeout: Seconds that a call may take.
        history: How many values of a key the bucket keeps.
        replicas: How many servers keep it.
        max_payload: The servers' limit for one message, in bytes.
    """

    name: str
    bucket: str
    servers: tuple[str, ...]
    login: Mapping[str, Any] = field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    history: int = 1
    replicas: int = 1
    max_payload: int = 2**20

    @classmethod
    def read(cls, url: StateURL, options: Mapping[str, Any]) -> Address:
        """What a URL says.

        Raises:
            InvalidURLError: The bucket's name or an option means nothing to NATS.
        """
        bucket = url.path.strip("/") or DEFAULT_BUCKET
        if not re.fullmatch(r"[A-Za-z0-9_-]+", bucket):
            raise InvalidURLError(f"{url}: a bucket's name has letters, digits, - and _ only")
        known: dict[str, Callable[[Any], Any]] = {
            "timeout": float,
            "history": lambda value: _between(1, 64, value),
            "replicas": lambda value: _between(1, 5, value),
            "max_payload": lambda value: _between(4096, 2**26, value),
        }
        hosts = url.hosts or (("localhost", None),)
        return cls(
            name=", ".join(f"{host}:{port or DEFAULT_PORT}" for host, port in hosts),
            bucket=bucket,
            servers=tuple(f"nats://{_host(host)}:{port or DEFAULT_PORT}" for host, port in hosts),
            login=_login(url),
            **read_options(url, options, known),
        )


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _login(url: StateURL) -> Mapping[str, Any]:
    if url.username is None:
        return {}
    if url.password is None:
        return {"token": url.username}
    return {"user": url.username, "password": url.password}
