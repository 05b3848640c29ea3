"""What a thousand million keys and ten thousand tasks would need, by what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measuring import Result

_KEYS, _TASKS = 10**9, 10**4
_EACH = 10  # operations of a task each second


def text(results: Sequence[Result]) -> str:
    """The arithmetic, as Markdown; nothing where what it rests on was not measured."""
    try:
        key = _figure(results, "Redis, memory of a key with the small value", "MEMORY USAGE")
        get = _figure(results, "Redis get", "qstate")
        scan = _figure(results, "Redis scan, each key", "qstate, of 1,000,000")
        file = _figure(results, "SQLite, a key with the small value", "of the file")
        tasks = _figure(results, "Redis increment, from tasks", "8 tasks, 8 keys")
    except StopIteration:
        return "The benchmarks that this is computed from have not been run."
    held, wanted = key * _KEYS, _TASKS * _EACH
    return "\n".join(
        [
            "| what | computed | from |",
            "| --- | ---: | --- |",
            f"| memory of Redis | {held / 1e9:,.0f} GB | {key:,.0f} bytes a key × 10⁹ |",
            f"| servers of 64 GB, three quarters full | {-(-held // 48e9):,.0f} "
            f"| {held / 1e9:,.0f} GB ÷ 48 GB |",
            f"| disk of an SQL table | {file * _KEYS / 1e9:,.0f} GB "
            f"| {file:,.0f} bytes a key × 10⁹ |",
            f"| keys that one such Redis holds | {48e9 / key / 1e6:,.0f} million "
            f"| 48 GB ÷ {key:,.0f} bytes |",
            f"| a whole scan, by one reader | {scan * _KEYS / 60:,.0f} minutes "
            f"| {scan * 1e6:.2g} µs a key × 10⁹ |",
            f"| operations of 10⁴ tasks, {_EACH} each second | {wanted:,} /s | 10⁴ × {_EACH} |",
            f"| increments that one Redis gave to tasks here | {1 / tasks:,.0f} /s "
            f"| 1 ÷ {tasks * 1e6:,.0f} µs |",
            f"| servers of that speed for these, if all are increments "
            f"| {-(-wanted * tasks // 1):,.0f} | {wanted:,} × {tasks * 1e6:,.0f} µs |",
            f"| gets of one task, one after another | {1 / get:,.0f} /s "
            f"| 1 ÷ {get * 1e6:,.0f} µs |",
        ]
    )


def _figure(results: Sequence[Result], title: str, label: str) -> float:
    measurements = next(result for result in results if result.title == title).measurements
    return next(one.median for one in measurements if one.label == label)
