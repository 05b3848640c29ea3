"""Database: where a server is, how it is spoken to, and one call from its beginning to its end."""

from __future__ import annotations

import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar, TypeVarTuple, Unpack

from qstate.backend import (
    DEFAULT_TIMEOUT,
    Capabilities,
    InvalidURLError,
    StateError,
    StateURL,
    read_options,
    time_left,
    translate_errors,
)
from qstate_backends.sql import table
from qstate_backends.sql.sessions import Row, S, Sessions
from qstate_backends.sql.statements import Statements

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

_spread: Final = random.Random()  # its own: a user's seeded one is left alone


class Database(ABC, Generic[S]):
    """A database with the table of a store in it.

    Args:
        url: Where the database is.
        options: ``timeout`` (seconds), ``table`` (its name), and those of ``known_options``.

    Attributes:
        address: The URL without secrets and options.
        pause: Waits for so many seconds before a call is tried again.
    """

    capabilities: ClassVar[Capabilities]
    kind: ClassVar[table.Kind]
    errors: ClassVar[Mapping[type[BaseException], type[StateError]]]
    known_options: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def __init__(self, url: StateURL, options: Mapping[str, Any]) -> None:
        known: dict[str, Callable[[Any], Any]] = {
            "timeout": float,
            "table": _table_name,
            **self.known_options,
        }
        self.options = read_options(url, options, known)
        self.timeout: float = self.options.pop("timeout", DEFAULT_TIMEOUT)
        self.table: str = self.options.pop("table", "qstate")
        self.url = url
        self.address = str(url.with_options({}))
        self.sql = self.statements(self.table)
        self.sessions = Sessions(self.connect)
        self.pause: Callable[[float], None] = time.sleep

    @abstractmethod
    def statements(self, table: str) -> Statements:
        """The statements as the driver takes them."""

    @abstractmethod
    def connect(self, deadline: float) -> S:
        """A new session."""

    @abstractmethod
    def fetch(self, session: S, sql: str, keys: Sequence[bytes]) -> list[Row]:
        """What a query gives for several keys, as of one moment."""

    @abstractmethod
    def lock(self, session: S, keys: Sequence[bytes]) -> list[Row]:
        """Key and version of the live records among ``keys``, sorted; held until commit."""

    @abstractmethod
    def delete_rows(self, session: S, keys: Sequence[bytes]) -> None:
        """As ``later``: delete the rows of ``keys`` inside a transaction."""

    @abstractmethod
    def is_passing(self, error: BaseException) -> bool:
        """Whether the server rolled back for reasons of its own, so that trying again helps."""

    @abstractmethod
    def is_missing_table(self, error: BaseException) -> bool:
        """Whether the table is not there."""

    def is_existing_table(self, error: BaseException) -> bool:  # noqa: ARG002 - for those who need it
        """Whether the table, or its index, was made by another while it was to be made here."""
        return False

    # -- one call --------------------------------------------------------------------------------

    def call(self, work: Callable[[S, Unpack[Ts]], R], *args: *Ts) -> R:
        """Do ``work`` with this thread's session, again where the server asks for it."""
        deadline = time.monotonic() + time_left(self.timeout)
        while True:
            session = None
            try:
                session = self.sessions.ready(deadline)
                return work(session, *args)
            except BaseException as error:
                with translate_errors(self.address, self.errors) as gate:
                    gate.sent = session is not None and self._is_unsettled(session, error)
                    if gate.sent or not self._may_repeat(session, error, deadline):
                        raise
            finally:
                if session is not None:
                    self.sessions.put_back(session)

    def _is_unsettled(self, session: S, error: BaseException) -> bool:
        if session.recover(error):
            return False
        self.sessions.drop(session)
        return session.sent

    def _may_repeat(self, session: S | None, error: BaseException, deadline: float) -> bool:
        if session is not None and self.is_missing_table(error):
            self._make_table(session)
            if time.monotonic() >= deadline:  # what is missing is time: the table is there by now
                raise TimeoutError(f"the timeout of {self.timeout:g} s passed") from error
        elif self.is_passing(error):
            self.pause(_spread.uniform(0.001, 0.02))
        else:
            return False
        return time.monotonic() < deadline

    def _make_table(self, session: S) -> None:
        """Make the table; several processes may do so at once."""
        try:
            session.begin()
            for statement in table.definition(self.table, self.kind):
                session.run(statement)
            session.commit()
        except BaseException as error:
            if not session.recover(error):
                self.sessions.drop(session)
            if not (self.is_existing_table(error) or self.is_passing(error)):
                raise


def required_database(url: StateURL) -> str:
    """The name of the database in a URL's path.

    Raises:
        InvalidURLError: There is none.
    """
    name = url.path.removeprefix("/")
    if not name:
        raise InvalidURLError(f"{url} names no database: write {url.scheme}://user@host/database")
    return name


def _table_name(value: object) -> str:
    name = str(value)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,47}", name) is None:
        raise ValueError("letters, digits and _ are expected, up to 48, no digit first")
    return name
