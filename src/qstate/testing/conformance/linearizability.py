"""Whether a recorded concurrent history could have happened one operation after another.

The search of J. Wing and C. Gong, "Testing and verifying concurrent objects" (1993), with the
remembered configurations of G. Lowe, "Testing for linearizability" (2017).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

ABSENT: Final = "absent"
BOUND: Final = 200_000
"""Configurations that are looked at before the search gives up."""


class Event(NamedTuple):
    """One operation: what was asked, what was answered, and between which moments."""

    key: str
    name: str
    argument: Any
    result: Any
    called: float
    returned: float


class UndecidedError(Exception):
    """The search gave up: the history overlaps too much."""


def not_linearizable(history: Iterable[Event]) -> list[str]:
    """The keys whose operations could not have happened one after another.

    Raises:
        UndecidedError: The search gave up.

    Example:
        >>> late = Event("r", "read", None, "absent", 2.0, 3.0)
        >>> not_linearizable([Event("r", "write", "a", None, 0.0, 1.0), late])
        ['r']
    """
    by_key: dict[str, list[Event]] = defaultdict(list)
    for event in history:
        by_key[event.key].append(event)
    return sorted(key for key, events in by_key.items() if not linearizable(events))


def told(history: Iterable[Event], keys: Iterable[str]) -> str:
    """The operations on some keys, a line each, in milliseconds since the first of them."""
    wanted = set(keys)
    events = sorted(
        (event for event in history if event.key in wanted), key=lambda event: event.called
    )
    lines = [
        f"{(event.called - events[0].called) * 1e3:10.3f} to "
        f"{(event.returned - events[0].called) * 1e3:10.3f}  "
        f"{event.key} {event.name}({event.argument!r}) gave {event.result!r}"
        for event in events
    ]
    return "\n".join(["no order of these explains what they gave:", *lines])


def linearizable(events: Sequence[Event], initial: Any = ABSENT) -> bool:
    """Whether the operations on one key have an order that fits their times and answers."""
    ordered = sorted(events, key=lambda event: event.called)
    everything = (1 << len(ordered)) - 1
    pending: list[tuple[int, Any]] = [(0, initial)]
    known: set[tuple[int, Any]] = set()
    while pending:
        done, state = pending.pop()
        if done == everything:
            return True
        for place in _next(ordered, done):
            legal, after = _apply(ordered[place], state)
            configuration = (done | 1 << place, after)
            if legal and configuration not in known:
                known.add(configuration)
                pending.append(configuration)
        if len(known) > BOUND:
            raise UndecidedError(f"{len(events)} operations overlap too much")
    return False


def _next(ordered: Sequence[Event], done: int) -> Iterator[int]:
    """The places of those that may come next: no other that is left ended before they began."""
    place = (~done & (done + 1)).bit_length() - 1
    left: list[int] = []
    first_end = float("inf")
    while place < len(ordered) and ordered[place].called <= first_end:
        if not done >> place & 1:
            left.append(place)
            first_end = min(first_end, ordered[place].returned)
        place += 1
    return (place for place in left if ordered[place].called <= first_end)


def _apply(event: Event, state: Any) -> tuple[bool, Any]:
    """Whether the answer fits the state, and the state after it."""
    match event.name:
        case "read":
            return event.result == state, state
        case "write":
            return True, event.argument
        case "remove":
            return event.result == (state != ABSENT), ABSENT
        case "pop":
            return event.result == state, ABSENT
        case "default":
            stands = event.argument if state == ABSENT else state
            return event.result == stands, stands
        case "exchange":
            return event.result == state, event.argument
        case "increment":
            total = (0 if state == ABSENT else state) + event.argument
            return event.result == total, total
        case "swap":
            expected, new = event.argument
            return event.result == (state == expected), new if state == expected else state
    raise ValueError(f"no operation is named {event.name!r}")
