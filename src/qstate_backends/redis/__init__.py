"""Redis: a store for every machine that reaches the server.

``redis://user:password@host:port/db``, ``rediss://`` (TLS), ``unix:///path?db=``,
``redis+sentinel://h1,h2/service/db``, ``redis+cluster://h1,h2?hashtag=name`` and, for tests,
``fakeredis://name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from qstate.backend import Capabilities, StateURL, hookimpl
from qstate.store import StateStore

try:
    from qstate_backends.redis.backend import RedisBackend, RememberingRedisBackend
    from qstate_backends.redis.caching import CachingBackend
    from qstate_backends.redis.cluster import Cluster
    from qstate_backends.redis.connections import Connections
    from qstate_backends.redis.dialing import PORT, SCHEMES, Account, dialer, hosts_of
    from qstate_backends.redis.records import MAX_VALUE_BYTES
    from qstate_backends.redis.single import SingleServerBackend
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] not in ("redis", "hiredis"):
        raise
    raise ModuleNotFoundError(
        f"{error.name!r} is not installed, which stores in Redis need; "
        "install it with: pip install 'qstate[redis]'",
        name=error.name,
    ) from None

SCAN_WINDOW: Final = 1 << 14
"""Keys within which SCAN gives one again.

It goes through the server's table in an order in which what a smaller table has in one place stands
side by side, and begins that place again where the table has shrunk. So a key comes again only
within the share of all keys that one place of the smaller table holds (the comment of ``dictScan``
in Redis's ``dict.c``): this is enough as long as the table does not shrink to fewer places than a
16,384th of the keys that were scanned. More would outgrow the processor's caches.
"""

__all__ = [
    "RedisBackend",
    "RedisStateHandler",
    "RememberingRedisBackend",
    "qstate_address",
    "qstate_backend",
]


class RedisStateHandler(StateStore):
    """A state store in Redis.

    Args:
        host: Where the server is.
        port: Its port.
        db: The number of the database on it.
        password: The password, if one is asked for.
        username: The user, if not the default one.
        ssl: Whether to use TLS; then with ``ssl_ca_certs``, ``ssl_cert_reqs``, ``ssl_certfile``,
            ``ssl_keyfile``, ``ssl_check_hostname`` as further options.
        unix_socket_path: The server's socket on this host, in place of host and port.
        **options: As for :class:`~qstate.store.StateStore`: ``timeout`` in seconds and so on.

    Raises:
        InvalidURLError: An argument means nothing.

    Example:
        >>> RedisStateHandler("localhost", 6379)
        <RedisStateHandler | localhost:6379>
    """

    __slots__ = ()

    def __init__(
        self,
        host: str = "localhost",
        port: int = PORT,
        db: int = 0,
        password: str | None = None,
        *,
        username: str | None = None,
        ssl: bool = False,
        unix_socket_path: str | None = None,
        **options: Any,
    ) -> None:
        if unix_socket_path is not None:
            url = StateURL("unix", username, password, path=unix_socket_path)
            options["db"] = db
        else:
            scheme = "rediss" if ssl else "redis"
            url = StateURL(scheme, username, password, ((host, port),), f"/{db}")
        super().__init__(StateURL.parse(url.plain()), **options)

    def _label(self) -> str:
        url = self._address
        if isinstance(url, str) or url.scheme == "unix":
            return str(url)
        return f"{url.host}:{url.port}"


@hookimpl
def qstate_backend(url: StateURL, options: Mapping[str, Any]) -> RedisBackend | None:
    """The backend for a URL of Redis."""
    if url.scheme not in SCHEMES:
        return None
    account = Account(url, options)
    if url.scheme == "redis+cluster":
        return _cluster(account)
    if url.scheme == "fakeredis":
        return _fake(account)
    dial, address = dialer(account)
    connections = Connections(dial, address, account.timeout)
    capabilities = Capabilities(
        reach="host" if url.scheme == "unix" else "cluster",
        max_value_bytes=MAX_VALUE_BYTES,
        scan_window=SCAN_WINDOW,
    )
    if size := account.options.get("cache"):
        return CachingBackend(connections, capabilities, size, tls=account.tls)
    return SingleServerBackend(connections, capabilities, tls=account.tls)


@hookimpl
def qstate_address(url: StateURL) -> StateURL | None:
    """The form of a URL with what it leaves out: host, port and database."""
    if url.scheme not in SCHEMES or url.scheme in ("fakeredis", "unix"):
        return None
    path = url.path.rstrip("/")
    if not path and url.scheme in ("redis", "rediss"):
        path = "/0"
    return replace(url, hosts=tuple(hosts_of(url)), path=path)


def _cluster(account: Account) -> RedisBackend:
    hashtag = account.options.get("hashtag", "")
    capabilities = Capabilities(
        reach="cluster", max_value_bytes=MAX_VALUE_BYTES, several_keys=bool(hashtag)
    )
    kind = RememberingRedisBackend if hashtag else RedisBackend
    return kind(Cluster(account), capabilities, hashtag)


def _fake(account: Account) -> RedisBackend:
    from qstate_backends.redis.fake import FakeLink

    name = account.url.host or ""
    connections = Connections(
        lambda _: FakeLink(name, account.database), f"fakeredis://{name}", account.timeout
    )
    capabilities = Capabilities(reach="process", max_value_bytes=MAX_VALUE_BYTES)
    return RememberingRedisBackend(connections, capabilities)
