"""The command stores: what is installed, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, PackageNotFoundError, entry_points, version

from qstate import plugins
from qstate.backend import StateURL
from qstate.cli import printing
from qstate.cli.options import Common
from qstate.errors import BackendNotFoundError, InvalidURLError


@dataclass(frozen=True)
class Installed:
    """A scheme that some plug-in serves; what is needed to use it, where something is."""

    scheme: str
    distribution: str
    needs: str | None


@dataclass(frozen=True)
class Extra:
    """An extra of a distribution, with those of its packages that are not installed."""

    distribution: str
    extra: str
    missing: list[str]

    @property
    def install(self) -> str:
        """What brings it."""
        return f"pip install '{self.distribution}[{self.extra}]'"


def stores(*, common: Common = Common()) -> None:  # noqa: B008
    """List the kinds of stores that are installed, and extras that are missing."""
    found = [_installed(scheme) for scheme in plugins.schemes()]
    missing = [extra for extra in _extras() if extra.missing]
    if common.json:
        extras = [{**asdict(extra), "install": extra.install} for extra in missing]
        printing.document({"stores": [asdict(one) for one in found], "missing_extras": extras})
        return
    rows = [(f"{one.scheme}://", one.distribution, one.needs or "ready") for one in found]
    printing.table(("store", "from", "state"), rows, missing="qstate: no store is installed")
    for extra in missing:
        printing.line(f"missing: {', '.join(extra.missing)} ({extra.install})")


def _installed(scheme: str) -> Installed:
    needs = None
    try:
        plugins.backend_for(StateURL(scheme), {}).close()
    except InvalidURLError:
        pass  # it was there to refuse a URL without a host
    except BackendNotFoundError as error:
        needs = str(error).rpartition("; ")[2]
    except Exception as error:  # noqa: BLE001 - of a plug-in of anyone's
        needs = f"{type(error).__name__}: {error}"
    return Installed(scheme, plugins.distribution_of(scheme), needs)


def _extras() -> Iterator[Extra]:
    distributions = {
        entry.dist.name: entry.dist for entry in entry_points(group=plugins.GROUP) if entry.dist
    }
    for _, distribution in sorted(distributions.items()):
        yield from _extras_of(distribution)


def _extras_of(distribution: Distribution) -> Iterator[Extra]:
    """The smallest first, each with what is missing and in none before it."""
    packages: dict[str, list[str]] = {}
    for requirement in distribution.requires or ():
        match = re.match(r"([\w.-]+).*;.*extra\s*==\s*['\"]([\w.-]+)['\"]", requirement)
        if match:
            packages.setdefault(match[2], []).append(match[1])
    told = {distribution.name}
    for extra, names in sorted(packages.items(), key=lambda item: len(item[1])):
        missing = [name for name in dict.fromkeys(names) if not _is_installed(name)]
        yield Extra(distribution.name, extra, [name for name in missing if name not in told])
        told.update(missing)


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
