"""Run benchmarks: all of them, or those named."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import arrays, hot_path, on_ray, operations, page, report, startup
from benchmarks.measuring import Group, Result, measure

GROUPS: dict[str, Callable[[], Iterator[Group]]] = {
    **hot_path.GROUPS,
    **on_ray.GROUPS,
    **arrays.GROUPS,
    **startup.GROUPS,
    **operations.GROUPS,
}
_LONGEST: Final = 240
"""Seconds after which a benchmark counts as hanging."""


def main() -> int:
    """Measure, print each table as it comes, and the promises at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, help="how often each subject is measured")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument(
        "--page", action="store_true", help="write docs/performance.md, and its chart"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(GROUPS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    print(report.machine())
    results, failed = run(options.names or list(GROUPS), options.rounds)
    print(f"\n{report.promises(results)}")
    data = report.as_json(results, failed)
    if options.json:
        report.write_json(data, options.json)
    if options.page:
        page.write(data)
    if failed:
        print(f"\nfailed, and not among the results: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(names: Sequence[str], rounds: int | None) -> tuple[list[Result], list[str]]:
    """The results of the benchmarks named, and which of them failed: those lose no other's."""
    results: list[Result] = []
    failed: list[str] = []
    for name in names:
        started = time.monotonic()
        try:
            with _at_most(_LONGEST):
                results.extend(_measured(group, rounds) for group in GROUPS[name]())
        except Exception:  # noqa: BLE001 - whatever it is, the others are measured
            traceback.print_exc()
            failed.append(name)
        print(f"\n{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return results, failed


def _measured(group: Group, rounds: int | None) -> Result:
    if rounds:
        group = dataclasses.replace(group, rounds=rounds)
    result = measure(group)
    print(f"\n{report.table(result)}", flush=True)
    return result


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    sys.exit(main())
