"""What a thousand million keys and ten thousand tasks cost, computed from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.measuring import Result

KEYS: Final = 1e9
TASKS: Final = 1e4
SERVER: Final = 64e9
"""Bytes of memory of one machine; half of it is left for snapshots, which copy what is written."""


def computed(results: Sequence[Result]) -> str:
    """The arithmetic as a Markdown table, of what was measured in this run."""
    rows = [*_space(results), *_time(results), *_limits(results)]
    lines = ["| what | arithmetic | comes to |", "| --- | --- | ---: |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _space(results: Sequence[Result]) -> Iterator[tuple[str, str, str]]:
    each = _figure(results, "Redis, memory of a key with the small value", "MEMORY USAGE")
    share = _figure(results, "Redis, memory of a key with the small value", "used_memory")
    if each and share:
        yield (
            "Redis, memory by `MEMORY USAGE`",
            f"10⁹ keys × {each:.0f} bytes",
            f"{KEYS * each / 1e9:.0f} GB",
        )
        total = KEYS * share
        yield (
            "Redis, its share of `used_memory`, the table of keys included",
            f"10⁹ keys × {share:.0f} bytes",
            f"{total / 1e9:.0f} GB",
        )
        yield (
            "servers of 64 GB, half of it filled",
            f"{total / 1e9:.0f} GB ÷ 32 GB",
            f"{-(-total // (SERVER / 2)):.0f}",
        )
    if file := _figure(results, "SQLite, a key with the small value", "of the file"):
        yield "SQLite, the file", f"10⁹ keys × {file:.0f} bytes", f"{KEYS * file / 1e9:.0f} GB"


def _time(results: Sequence[Result]) -> Iterator[tuple[str, str, str]]:
    for store in ("Redis", "SQLite"):
        if scan := _figure(results, f"{store} scan, each key", "qstate, of 1,000,000"):
            yield f"{store}, a scan of all keys by one client", *_product("10⁹ keys", KEYS, scan)
    for store in ("Redis", "PostgreSQL", "SQLite"):
        if put := _figure(results, f"{store} set_many of 1,000", "qstate"):
            what = f"{store}, all keys written by one client, 1,000 at a time"
            yield what, *_product("10⁹ keys", KEYS, put)


def _limits(results: Sequence[Result]) -> Iterator[tuple[str, str, str]]:
    for store in ("Redis", "PostgreSQL"):
        if one := _figure(results, f"{store} increment, from 8 processes", "8 keys"):
            what = f"{store}, the shortest time between two increments of each of 10⁴ tasks"
            yield what, *_product("10⁴ tasks", TASKS, one)
            yield (
                f"{store}, increments a second of all tasks at which to share the keys out",
                f"half of 1 ÷ {_seconds(one)}",
                f"{0.5 / one:,.0f}",
            )
    if share := _figure(results, "Redis, memory of a key with the small value", "used_memory"):
        yield (
            "Redis, keys at which to share them out",
            f"32 GB ÷ {share:.0f} bytes",
            f"{SERVER / 2 / share / 1e6:.0f} million",
        )


def _figure(results: Sequence[Result], title: str, label: str) -> float | None:
    found = (
        one.median
        for result in results
        if result.title == title
        for one in result.measurements
        if one.label.startswith(label)
    )
    return next(found, None)


def _product(name: str, count: float, seconds: float) -> tuple[str, str]:
    return f"{name} × {_seconds(seconds)}", _seconds(count * seconds)


def _seconds(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
