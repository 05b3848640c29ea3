"""A real MariaDB server of the machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pymysql.connections
import pytest

from tests.servers.certificates import certify
from tests.servers.process import ServerProcess, free_port

PASSWORD = "an-easy-one"
MAX_ALLOWED_PACKET = 128 * 1024 * 1024
_SETUP = f"""
CREATE DATABASE IF NOT EXISTS qstate;
CREATE USER IF NOT EXISTS ada@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO ada@'%';
"""


class MariaDBServer(ServerProcess):
    """A MariaDB server with one empty database, ``qstate``.

    Args:
        server: The path of ``mariadbd``.
        *options: Further options of it.
        tls: Whether it offers TLS, with a certificate of its own for 127.0.0.1.
    """

    def __init__(self, server: str, *options: str, tls: bool = False) -> None:
        self.port = free_port()
        self._home = Path(tempfile.mkdtemp(prefix="qstate-mariadb-"))
        if tls:
            self.certificate, key = certify(self._home, "server")
            options += (f"--ssl-cert={self.certificate}", f"--ssl-key={key}")
        data = self._home / "data"
        setup = self._home / "setup.sql"
        setup.write_text(_SETUP)
        _install(data)
        command = (
            server,
            "--no-defaults",
            f"--datadir={data}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self._home / 'mariadb.sock'}",
            f"--pid-file={self._home / 'mariadb.pid'}",
            f"--init-file={setup}",
            "--user=root",
            f"--max-allowed-packet={MAX_ALLOWED_PACKET}",
            "--innodb-log-file-size=512M",
            *options,
        )
        super().__init__(command, self._answers, folder=self._home)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"mariadb://ada:{PASSWORD}@{self.address}/qstate"

    def client(self) -> pymysql.connections.Connection:
        """A connection of PyMySQL's own, to look at the server past qstate; use it by ``with``."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="ada",
            password=PASSWORD,
            database="qstate",
            autocommit=True,
            connect_timeout=2,
        )

    def empty(self) -> None:
        """Remove all that is in it."""
        with self.client() as client, client.cursor() as cursor:
            cursor.execute("DROP DATABASE qstate")
            cursor.execute("CREATE DATABASE qstate")

    def _answers(self) -> bool:
        self.client().close()
        return True

    def __exit__(self, *error: object) -> None:
        try:
            super().__exit__(*error)
        finally:
            shutil.rmtree(self._home)


def _install(data: Path) -> None:
    """Make an empty folder of data; on a busy machine the first try may fail."""
    command = (
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
    )
    for _ in range(3):
        done = subprocess.run(command, check=False, capture_output=True, cwd=data.parent)
        if done.returncode == 0:
            return
        shutil.rmtree(data, ignore_errors=True)
    raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).decode()}")


def program() -> str:
    """The path of the machine's server; the test is skipped where there is none."""
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if found is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("this machine has no MariaDB")
    return found


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDBServer]:
    """A MariaDB, shared by all tests that leave it clean or use tables of their own."""
    with MariaDBServer(program()) as server:
        yield server


@pytest.fixture
def own_mariadb() -> Iterator[MariaDBServer]:
    """A MariaDB of the test's own, to kill, pause and restart."""
    with MariaDBServer(program()) as server:
        yield server
