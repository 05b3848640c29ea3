"""Expiry: to 50 ms, on every way of writing, and an expired key is absent to every call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple

import pytest

from qstate.backend import KEEP, Version
from qstate.encoded import ABSENT
from qstate.errors import ConflictError, MissingKeyError, UnsupportedOperationError
from qstate.store import StateStore
from qstate.testing.conformance.faults import declaring_less
from qstate.testing.conformance.laws import Laws, Tally, can, found, needs
from qstate.testing.conformance.versions import standing
from qstate.testing.conformance.waiting import hearing, meanwhile, told, until
from qstate.watching import Change

PRECISION: Final = 0.05
"""Seconds that an expiry may be early or late."""

NEVER: Final = float("inf")

WAYS: Final[Mapping[str, Callable[[StateStore, str, Any], object]]] = {
    "set": lambda store, key, ttl: store.set(key, 2, ttl=ttl),
    "if_version": lambda store, key, ttl: store.set(
        key, 2, ttl=ttl, if_version=standing(store, key) or ABSENT
    ),
    "batch": lambda store, key, ttl: store.set_many(
        dict.fromkeys(_with_another(store, key), 2), ttl=ttl
    ),
    "modify": lambda store, key, ttl: store.modify(key, lambda _: 2, 1, ttl=ttl),
    "increment": lambda store, key, ttl: store.increment(key, 1, ttl=ttl),
    "transaction": lambda store, key, ttl: store.transact(
        lambda tx: [tx.set(each, 2, ttl=ttl) for each in _with_another(store, key)]
    ),
}
"""Every way of writing a value with an expiry; some write a key beside it, too."""


def _with_another(store: StateStore, key: str) -> list[str]:
    return [f"{key}, beside", key] if can(store).several_keys else [key]


class Span(NamedTuple):
    """Between which moments, by the monotonic clock, a key must end to stand."""

    earliest: float
    latest: float


def span(call: Callable[[], object], ttl: float) -> Span:
    """Make a call that lets a key stand for so long; when it must then be gone."""
    before = time.monotonic()
    call()
    return Span(before + ttl - PRECISION, time.monotonic() + ttl + PRECISION)


def watch_expire(store: StateStore, spans: Mapping[str, Span]) -> list[str]:
    """Read on until every key should be gone; what was wrong, in words.

    Each reading is judged by when it began and ended, so that a busy machine spoils nothing: what
    was seen had to stand at the beginning or later, and what was missed to be gone by the end.
    """
    wrong = []
    left = dict(spans)
    last = max(ends.latest for ends in spans.values() if ends.latest < NEVER)
    while left and time.monotonic() <= last + PRECISION:
        began = time.monotonic()
        standing_now = found(store, left)
        ended = time.monotonic()
        for key, ends in list(left.items()):
            if key not in standing_now:
                del left[key]
                if ended < ends.earliest:
                    wrong.append(f"{key} expired {ends.earliest - ended:.3f} s too early")
            elif began > ends.latest:
                del left[key]
                wrong.append(f"{key} stood {began - ends.latest:.3f} s too long")
        time.sleep(0.005)
    return wrong + [f"{key} stood too long" for key, ends in left.items() if ends.latest < NEVER]


def seen_by(store: StateStore, keys: Iterable[str]) -> dict[str, list[str]]:
    """For each way of looking, the keys that stand to it."""
    names = sorted(keys)
    looks: dict[str, Iterable[str]] = {
        "get": (key for key in names if store.get(key) is not None),
        "in": (key for key in names if key in store),
        "entry": (key for key in names if store.entry(key) is not None),
        "get_many": found(store, names),
        "scan": (key for key in store.scan() if key in names),
        "items": (key for key, _ in store.items() if key in names),
        "transaction": (key for key in names if store.transaction().get(key) is not None),
    }
    return {look: sorted(seen) for look, seen in looks.items()}


def nobody_sees(store: StateStore, keys: Iterable[str]) -> None:
    """That keys are absent to all ways of looking."""
    assert {look: seen for look, seen in seen_by(store, keys).items() if seen} == {}


def everyone_sees(store: StateStore, keys: Iterable[str]) -> None:
    """That keys stand to all ways of looking."""
    names = sorted(keys)
    assert {look: seen for look, seen in seen_by(store, names).items() if seen != names} == {}


class ExpiryLaws(Laws):
    """What a ttl means."""

    promise: ClassVar[str] = "Expiry"

    @pytest.mark.parametrize("before", ["fresh", "over a longer expiry", "over no expiry"])
    def test_a_value_written_with_a_ttl_expires_then(self, store: StateStore, before: str) -> None:
        """To 50 ms, whichever way it is written; all ways of looking and watchers agree."""
        needs(store, "expiry")
        if before != "fresh":
            for key in WAYS:
                store.set(key, 1, ttl=60 if before == "over a longer expiry" else None)
        with hearing(store) as heard:
            spans = {
                key: span(partial(write, store, key, 0.35), 0.35) for key, write in WAYS.items()
            }
            assert watch_expire(store, spans) == []
            nobody_sees(store, WAYS)
            assert len(store) == 0
            until_told_gone(store, heard)
        assert misnamed(heard) == []

    def test_a_value_written_without_a_ttl_does_not_expire(self, store: StateStore) -> None:
        """An earlier expiry is gone, whichever way it is written; no watcher is told of one."""
        needs(store, "expiry")
        with store.watch() as changes:
            ends = _overwritten(store, ttl=None)
            until(lambda: time.monotonic() > ends + PRECISION, "time goes on")
            everyone_sees(store, WAYS)
            assert [key for key in WAYS if _expires_at(store, key) is not None] == []
            store["end"] = 1
            kinds = {change.kind for change in told(changes, lambda change: change.key == "end")}
            assert kinds == {"set"}

    def test_a_value_written_with_keep_expires_when_it_would_have(self, store: StateStore) -> None:
        """``ttl=qstate.KEEP`` leaves the moment as it was, whichever way it is written."""
        needs(store, "expiry")
        spans = {}
        with hearing(store) as heard:
            for key, write in WAYS.items():
                for each in _with_another(store, key):
                    spans[each] = span(partial(store.set, each, 1, ttl=0.5), 0.5)
                before = _expires_at(store, key)
                write(store, key, KEEP)
                assert _same_moment(_expires_at(store, key), before), key
            assert watch_expire(store, spans) == []
            nobody_sees(store, spans)
            until_told_gone(store, heard)
        assert misnamed(heard) == []

    def test_keep_where_nothing_stands_is_no_expiry(self, store: StateStore) -> None:
        """There is none to keep; nor one of a value that was removed."""
        needs(store, "expiry")
        for key, write in WAYS.items():
            store.set(key, 1, ttl=60)
            store.delete(key)
            write(store, key, KEEP)
            assert _expires_at(store, key) is None, key

    def test_modify_and_increment_keep_the_expiry_unless_one_is_given(
        self, store: StateStore
    ) -> None:
        """Their ``ttl`` is KEEP where it is left out."""
        needs(store, "expiry")
        for key in ("modify", "increment"):
            store.set(key, 1, ttl=60)
        before = [_expires_at(store, key) for key in ("modify", "increment")]
        store.modify("modify", lambda value: value + 1)
        store.increment("increment")
        for key, then in zip(("modify", "increment"), before, strict=True):
            assert _same_moment(_expires_at(store, key), then), key
        assert dict(store.items()) == {"modify": 2, "increment": 2}

    def test_touch_changes_the_expiry(self, store: StateStore) -> None:
        """Whichever way it was written; all ways of looking and watchers agree."""
        needs(store, "expiry")
        for way, write in WAYS.items():
            write(store, way, 60)
            write(store, f"{way}, from none", None)
        keys = sorted(store)
        store.set("later", 1, ttl=10)
        with hearing(store) as heard:
            spans = {key: span(partial(store.touch, key, 0.3), 0.3) for key in keys}
            store.touch("later", 60)
            assert watch_expire(store, spans) == []
            nobody_sees(store, keys)
            assert seen_by(store, ["later"])["scan"] == ["later"]
            left = _seconds_left(store, "later")
            assert left is not None
            assert 30 < left < 61
            # A touch is no change that is told, so some are told as deleted that expired.
            until(lambda: {change.key for change in heard} >= set(keys), "both ends are told")
        assert {change.key for change in heard if change.entry is None} == set(keys)

    def test_touch_with_none_ends_the_expiry(self, store: StateStore) -> None:
        """It no longer expires: no way of looking misses it, no watcher is told."""
        needs(store, "expiry")
        with store.watch() as changes:
            ends = _for_long_enough(
                lambda ttl: store.set("k", 1, ttl=ttl), lambda: store.touch("k", None)
            )
            until(lambda: time.monotonic() > ends + PRECISION, "time goes on")
            everyone_sees(store, ["k"])
            assert _expires_at(store, "k") is None
            store["end"] = 1
            seen = told(changes, lambda change: change.key == "end")
            assert {change.kind for change in seen} == {"set"}

    def test_touch_changes_neither_value_nor_version(self, store: StateStore) -> None:
        """The version names the value; a write that requires it is still applied."""
        needs(store, "expiry")
        version = store.set("k", [1], ttl=60)
        store.touch("k", 120)
        assert (store["k"], standing(store, "k")) == ([1], version)
        store.touch("k", None)
        assert (store["k"], standing(store, "k")) == ([1], version)
        store.set("k", 2, if_version=version)

    def test_touch_of_an_absent_key_is_an_error(self, store: StateStore) -> None:
        """``MissingKeyError``; nothing comes to stand there."""
        with pytest.raises(MissingKeyError):
            store.touch("absent", 60 if can(store).expiry else None)
        assert "absent" not in store

    def test_an_expired_key_is_absent_to_every_call(self, store: StateStore) -> None:
        """As one that never stood: also to those that write, count, remove and require."""
        needs(store, "expiry")
        keys = [f"k{number}" for number in range(12)]
        spans = {key: span(partial(store.set, key, 1, ttl=0.2), 0.2) for key in keys}
        versions: list[Version] = []
        spans["k0"] = span(lambda: versions.append(store.set("k0", 1, ttl=0.2)), 0.2)
        latest = max(ends.latest for ends in spans.values())
        until(lambda: time.monotonic() > latest, "time goes on")
        assert store.delete("k1") is False
        assert store.delete_many(["k2"]) == 0
        assert store.pop("k3", "none") == "none"
        assert store.setdefault("k4", "new") == "new"
        assert store.increment("k5", 5) == 5
        assert store.modify("k6", lambda value: value, "default") == "default"
        store.set("k7", "new", if_version=ABSENT)
        for call in (
            lambda: store.set("k0", 2, if_version=versions[0]),
            lambda: store.delete("k0", if_version=versions[0]),
        ):
            with pytest.raises(ConflictError) as refused:
                call()
            assert refused.value.actual is None
        for missing in (
            lambda: store["k8"],
            lambda: store.touch("k9", 60),
            lambda: store.pop("k9"),
        ):
            with pytest.raises(MissingKeyError):
                missing()
        assert sorted(store) == ["k4", "k5", "k6", "k7"]
        assert [_expires_at(store, key) for key in store] == [None] * 4

    def test_an_entry_tells_when_it_expires(self, store: StateStore) -> None:
        """By the store's clock, in UTC, with its fraction of a second; seconds or ``timedelta``."""
        needs(store, "expiry")
        for ttl in (30, 30.25, timedelta(seconds=30, milliseconds=750)):
            seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
            before = datetime.now(UTC)
            store.set("k", 1, ttl=ttl)
            after = datetime.now(UTC)
            expires_at = _expires_at(store, "k")
            assert expires_at is not None
            earliest = before + timedelta(seconds=seconds - PRECISION)
            assert earliest <= expires_at <= after + timedelta(seconds=seconds + PRECISION)

    def test_a_ttl_is_above_zero(self, store: StateStore) -> None:
        """Zero, less, no number: ``ValueError``, and what stood there stays."""
        needs(store, "expiry")
        store["k"] = 1
        refused: list[Any] = [0, -1, 0.0, timedelta(0), timedelta(days=-1), NEVER, True, "5"]
        for ttl in [*refused, float("nan")]:
            for write in WAYS.values():
                with pytest.raises(ValueError, match="ttl"):
                    write(store, "k", ttl)
            with pytest.raises(ValueError, match="ttl"):
                store.touch("k", ttl)
        assert (store["k"], _expires_at(store, "k")) == (1, None)

    def test_expiry_is_exact_under_load(self, store: StateStore, tally: Tally) -> None:
        """Many keys with ttls of their own, while other keys are written all the time."""
        needs(store, "expiry")
        keys = {f"k{number}": 0.25 + number / 100 for number in range(40)}
        with meanwhile(
            lambda: store.set("busy", 1), lambda: store.set("busy/too", 1, ttl=0.01), pause=0.001
        ):
            spans = {
                key: span(partial(store.set, key, 1, ttl=ttl), ttl) for key, ttl in keys.items()
            }
            assert watch_expire(store, spans) == []
        nobody_sees(store, keys)
        tally("expiries under load", len(keys))

    def test_where_values_cannot_expire_a_ttl_is_refused(self, store: StateStore) -> None:
        """``UnsupportedOperationError`` before anything is sent."""
        lasting, backend = declaring_less(store, expiry=False)
        for write in WAYS.values():
            with pytest.raises(UnsupportedOperationError):
                write(lasting, "k", 60)
        assert (backend.asked, list(store)) == ([], [])


