"""Dialing: from a URL and its options to a connection that is logged in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as DriverConnectionError, NoPermissionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from qstate.backend import DEFAULT_TIMEOUT, InvalidURLError, StateURL, read_options
from qstate_backends.redis.connections import Link
from qstate_backends.redis.server import first_error
from qstate_backends.redis.wire import Packed, Wire, pack

Dial: TypeAlias = Callable[[float], Link]

PORT: Final = 6379
_SENTINEL_PORT: Final = 26379


def flag(value: object) -> bool:
    """An option that is on or off."""
    known = {"true": True, "yes": True, "on": True, "1": True}
    known |= {"false": False, "no": False, "off": False, "0": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false") from None


def database(value: object) -> int:
    """A database's number, as in the path of a URL."""
    text = str(value)
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"a database is a number such as 0, not {text!r}")
    return int(text)


def _certificates(value: object) -> str:
    if value not in ("required", "optional", "none"):
        raise ValueError(f"it is required, optional or none, not {value!r}")
    return str(value)


def size(value: object) -> int:
    """A number of values, one at least."""
    text = str(value)
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ValueError(f"it is a number of values such as 10000, not {text!r}")
    return int(text)


_TLS_OPTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "ssl_ca_certs": str,
    "ssl_ca_path": str,
    "ssl_cert_reqs": _certificates,
    "ssl_certfile": str,
    "ssl_check_hostname": flag,
    "ssl_keyfile": str,
    "ssl_password": str,
}
_ONE_SERVER: Final[dict[str, Callable[[Any], Any]]] = {"cache": size}
_SEVERAL_HOSTS: Final = {"ssl": flag, **_TLS_OPTIONS}
_OPTIONS: Final[dict[str, dict[str, Callable[[Any], Any]]]] = {
    "redis": _ONE_SERVER,
    "rediss": {**_ONE_SERVER, **_TLS_OPTIONS},
    "unix": {**_ONE_SERVER, "db": database},
    "redis+sentinel": {
        **_ONE_SERVER,
        **_SEVERAL_HOSTS,
        "sentinel_username": str,
        "sentinel_password": str,
    },
    "redis+cluster": {**_SEVERAL_HOSTS, "hashtag": str},
    "fakeredis": {},
}
SCHEMES: Final = frozenset(_OPTIONS)


class Account:
    """How to connect to any server of a store: who we are, which database, which TLS.

    Args:
        url: The store's URL.
        options: Its options, as given.

    Attributes:
        options: The options, converted.
        timeout: Seconds that a whole call may take.

    Raises:
        InvalidURLError: The URL or an option means nothing.
    """

    def __init__(self, url: StateURL, options: Mapping[str, Any]) -> None:
        self.url = url
        self.options = read_options(url, options, {"timeout": float, **_OPTIONS[url.scheme]})
        self.timeout: float = self.options.get("timeout", DEFAULT_TIMEOUT)
        self.database = self._database()
        self.tls = url.scheme == "rediss" or self.options.get("ssl", False)
        self._arguments = {k: v for k, v in self.options.items() if k in _TLS_OPTIONS}
        if self._arguments and not self.tls:
            name = min(self._arguments)
            raise InvalidURLError(f"{url}: {name!r} is for TLS; add ssl=true to turn TLS on")

    def _database(self) -> int:
        if self.url.scheme == "unix":
            return int(self.options.get("db", 0))
        parts = self.url.path.split("/")[1:]
        if self.url.scheme == "redis+sentinel":  # the first part names the service
            parts = parts[1:]
        try:
            return database("/".join(parts) or "0")
        except ValueError as error:
            raise InvalidURLError(f"{self.url}: {error}, in its path") from None

    def dial(self, host: str, port: int, deadline: float) -> Wire:
        """Connect to a server by TCP and log in, all before the deadline."""
        kind = SSLConnection if self.tls else Connection
        return self._open(kind, deadline, host=host, port=port, **self._arguments)

    def dial_path(self, path: str, deadline: float) -> Wire:
        """As :meth:`dial`, to a server's Unix socket."""
        return self._open(UnixDomainSocketConnection, deadline, path=path)

    def sentinel(self, hosts: Sequence[tuple[str, int]], remaining: float) -> Any:
        """The sentinels, each of which may take its part of the time that remains."""
        arguments = {
            **self._arguments,
            "ssl": self.tls,
            "username": self.options.get("sentinel_username"),
            "password": self.options.get("sentinel_password"),
            "socket_timeout": remaining / len(hosts),
            "socket_connect_timeout": remaining / len(hosts),
            "retry": Retry(NoBackoff(), 0),
        }
        sentinels: Callable[..., Any] = Sentinel
        return sentinels(hosts, sentinel_kwargs=arguments)

    def _open(self, kind: Callable[..., Any], deadline: float, **arguments: Any) -> Wire:
        remaining = max(deadline - time.monotonic(), 0.001)
        connection = kind(
            **arguments,
            protocol=2,
            socket_timeout=remaining,
            socket_connect_timeout=remaining,
            redis_connect_func=_leave_it_to_us,
        )
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        wire = Wire(connection, self.timeout)
        try:
            self._log_in(wire, deadline)
        except BaseException:
            wire.close()
            raise
        return wire

    def _log_in(self, wire: Wire, deadline: float) -> None:
        wire.limit(deadline)
        *replies, named = wire.ask_all(self._greeting(), deadline)
        if error := first_error(replies):
            raise error
        if isinstance(named, Exception) and not _is_harmless(named):
            raise named
        wire.limit(deadline)

    def _greeting(self) -> list[Packed]:
        url = self.url
        commands: list[Packed] = []
        if url.username is not None or url.password is not None:
            user = () if url.username is None else (url.username,)
            commands.append(pack("AUTH", *user, url.password or ""))
        if self.database:
            commands.append(pack("SELECT", self.database))
        return [*commands, pack("CLIENT", "SETNAME", "qstate")]


