"""What the tests of several backends share."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.servers.behind_a_proxy import LOST, cut, direct, proxy, store_server, store_url

__all__ = ["cut", "direct", "proxy", "store_server", "store_url"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how many answers were lost: how much is behind the tests that lose some."""
    lost: Counter[str] = Counter()
    for report in (each for reports in terminalreporter.stats.values() for each in reports):
        if getattr(report, "when", None) == "teardown":
            for name, count in report.user_properties:
                if name.startswith(LOST):
                    lost[name.removeprefix(LOST)] += count
    if lost:
        told = ", ".join(f"{scheme} {count}" for scheme, count in sorted(lost.items()))
        terminalreporter.write_line(f"answers lost by the proxy: {told}")
