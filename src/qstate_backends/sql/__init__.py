"""The SQL store: SQLite, PostgreSQL, MariaDB and MySQL.

``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://user:password@host:5432/name``,
``mariadb://user:password@host:3306/name``. The classes of the backends name their options. Drivers
are imported here only for the schemes that need them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qstate.backend import Backend, BackendNotFoundError, InvalidURLError, StateURL, hookimpl
from qstate.store import StateStore

__all__ = ["SQLStateHandler"]

SCHEMES = ("mariadb", "mysql", "postgresql", "sqlite")


@hookimpl
def qstate_backend(url: StateURL, options: Mapping[str, Any]) -> Backend | None:
    """The backend for a database's URL."""
    if url.scheme == "sqlite":
        from qstate_backends.sql.sqlite import SQLiteBackend

        return SQLiteBackend(url, options)
    if url.scheme == "postgresql":
        with _driver_of("postgres"):
            from qstate_backends.sql.postgresql import PostgreSQLBackend

        return PostgreSQLBackend(url, options)
    if url.scheme in {"mariadb", "mysql"}:
        with _driver_of("mysql"):
            from qstate_backends.sql.mysql import MySQLBackend

        return MySQLBackend(url, options)
    return None


@contextmanager
def _driver_of(extra: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise BackendNotFoundError(
            f"the driver can't be imported ({error}); "
            f"install it with: pip install 'qstate[{extra}]'"
        ) from error


@hookimpl
def qstate_address(url: StateURL) -> StateURL | None:
    """SQLite files by their absolute path, so that workers in other folders open the same."""
    if url.scheme != "sqlite":
        return None
    from qstate_backends.sql.sqlite import absolute_url

    return absolute_url(url)


class SQLStateHandler(StateStore):
    """A state store in an SQL database.

    Args:
        url: ``sqlite:///path``, ``postgresql://…``, ``mysql://…`` or ``mariadb://…``.
        **options: ``timeout`` in seconds, ``table``, and others of the database's backend.

    Raises:
        InvalidURLError: The URL is no database's, or an option means nothing.
        BackendNotFoundError: The database's driver is not installed; the message says which.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with SQLStateHandler(f"sqlite:///{folder}/state.db") as store:
        ...     store["energy"] = -1.137
        ...     store["energy"]
        -1.137
    """

    def __init__(self, url: str | StateURL, /, **options: Any) -> None:
        parsed = url if isinstance(url, StateURL) else StateURL.parse(url)
        if parsed.scheme not in SCHEMES:
            raise InvalidURLError(f"{parsed} is no database; known here: {', '.join(SCHEMES)}")
        super().__init__(parsed, **options)
