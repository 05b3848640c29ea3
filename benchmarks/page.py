"""docs/performance.md: what stands there between marks is written from the results of a run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from benchmarks import paper, report

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"


def filled(page: str, data: dict[str, object]) -> str:
    """The page with the text between each pair of marks made anew."""
    results = report.from_json(data)
    texts = {
        "machine": f"{data['machine']}; {_packages(data)}; {str(data['measured'])[:10]}.",
        "promises": report.promises(results),
        "paper": paper.text(results),
        "tables": "\n\n".join(report.table(result) for result in results),
    }
    for name, text in texts.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = between.sub(lambda marks, text=text: f"{marks[1]}\n{text}\n\n{marks[2]}", page)
    return page


def _packages(data: dict[str, object]) -> str:
    packages = data["packages"]
    assert isinstance(packages, dict)
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def main() -> None:
    """Write page and chart from the results that stand in ``benchmarks/results.json``."""
    data = json.loads(RESULTS.read_text())
    PAGE.write_text(filled(PAGE.read_text(), data))
    report.chart(report.from_json(data), CHART)


if __name__ == "__main__":
    sys.exit(main())
