"""Databases over TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import qstate
from tests.servers.certificates import certify
from tests.servers.mariadb import MariaDBServer, program
from tests.servers.postgres import PostgresServer, of_the_machine

Server = PostgresServer | MariaDBServer

CONNECTIONS = {
    PostgresServer: "SELECT pid FROM pg_stat_activity WHERE usename = 'ada' ORDER BY pid",
    MariaDBServer: "SELECT id FROM information_schema.processlist WHERE user = 'ada' ORDER BY id",
}
ENCRYPTED = {
    PostgresServer: "SELECT 'now', count(*) FROM pg_stat_ssl WHERE ssl",
    MariaDBServer: "SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'",
}
"""How many connections are encrypted, or have been."""


@pytest.fixture(scope="module", params=["PostgreSQL", "MariaDB"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each that offers TLS."""
    if request.param == "MariaDB":
        with MariaDBServer(program(), tls=True) as server:
            yield server
    else:
        with PostgresServer(of_the_machine(), tls=True) as server:
            yield server


def verified(server: Server, certificate: object) -> str:
    """Its URL, so that another certificate than this one is refused."""
    if isinstance(server, PostgresServer):
        return f"{server.url}?sslmode=verify-full&sslrootcert={certificate}"
    return f"{server.url}?ssl_ca={certificate}&ssl_verify_cert=1&ssl_verify_identity=1"


def test_all_goes_over_one_verified_connection(server):
    """Values of any size, transactions, changes that are told; and it is kept between calls."""
    with (
        server.client() as client,
        qstate.connect(verified(server, server.certificate)) as store,
        store.watch() as changes,
    ):
        before = told(client, CONNECTIONS[type(server)])
        for size in (10, 100_000, 5_000_000):
            store["a"] = b"x" * size
            assert store["a"] == b"x" * size
            assert changes.next(20).key == "a"
        store.set_many({f"k{n}": n for n in range(2000)})
        assert store.get_many(f"k{n}" for n in range(2000)) == {f"k{n}": n for n in range(2000)}
        store.transact(lambda tx: tx.set("a", tx["k1"] + 1))
        assert store.increment("a") == 3
        assert sum(1 for _ in store.scan("k")) == 2000
        assert set(told(client, CONNECTIONS[type(server)])) <= set(
            before
        )  # those of before may end
        store.clear(everything=True)


def test_another_certificate_is_refused(server, tmp_path):
    """With the reason, and before anything is sent."""
    other, _ = certify(tmp_path, "other")
    with (
        qstate.connect(verified(server, other)) as store,
        pytest.raises(qstate.StoreUnavailableError, match=r"(?i)certificate") as caught,
    ):
        store["a"] = 1
    assert caught.value.outcome == "not applied"


def test_what_offers_tls_is_spoken_to_over_it(server):
    """Though nobody asked for it: as the drivers do."""
    with server.client() as client, qstate.connect(server.url) as store:
        before = int(told(client, ENCRYPTED[type(server)])[0][1])
        store["a"] = 1
        assert int(told(client, ENCRYPTED[type(server)])[0][1]) == before + 1


def told(client, sql):
    """What a server says to a connection of its driver's own."""
    cursor = client.cursor()
    cursor.execute(sql)
    return cursor.fetchall()
