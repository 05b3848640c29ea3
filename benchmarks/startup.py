"""First use in a fresh process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import qstate
from benchmarks.measuring import Group, repeated
from tests.servers.redis import RedisServer


def fresh_process() -> Iterator[Group]:
    """Import, connect, one get; the raw thing is a Python that does nothing."""
    with RedisServer() as server, tempfile.TemporaryDirectory() as folder:
        sqlite = f"sqlite:///{Path(folder) / 'state.db'}"
        for url in (server.url, sqlite):
            with qstate.connect(url) as store:
                store.set("key", 1)
        programs = {
            "python -c pass": "pass",
            "import qstate": "import qstate",
            "SQLite, one get": f"import qstate; qstate.connect({sqlite!r}).get('key')",
            "Redis, one get": f"import qstate; qstate.connect({server.url!r}).get('key')",
            "redis-py, one get": f"import redis; redis.Redis(port={server.port}).get('key')",
        }
        idle, importing = list(programs)[:2]
        yield Group(
            "import qstate",
            [repeated(label, _runs(programs[label])) for label in (idle, importing)],
            more=0.06,
        )
        yield Group(
            "first use in a fresh process",
            [repeated(label, _runs(program)) for label, program in programs.items()],
            rounds=7,
        )


def _runs(program: str):  # type: ignore[no-untyped-def]
    return lambda: subprocess.run([sys.executable, "-c", program], check=True)


GROUPS = {"startup": fresh_process}