def _same_moment(one: datetime | None, other: datetime | None) -> bool:
    """Whether two expiries are one: a store may tell of it a millisecond off."""
    if one is None or other is None:
        return False
    return abs(one - other) < timedelta(milliseconds=2)


def _expires_at(store: StateStore, key: str) -> datetime | None:
    entry = store.entry(key)
    assert entry is not None, f"{key} is absent"
    return entry.expires_at


def _seconds_left(store: StateStore, key: str) -> float | None:
    expires_at = _expires_at(store, key)
    return None if expires_at is None else (expires_at - datetime.now(UTC)).total_seconds()


def until_told_gone(store: StateStore, heard: list[Change]) -> None:
    """Wait until it was told of each key that was told as standing that it is gone.

    A watcher that has to ask may have slept all the while, and be told of the last key alone.

    Raises:
        AssertionError: It was not told; the message has what was told last of each key.
    """
    store["end"] = 1

    def last() -> dict[str, str]:
        return {change.key: change.kind for change in heard}

    def gone() -> bool:
        return [key for key, kind in last().items() if kind == "set"] == ["end"]

    try:
        until(gone, "every expiry is told")
    except AssertionError as error:
        raise AssertionError(f"{error}; told last: {last()}") from None


def misnamed(heard: list[Change]) -> list[Change]:
    """What was told as deleted, though a state was told before whose expiry has come."""
    standing: dict[str, datetime | None] = {}
    wrong = []
    for change in heard:
        expires_at = standing.pop(change.key, None)
        if change.entry is not None:
            standing[change.key] = change.entry.expires_at
        elif change.kind == "deleted" and expires_at and expires_at < datetime.now(UTC):
            wrong.append(change)
    return wrong


def _overwritten(store: StateStore, *, ttl: Any) -> float:
    """Write each key with a short ttl, then in its own way; when the last would have expired."""
    return max(
        _for_long_enough(partial(_set_for, store, key), partial(write, store, key, ttl))
        for key, write in WAYS.items()
    )


def _set_for(store: StateStore, key: str, ttl: float) -> None:
    store.set(key, 1, ttl=ttl)


def _for_long_enough(first: Callable[[float], object], second: Callable[[], object]) -> float:
    """Make both calls while the ttl of the first still runs; when it would have ended."""
    ttl = 0.15
    while True:
        began = time.monotonic()
        first(ttl)
        second()
        if time.monotonic() < began + ttl / 2:
            return time.monotonic() + ttl
        ttl *= 2  # the machine is busy: the first write may have expired before the second
