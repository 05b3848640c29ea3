"""What was measured, as JSON, a table and a chart."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measurement, Result

_PACKAGES = ("qstate", "redis", "hiredis", "psycopg", "sqlalchemy", "msgpack", "ray", "numpy")


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """All of it, with the machine and the packages named."""
    return {
        "machine": machine(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "packages": {name: version(name) for name in _PACKAGES},
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
        Result(
            one["title"],
            one["target"],
            [Measurement(**each) for each in one["measurements"]],
            one.get("unit", "s"),
            one.get("more"),
        )
        for one in data["results"]
    ]


def table(result: Result) -> str:
    """One group, as Markdown."""
    promised = "" if result.target is None else f", at most {result.target:g} × promised"
    if result.unit != "s":
        lines = [f"**{result.title}**", "", f"| | {result.unit} | ratio |", "| --- | ---: | ---: |"]
        rows = [(m.label, f"{m.median:,.0f}", f"{m.ratio:.3f}") for m in result.measurements]
    else:
        lines = [f"**{result.title}**{promised}", "", "| | median | ± | ratio |"]
        lines.append("| --- | ---: | ---: | ---: |")
        rows = [
            (m.label, _time(m.median), _time(m.spread), f"{m.ratio:.2f}")
            for m in result.measurements
        ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def promises(results: Sequence[Result]) -> str:
    """The groups that have a target: what was promised beside what was measured."""
    lines = ["| path | raw thing | raw | qstate | ratio | promised | kept |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for result in results:
        ours = _ours(result)
        if not ours or result.target is result.more is None:
            continue
        raw, mine = result.measurements[0], ours[0]
        row = (result.title, raw.label, _time(raw.median), _time(mine.median))
        lines.append(f"| {' | '.join((*row, *_judged(result, raw, mine)))} |")
    return "\n".join(lines)


def _judged(result: Result, raw: Measurement, mine: Measurement) -> tuple[str, str, str]:
    """What was measured, what was promised, and whether it was kept."""
    if result.more is not None:
        more = mine.median - raw.median
        kept = "yes" if more <= result.more else "no"
        return f"+ {_time(more)}", f"+ {_time(result.more)}", kept
    assert result.target is not None
    return f"{mine.ratio:.2f}", f"{result.target:g}", "yes" if mine.ratio <= result.target else "no"


def chart(results: Sequence[Result], file: Path) -> None:
    """The promised groups as bars of ratios, in an SVG that is the same for the same results."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "qstate"
    import matplotlib.pyplot as plt

    shown = [result for result in results if result.target is not None and _ours(result)]
    if not shown:
        return
    figure, axis = plt.subplots(figsize=(8, 0.42 * len(shown) + 1))
    for row, result in enumerate(reversed(shown)):
        mine = _ours(result)[0]
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


def _ours(result: Result) -> list[Measurement]:
    """What is held to the target: our own labels, or the second of what is compared."""
    return [m for m in result.measurements if m.label.startswith(("qstate", "import qstate"))]


def write_json(results: Sequence[Result], file: Path) -> None:
    """Write the results for later comparison."""
    file.write_text(json.dumps(as_json(results), indent=1) + "\n")


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.2f} µs"
