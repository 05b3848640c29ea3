"""Run benchmarks: all of them, or those named."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    arrays,
    hot_path,
    instructions,
    on_ray,
    operations,
    page,
    report,
    scale,
    startup,
)
from benchmarks.measuring import Group, Result, measure

GROUPS: dict[str, Callable[[], Iterator[Group | Result]]] = {
    **hot_path.GROUPS,
    **on_ray.GROUPS,
    **operations.PROMISED,
    **arrays.GROUPS,
    **startup.GROUPS,
    **scale.GROUPS,
    **operations.GROUPS,
    **instructions.GROUPS,
}
_LONGEST = 400
"""Seconds that one name may take."""
_IN_ALL = 960
"""Seconds after which no name is begun that has not had its turn."""


def main() -> int:
    """Measure, print each table as it comes, and the promises at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, help="how often each subject is measured")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument(
        "--record", action="store_true", help="each name by itself; write the results and the page"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(GROUPS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    names = options.names or list(GROUPS)
    if options.record:
        return _record(names, options.rounds)
    print(report.machine())
    print(f"\n{report.promises(_measure(names, options.rounds, options.json))}")
    return 0


def _measure(names: list[str], rounds: int | None, file: Path | None) -> list[Result]:
    """Measure here, and write what there is after each group."""
    results: list[Result] = []
    for name in names:
        for group in GROUPS[name]():
            if isinstance(group, Group):
                group = measure(dataclasses.replace(group, rounds=rounds or group.rounds))
            results.append(group)
            print(f"\n{report.table(group)}", flush=True)
            if file:
                report.write_json(results, file)
    return results


def _record(names: list[str], rounds: int | None) -> int:
    """Measure each name in a process of its own, so that one that fails takes no other along."""
    end = time.monotonic() + _IN_ALL
    results: list[Result] = []
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            file = Path(folder) / f"{name}.json"
            command = [sys.executable, "-m", "benchmarks", name, f"--json={file}"]
            command += [f"--rounds={rounds}"] if rounds else []
            if not _ends_well(command, min(_LONGEST, end - time.monotonic())):
                failed.append(name)
            if file.exists():
                results += report.from_json(json.loads(file.read_text()))
    report.write_json(results, page.RESULTS)
    page.main()
    print(f"\n{report.promises(results)}")
    if failed:
        print(f"\nnot measured to their end: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _ends_well(command: list[str], seconds: float) -> bool:
    """Run a command, interrupted where it takes too long, so that it stops its servers."""
    if seconds <= 0:
        return False
    process = subprocess.Popen(command)
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        return False


if __name__ == "__main__":
    sys.exit(main())
