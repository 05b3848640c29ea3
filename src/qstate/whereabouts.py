"""Where a store was opened, so that a copy of it elsewhere is not mistaken for it."""

from __future__ import annotations

import functools
import os
import socket
import uuid
from dataclasses import dataclass
from typing import Final

from qstate.backend import Reach
from qstate.errors import UnreachableStoreError


@dataclass(frozen=True, slots=True)
class Origin:
    """The host and the process in which a store was opened.

    Attributes:
        host: Differs between machines and between containers.
        process: Differs between processes, forked ones included.
    """

    host: str
    process: str

    @classmethod
    def here(cls) -> Origin:
        """This host and process."""
        return cls(_host(), _process(os.getpid()))

    def check(self, reach: Reach, url: str) -> None:
        """Refuse a store whose address means another store here than where it was opened.

        Raises:
            UnreachableStoreError: Its reach does not cover the way from there to here.
        """
        here = Origin.here()
        if reach == "host" and here.host != self.host:
            where = (
                f"on host {self.host.partition(' ')[0]}, and this is {here.host.partition(' ')[0]}"
            )
        elif reach == "process" and here.process != self.process:
            where = "in another process"
        else:
            return
        raise UnreachableStoreError(
            f"{url} was opened {where}; such a store is not shared that far. Use one that is: "
            "redis://, postgresql://, mariadb:// or actor://"
        )


@functools.cache
def _host() -> str:
    return f"{socket.gethostname()} {uuid.getnode():012x}"


_processes: Final[dict[int, str]] = {}
"""By number: a forked child has another, and so gets its own."""


def _process(pid: int) -> str:
    return _processes.get(pid) or _processes.setdefault(pid, uuid.uuid4().hex)
