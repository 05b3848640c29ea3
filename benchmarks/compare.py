"""Another revision beside this tree, in turns: ``make bench-compare BASE=revision``."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_TURNS = 3
_NAMES = ("memory", "sqlite", "redis")


def main(base: str, *names: str) -> None:
    """Print the time of each operation here, as a ratio to the base's."""
    taken: dict[tuple[str, str], dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, base], check=True)
        try:
            for _ in range(_TURNS):
                for side, source in (("base", tree / "src"), ("here", Path("src"))):
                    for key, median in _measure(source, names or _NAMES):
                        taken.setdefault(key, {}).setdefault(side, []).append(median)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)
    print(f"\n{'':40} {base:>12} {'here':>12} {'ratio':>7}")
    for (title, _), sides in taken.items():
        before, now = (statistics.median(sides[side]) for side in ("base", "here"))
        print(f"{title:40} {before * 1e6:>9.2f} µs {now * 1e6:>9.2f} µs {now / before:>7.2f}")


def _measure(source: Path, names: tuple[str, ...]) -> list[tuple[tuple[str, str], float]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        subprocess.run(
            [sys.executable, "-m", "benchmarks", *names, "--rounds=7", f"--json={file}"],
            env={**os.environ, "PYTHONPATH": str(source.resolve())},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        results = json.loads(file.read_text())["results"]
    return [
        ((result["title"], one["label"]), one["median"])
        for result in results
        for one in result["measurements"]
        if one["label"] == "qstate"
    ]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("which revision? make bench-compare BASE=main")
    main(*sys.argv[1:])
