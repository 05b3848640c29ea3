"""Waiting for what must come, and reading on while others write."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from qstate.store import StateStore
from qstate.watching import Change, Changes

PATIENCE = 20.0
"""Seconds to wait for what must come; a machine may be busy."""


def until(condition: Callable[[], object], what: str) -> None:
    """Ask again until the condition holds.

    Raises:
        AssertionError: It did not come to hold.
    """
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"{what}: did not happen within {PATIENCE} s"
        time.sleep(0.005)


def told(changes: Changes, last: Callable[[Change], object]) -> list[Change]:
    """The changes up to the one that is waited for.

    Raises:
        AssertionError: It was not told.
    """
    seen: list[Change] = []
    give_up = time.monotonic() + PATIENCE
    while not seen or not last(seen[-1]):
        left = give_up - time.monotonic()
        change = changes.next(left) if left > 0 else None
        assert change is not None, f"was not told within {PATIENCE} s; told: {_brief(seen)}"
        seen.append(change)
    return seen


def told_of(changes: Changes, keys: Iterable[str]) -> list[Change]:
    """The changes up to the one by which each of the keys was told."""
    waiting = set(keys)

    def last(change: Change) -> bool:
        waiting.discard(change.key)
        return not waiting

    return told(changes, last)


def _brief(seen: list[Change]) -> list[tuple[str, str]]:
    return [(change.key, change.kind) for change in seen[-5:]]


@contextmanager
def decided(limit: float) -> Iterator[None]:
    """End the ``with`` block with an error where it takes longer: a wrong store may go on for ever.

    It is the main thread's that is ended; elsewhere, and where there are no signals, none is.

    Raises:
        AssertionError: It took longer than ``limit`` seconds.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGUSR2"):
        yield
        return

    def end(*_: object) -> NoReturn:
        raise AssertionError(f"the law was not decided within {limit} s")

    before = signal.signal(signal.SIGUSR2, end)
    timer = threading.Timer(limit, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR2))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR2, before)


@contextmanager
def hearing(store: StateStore) -> Iterator[list[Change]]:
    """What is told while the ``with`` block runs, by a watch that a thread of its own reads."""
    heard: list[Change] = []
    failures: list[BaseException] = []

    def hear() -> None:
        try:
            for change in changes:
                heard.append(change)  # noqa: PERF402 - as they come
        except BaseException as error:  # noqa: BLE001 - raised at the end of the block
            failures.append(error)

    with store.watch() as changes:
        reader = threading.Thread(target=hear)
        reader.start()
        try:
            yield heard
        finally:
            changes.close()
            reader.join()
    if failures:
        raise failures[0]


@contextmanager
def meanwhile(*calls: Callable[[], object], pause: float = 0.0) -> Iterator[Callable[[], int]]:
    """Run each call again and again in a thread of its own while the ``with`` block runs.

    What one raises is raised at the end of the block.

    Args:
        *calls: What is run.
        pause: Seconds between two calls.

    Yields:
        Tells how often each of them has been run by now.
    """
    done = threading.Event()
    failures: list[BaseException] = []
    times = [0] * len(calls)

    def repeat(place: int) -> None:
        try:
            calls[place]()
            times[place] += 1
            while not done.wait(pause):
                calls[place]()
                times[place] += 1
        except BaseException as error:  # noqa: BLE001 - raised at the end of the block
            failures.append(error)

    places = range(len(calls))
    threads = [threading.Thread(target=repeat, args=(place,), daemon=True) for place in places]
    for thread in threads:
        thread.start()
    try:
        yield lambda: min(times)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, each made in a thread of its own, all at the same time."""
    ready = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)
    failures: list[BaseException] = []

    def call(place: int) -> None:
        ready.wait()
        try:
            results[place] = calls[place]()
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    places = range(len(calls))
    threads = [threading.Thread(target=call, args=(place,), daemon=True) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results
