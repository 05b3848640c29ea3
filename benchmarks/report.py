"""What was measured, as JSON, a table and a chart."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measurement, Result

_PACKAGES = ("qstate", "redis", "hiredis", "psycopg", "sqlalchemy", "msgpack", "ray", "numpy")


def as_json(results: Sequence[Result], failed: Sequence[str] = ()) -> dict[str, Any]:
    """All of it, with the machine and the packages named."""
    return {
        "machine": machine(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "packages": {name: version(name) for name in _PACKAGES},
        "failed": list(failed),
        "results": [asdict(result) for result in results],
    }


def machine() -> str:
    """The processor, its cores and the Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def from_json(data: dict[str, Any]) -> list[Result]:
    """The results of a file that an earlier run wrote."""
    return [
        Result(**{**one, "measurements": [Measurement(**m) for m in one["measurements"]]})
        for one in data["results"]
    ]


def table(result: Result) -> str:
    """One group, as Markdown."""
    promised = "" if result.target is None else f", at most {result.target:g} × promised"
    lines = [
        f"**{result.title}**{promised}",
        "",
        "| | median | ± | ratio |",
        "| --- | ---: | ---: | ---: |",
    ]
    for one in result.measurements:
        row = (one.label, _time(one.median), _time(one.spread), f"{one.ratio:.2f}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def promises(results: Sequence[Result]) -> str:
    """The groups that have a target: what was promised beside what was measured."""
    lines = ["| path | raw thing | raw | qstate | ratio | promised | kept |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for result in results:
        ours = [one for one in result.measurements if one.label.startswith("qstate")]
        if result.target is None or not ours:
            continue
        raw, mine = result.measurements[0], ours[0]
        kept = "yes" if mine.ratio <= result.target else "no"
        row = (result.title, raw.label, _time(raw.median), _time(mine.median))
        lines.append(f"| {' | '.join(row)} | {mine.ratio:.2f} | {result.target:g} | {kept} |")
    return "\n".join(lines)


def chart(results: Sequence[Result], file: Path) -> None:
    """The promised groups as bars of ratios, in an SVG that is the same for the same results."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "qstate"
    import matplotlib.pyplot as plt

    shown = [result for result in results if result.target is not None]
    figure, axis = plt.subplots(figsize=(8, 0.42 * len(shown) + 1))
    for row, result in enumerate(reversed(shown)):
        mine = next(one for one in result.measurements if one.label.startswith("qstate"))
        share = mine.ratio / (result.target or 1)
        axis.barh(row, share, color="tab:blue" if share <= 1 else "tab:orange")
        axis.text(share, row, f" {mine.ratio:.2f} of {result.target:g} ×", va="center", fontsize=8)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_yticks(range(len(shown)), [result.title for result in reversed(shown)], fontsize=8)
    axis.set_xlabel("measured ratio to the raw thing, as a share of the promised one")
    axis.margins(x=0.25)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def write_json(data: Mapping[str, Any], file: Path) -> None:
    """Write the results for later comparison."""
    file.write_text(json.dumps(data, indent=1) + "\n")


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.2f} µs"
