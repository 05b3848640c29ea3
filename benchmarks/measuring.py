"""Interleaved measurement: every subject of a group in every round, in an order that changes."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_FEWEST: Final = 3


@dataclass(frozen=True)
class Subject:
    """One way to do a thing.

    Attributes:
        label: What it is.
        run: Does it a number of times.
    """

    label: str
    run: Callable[[int], object]


def repeated(label: str, call: Callable[[], object]) -> Subject:
    """A subject that is one call, made over and over."""

    def run(times: int) -> None:
        for _ in range(times):
            call()

    return Subject(label, run)


@dataclass(frozen=True)
class Group:
    """Ways to do one thing, side by side; the first is the raw one that the others are held to.

    Attributes:
        title: What is done, as in "Redis get".
        subjects: The raw one first.
        target: What qstate's ratio to the raw one shall be at most; None: nothing is promised.
        more: How many seconds qstate shall take at most beyond the raw one, where that is promised.
        per: What one run of a subject counts for: a batch of 1,000 keys has 1,000.
        rounds: How often each subject is measured.
        seconds: How long one measurement takes, about.
        budget: Seconds after which no further round is begun, if there have been three.
    """

    title: str
    subjects: Sequence[Subject]
    target: float | None = None
    more: float | None = None
    per: int = 1
    rounds: int = 15
    seconds: float = 0.05
    budget: float = 8


@dataclass(frozen=True)
class Measurement:
    """What was measured of one subject.

    Attributes:
        label: The subject's.
        median: Seconds for each operation.
        spread: Half the distance between the quartiles, in seconds.
        ratio: To the raw subject: the median of the rounds' ratios.
    """

    label: str
    median: float
    spread: float
    ratio: float


@dataclass
class Result:
    """What was measured of one group; or counted, where the unit is another than seconds."""

    title: str
    target: float | None
    measurements: list[Measurement] = field(default_factory=list)
    unit: str = "s"
    more: float | None = None


def counted(title: str, unit: str, counts: Mapping[str, float]) -> Result:
    """A result whose figures need no repetition, such as bytes or instructions."""
    first = next(iter(counts.values()))
    figures = [Measurement(label, count, 0.0, count / first) for label, count in counts.items()]
    return Result(title, None, figures, unit)


def measure(group: Group) -> Result:
    """Measure the subjects of a group in turns, so that what disturbs one disturbs all."""
    gc.collect()
    gc.freeze()  # what stands already need not be looked at before each measurement
    times = {subject.label: _calibrate(subject, group.seconds) for subject in group.subjects}
    taken: dict[str, list[float]] = {label: [] for label in times}
    order = list(group.subjects)
    give_up = time.monotonic() + group.budget
    for done in range(group.rounds):
        if done >= _FEWEST and time.monotonic() > give_up:
            break
        random.shuffle(order)
        for subject in order:
            taken[subject.label].append(_time(subject, times[subject.label]) / group.per)
    raw = taken[group.subjects[0].label]
    return Result(
        group.title,
        group.target,
        [_summary(subject.label, taken[subject.label], raw) for subject in group.subjects],
        more=group.more,
    )


def _summary(label: str, taken: list[float], raw: list[float]) -> Measurement:
    low, middle, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else taken * 3
    ratio = statistics.median(mine / other for mine, other in zip(taken, raw, strict=True))
    return Measurement(label, middle, (high - low) / 2, ratio)


def _calibrate(subject: Subject, seconds: float) -> int:
    """How many times fill that many seconds; as a warm-up, twice, unless once takes that long."""
    times = 1
    if _time(subject, 1) > seconds:
        return 1
    while (took := _time(subject, times) * times) < seconds / 4:
        times *= 4
    return max(1, round(times * seconds / max(took, 1e-9)))


def _time(subject: Subject, times: int) -> float:
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        subject.run(times)
        return (time.perf_counter() - started) / times
    finally:
        gc.enable()