def dialer(account: Account) -> tuple[Dial, str]:
    """What connects to the one server of a store, and that server's address for messages.

    Raises:
        InvalidURLError: The URL names no such server.
    """
    url = account.url
    if url.scheme == "unix":
        return lambda deadline: account.dial_path(url.path, deadline), url.path
    if url.scheme == "redis+sentinel":
        return _sentinel_dialer(account)
    ((host, port),) = hosts_of(url)[:1]
    return lambda deadline: account.dial(host, port, deadline), f"{host}:{port}"


def hosts_of(url: StateURL) -> list[tuple[str, int]]:
    """The hosts of a URL, each with its port; those left out are the usual ones."""
    usual = _SENTINEL_PORT if url.scheme == "redis+sentinel" else PORT
    return [(host or "localhost", port or usual) for host, port in url.hosts or (("", None),)]


def _sentinel_dialer(account: Account) -> tuple[Dial, str]:
    url = account.url
    service = url.path.split("/")[1] if url.path else ""
    if not service:
        raise InvalidURLError(
            f"{url}: the path names the service, as in redis+sentinel://host:26379/mymaster/0"
        )
    sentinels = hosts_of(url)

    def dial(deadline: float) -> Wire:
        remaining = max(deadline - time.monotonic(), 0.001)
        asked = account.sentinel(sentinels, remaining)
        try:
            host, port = asked.discover_master(service)
        finally:
            for each in asked.sentinels:
                each.close()
        wire = account.dial(host, port, deadline)
        _make_sure_of_master(wire, deadline)
        return wire

    asked_hosts = ",".join(f"{host}:{port}" for host, port in sentinels)
    return dial, f"the master of {service} (sentinels {asked_hosts})"


def _make_sure_of_master(wire: Wire, deadline: float) -> None:
    """Refuse a master of yesterday: sentinels name one for a while, and its data is stale."""
    role = wire.ask(pack("ROLE"), deadline)
    if isinstance(role, list) and role[0] != b"master":
        wire.close()
        raise DriverConnectionError("the sentinels name a server that is not the master any more")


def _leave_it_to_us(connection: object) -> None:
    """Log in by ourselves: in one round trip, and within one deadline."""


def _is_harmless(error: Exception) -> bool:
    """Whether a server merely does not let us name our connection."""
    if isinstance(error, DriverConnectionError):
        return False
    return isinstance(error, NoPermissionError) or "unknown" in str(error).lower()
