"""Run benchmarks: all of them, or those named."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import arrays, hot_path, on_ray, operations, report, startup
from benchmarks.measuring import Group, measure

GROUPS: dict[str, Callable[[], Iterator[Group]]] = {
    **hot_path.GROUPS,
    **on_ray.GROUPS,
    **arrays.GROUPS,
    **startup.GROUPS,
    **operations.GROUPS,
}


def main() -> int:
    """Measure, print each table as it comes, and the promises at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, help="how often each subject is measured")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    if unknown := set(options.names) - set(GROUPS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    results = []
    print(report.machine())
    for name in options.names or GROUPS:
        for group in GROUPS[name]():
            if options.rounds:
                group = dataclasses.replace(group, rounds=options.rounds)
            results.append(measure(group))
            print(f"\n{report.table(results[-1])}", flush=True)
    print(f"\n{report.promises(results)}")
    if options.json:
        report.write_json(results, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
