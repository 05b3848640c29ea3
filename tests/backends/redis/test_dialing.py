"""Ways to a server: TLS, a Unix socket, sentinels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from qstate.backend import InvalidURLError, Put, StoreUnavailableError, Version
from qstate_backends.redis import RedisStateHandler
from tests.backends.redis.conftest import Connect
from tests.servers.certificates import certify
from tests.servers.process import free_port, wait_until
from tests.servers.redis import RedisServer, Sentinel, TLSRedisServer

PUT = Put("a", Version.new(), (b"data",))
LARGE = Put("a", Version.new(), (b"head", bytes(3_000_000)))


@pytest.fixture(scope="module")
def tls_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSRedisServer]:
    """A server that speaks TLS only."""
    with TLSRedisServer(tmp_path_factory.mktemp("tls")) as server:
        yield server


def test_tls_carries_everything(tls_redis: TLSRedisServer, connect: Connect) -> None:
    """With a trusted certificate small and large values go both ways, call after call."""
    backend = connect(tls_redis.url, ssl_ca_certs=str(tls_redis.certificate))
    for put, data in ((PUT, b"data"), (LARGE, b"head" + bytes(3_000_000))):
        for _ in range(5):
            backend.write([put])
            assert backend.read_data(["a"]) == (data,)
        backend.write([put], require={"a": put.version})


def test_a_certificate_that_is_not_trusted_is_refused(
    tls_redis: TLSRedisServer, connect: Connect
) -> None:
    """Without the means to verify it nothing is sent; the error says why."""
    with pytest.raises(StoreUnavailableError, match="certificate verify failed") as caught:
        connect(tls_redis.url).write([PUT])
    assert caught.value.outcome == "not applied"


def test_a_certificate_need_not_be_verified(tls_redis: TLSRedisServer, connect: Connect) -> None:
    """Verification can be switched off, in the URL too."""
    backend = connect(f"{tls_redis.url}?ssl_cert_reqs=none&ssl_check_hostname=false")
    backend.write([PUT])


def test_a_client_can_show_a_certificate(connect: Connect, tmp_path: Path) -> None:
    """A server that asks for the client's certificate gets it."""
    client, key = certify(tmp_path, "client")
    options = ("--tls-auth-clients", "yes", "--tls-ca-cert-file", str(client))
    shown = {"ssl_certfile": str(client), "ssl_keyfile": str(key)}
    with _TLSWithClients(tmp_path, *options, shown=shown) as server:
        backend = connect(server.url, ssl_ca_certs=str(server.certificate), **shown)
        backend.write([PUT])
        unknown = connect(server.url, ssl_ca_certs=str(server.certificate))
        with pytest.raises(StoreUnavailableError):
            unknown.write([PUT])


class _TLSWithClients(TLSRedisServer):
    def __init__(self, folder: Path, *options: str, shown: dict[str, str]) -> None:
        self._shown = shown
        super().__init__(folder, *options)

    def client(self, **options: object):  # type: ignore[no-untyped-def]
        return super().client(**self._shown, **options)


def test_a_handler_speaks_tls(tls_redis: TLSRedisServer) -> None:
    """RedisStateHandler does with ``ssl=True``."""
    trusted = {"ssl_ca_certs": str(tls_redis.certificate)}
    with RedisStateHandler("127.0.0.1", tls_redis.port, ssl=True, **trusted) as store:
        store["a"] = [1, 2.5]
        assert store["a"] == [1, 2.5]


def test_plain_words_to_a_tls_server_are_an_error(
    tls_redis: TLSRedisServer, connect: Connect
) -> None:
    """The other way round from what the server speaks is no hang."""
    with pytest.raises(StoreUnavailableError):
        connect(f"redis://{tls_redis.address}", timeout=1).write([PUT])


def test_a_unix_socket_is_a_way(tmp_path: Path, connect: Connect) -> None:
    """A server on this host is reached by its socket; its databases by ``db``."""
    path = tmp_path / "redis.sock"
    with RedisServer("8", "--unixsocket", str(path)) as server:
        connect(f"unix://{path}?db=2").write([PUT])
        with server.client(db=2) as client:
            assert client.get("a") == b"\xc1R" + PUT.version + b"data"
        with RedisStateHandler(unix_socket_path=str(path), db=3) as store:
            store["a"] = 1
            assert repr(store) == f"<RedisStateHandler | unix://{path}>"
        assert connect(f"unix://{path}").read_data(["a"]) == (None,)


@pytest.fixture
def sentinel_url(tmp_path: Path) -> Iterator[tuple[str, RedisServer, RedisServer]]:
    """A sentinel's URL, the master that it watches, and that one's replica."""
    with ExitStack() as running:
        master = running.enter_context(RedisServer("7.0"))
        replica = running.enter_context(_replica_of(master))
        sentinel = running.enter_context(Sentinel(tmp_path, master))
        wait_until(lambda: sentinel.replicas() == 1, what="the sentinel to know the replica")
        # The first sentinel is not there, so the second is asked.
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}"
        yield f"redis+sentinel://{hosts}/service/0", master, replica


def _replica_of(master: RedisServer) -> RedisServer:
    return RedisServer("7.0", "--replicaof", "127.0.0.1", str(master.port))


def test_sentinels_tell_the_master(
    sentinel_url: tuple[str, RedisServer, RedisServer], connect: Connect
) -> None:
    """Writes go to the master that the sentinels name, and after a failover to the new one."""
    url, master, replica = sentinel_url
    backend = connect(url)
    backend.write([PUT])
    with master.client() as client:
        assert client.exists("a") == 1
    master.kill()

    def is_written() -> bool:
        backend.write([PUT])
        return True

    wait_until(is_written, 30, "the failover")
    with replica.client() as client:
        assert client.info("replication")["role"] == "master"
        assert client.exists("a") == 1


def test_a_service_unknown_to_the_sentinels_is_told(
    sentinel_url: tuple[str, RedisServer, RedisServer], connect: Connect
) -> None:
    """The error names the service and the sentinels that were asked."""
    url = sentinel_url[0].replace("/service/", "/elsewhere/")
    with pytest.raises(StoreUnavailableError, match="elsewhere") as caught:
        connect(url, timeout=2).write([PUT])
    assert caught.value.outcome == "not applied"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://localhost/zero", "a database is a number"),
        ("redis://localhost/-1", "a database is a number"),
        ("redis://localhost/1/2", "a database is a number"),
        ("redis://localhost?databse=1", "unknown option 'databse'"),
        ("redis://localhost?ssl_ca_certs=x", "unknown option 'ssl_ca_certs'"),
        ("redis://localhost?timeout=soon", "'timeout' has no usable value"),
        ("rediss://localhost?ssl_cert_reqs=maybe", "required, optional or none"),
        ("rediss://localhost?ssl_check_hostname=maybe", "neither true nor false"),
        ("redis+sentinel://localhost", "the path names the service"),
        ("redis+cluster://localhost?ssl_ca_certs=x", "add ssl=true"),
        ("unix:///run/redis.sock?db=x", "a database is a number"),
    ],
)
def test_a_url_that_means_nothing_is_refused(connect: Connect, url: str, told: str) -> None:
    """A mistake in a URL is told when the store is made, before anything is connected."""
    with pytest.raises(InvalidURLError, match=told):
        connect(url)
