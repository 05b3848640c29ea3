"""The command doctor: what works here, and what to do where it doesn't."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Literal

from qstate.cli import printing
from qstate.cli.failing import FAILED, masked
from qstate.cli.options import OnStore
from qstate.cli.providers import OnRay
from qstate.errors import RayUnavailableError, StateError
from qstate.runner.health import ray_health
from qstate.store import connect


@dataclass(frozen=True)
class Finding:
    """What was found, with what to do about it in its text."""

    what: str
    state: Literal["ok", "warning", "failed"]
    told: str


def doctor(*, on: OnStore = OnStore(), ray: OnRay = OnRay()) -> int:  # noqa: B008
    """Check that the store and Ray can be reached, and that versions match."""
    found = [
        Finding(
            "python", "ok", f"qstate {version('qstate')} on Python {platform.python_version()}"
        ),
        _checked("store", lambda: _store(on)),
        _checked("ray", lambda: _ray(ray)),
    ]
    failed = any(finding.state == "failed" for finding in found)
    if on.json:
        printing.document({"ok": not failed, "findings": [asdict(one) for one in found]})
    else:
        for finding in found:
            printing.line(f"{finding.state:<8} {finding.what:<8} {finding.told}")
    return FAILED if failed else 0


def _checked(what: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (StateError, ValueError, OSError) as error:
        return Finding(what, "failed", masked(" ".join(str(error).split())))


def _store(on: OnStore) -> Finding:
    with connect(on.store) as store:
        started = time.perf_counter()
        store.ping()
        took = (time.perf_counter() - started) * 1000
        info = store.info()
    kept = "kept" if info.durable else "lost"
    return Finding(
        "store",
        "ok",
        f"{info.url} answered in {took:.1f} ms; it reaches as far as the {info.reach}, and is "
        f"{kept} when it restarts; served by {info.plugin}",
    )


def _ray(on: OnRay) -> Finding:
    provider = on.serverless().selected
    try:
        health = ray_health(provider.compute_resource)
    except RayUnavailableError as error:
        if "isn't installed" not in str(error):
            raise
        return Finding("ray", "warning", f"{error}; stores work without it")
    if health is None:
        return Finding("ray", "ok", "none runs on this machine; jobs and tasks start one")
    if mismatch := health.mismatch():
        return Finding("ray", "failed", f"{health.address}: {mismatch}")
    versions = f": Ray {health.ray}, Python {health.python}" if health.ray else ""
    return Finding("ray", "ok", f"{provider.name} answers at {health.address}{versions}")
