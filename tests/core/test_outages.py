"""A store that does not answer, or whose answers are lost: tried again, settled, told."""

import time
from types import SimpleNamespace

import pytest

from qstate import (
    ABSENT,
    ConflictError,
    StateLostError,
    StoreUnavailableError,
    backend,
    clients,
)

ONE_KEY_WRITES = {
    "set": lambda store: store.set("a", 1),
    "set_many": lambda store: store.set_many({"a": 1, "b": 2}),
    "increment": lambda store: store.increment("a"),
    "setdefault": lambda store: store.setdefault("a", 1),
    "modify": lambda store: store.modify("a", lambda value: value + 1, 0),
}
READS = {
    "get": lambda store: store.get("a", 1),
    "[]": lambda store: store["known"],
    "in": lambda store: "a" in store,
    "entry": lambda store: store.entry("a"),
    "get_many": lambda store: store.get_many(["a", "known"]),
    "scan": lambda store: list(store),
    "len": len,
    "ping": lambda store: store.ping(),
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when something sleeps on it, or a test moves it."""
    fake = SimpleNamespace(**vars(time))
    fake.moment = 1000.0
    fake.monotonic = lambda: fake.moment
    fake.sleep = lambda seconds: setattr(fake, "moment", fake.moment + seconds)
    monkeypatch.setattr(clients, "time", fake)
    monkeypatch.setattr(backend, "time", fake)
    return fake


@pytest.fixture
def answered(clock, open_trial):
    """A store that has answered once, and its backend."""
    store, made = open_trial()
    store["known"] = 1
    made.calls.clear()
    return store, made


def refused(count=1, outcome="not applied"):
    """Errors of a store that does not answer."""
    return [StoreUnavailableError("no answer", outcome=outcome) for _ in range(count)]


# -- trying again -----------------------------------------------------------------------------


@pytest.mark.parametrize("call", [*READS, *ONE_KEY_WRITES])
def test_a_store_that_never_answered_is_told_at_once(open_trial, call):
    """An address that is mistyped fails without a wait, with the store in the message."""
    store, made = open_trial()
    made.refusals = refused()
    with pytest.raises(StoreUnavailableError) as caught:
        {**READS, **ONE_KEY_WRITES}[call](store)
    assert len(made.calls) == 1
    assert caught.value.store == store.info().url
    assert "[store: trial://" in str(caught.value)


@pytest.mark.parametrize("call", [*READS, *ONE_KEY_WRITES])
def test_a_call_that_was_not_applied_is_tried_again(answered, call):
    """A store that restarts is waited for: what it refused is sent again until it answers."""
    store, made = answered
    made.refusals = refused(4)
    {**READS, **ONE_KEY_WRITES}[call](store)
    assert len(made.calls) >= 5
    assert not made.refusals


@pytest.mark.parametrize("call", READS)
def test_a_read_is_tried_again_whatever_its_outcome(answered, call):
    """Reading twice does no harm."""
    store, made = answered
    made.refusals = refused(4, "unknown")
    READS[call](store)
    assert not made.refusals


@pytest.mark.parametrize("call", [*READS, *ONE_KEY_WRITES, "delete", "pop"])
def test_all_tries_together_take_the_timeout_at_the_most(clock, open_trial, call):
    """A store that stays away is an error within the timeout, of refusals as of silence."""
    calls = {**READS, **ONE_KEY_WRITES, "delete": lambda store: store.delete("known")}
    calls["pop"] = lambda store: store.pop("known")
    for outcome, silence in (("not applied", 0.0), ("unknown", 0.0), ("unknown", 2.0)):
        store, made = open_trial(timeout=2)
        store["known"] = 1
        made.refusals = refused(10_000, outcome)
        made.before = lambda _, silence=silence: clock.sleep(
            backend.time_left(silence) if silence else 0
        )
        started = clock.moment
        with pytest.raises(StoreUnavailableError):
            calls[call](store)
        assert clock.moment - started <= 2.01


def test_pauses_between_tries_grow(answered, clock):
    """A store that is away for long is not hammered."""
    store, made = answered
    made.refusals = refused(10_000)
    with pytest.raises(StoreUnavailableError):
        store.get("a")
    assert 5 <= len(made.calls) <= 25


def test_what_waiting_does_not_mend_is_not_tried_again(answered):
    """Only a store that does not answer is waited for."""
    store, made = answered
    made.refusals = [StateLostError("restarted")]
    with pytest.raises(StateLostError) as caught:
        store.get("a")
    assert made.calls == ["read"]
    assert caught.value.store == store.info().url


def test_a_fault_of_the_backend_is_not_hidden(answered):
    """An error that is none of qstate's comes out as it is."""
    store, made = answered
    made.refusals = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        store.get("a")


# -- answers that were lost -------------------------------------------------------------------


def test_a_write_whose_answer_was_lost_is_found_by_its_version(answered):
    """A plain write that was applied is done, and not sent twice."""
    store, made = answered
    made.lost = refused(outcome="unknown")
    version = store.set("a", 1)
    assert made.calls == ["write", "read"]
    assert store.entry("a").version == version


def test_a_write_that_is_not_found_stays_unknown(answered):
    """It is not sent again: that could undo what someone has written since."""
    store, made = answered
    made.refusals = refused(outcome="unknown")
    with pytest.raises(StoreUnavailableError) as caught:
        store.set("a", 1)
    assert caught.value.outcome == "unknown"
    assert made.calls == ["write", "read"]
    assert "a" not in store


def test_a_write_that_was_overwritten_since_stays_unknown(answered):
    """Another's version under the key tells nothing of ours, and theirs stays."""
    store, made = answered
    made.lost = refused(outcome="unknown")
    theirs = backend.Version.new()

    def overwrite(method):
        if method == "read":
            made.records["a"] = made.records["known"]._replace(version=theirs)

    made.before = overwrite
    with pytest.raises(StoreUnavailableError) as caught:
        store.set("a", 2)
    assert caught.value.outcome == "unknown"
    assert made.calls.count("write") == 1
    assert store.entry("a").version == theirs


@pytest.mark.parametrize("fault", ["lost", "refusals"])
@pytest.mark.parametrize("call", ["increment", "setdefault", "modify", "if_version"])
def test_what_rests_on_a_requirement_is_applied_once(answered, call, fault):
    """Applied or not before its answer was lost: it is applied in the end, one time."""
    store, made = answered
    runs = []

    def change(value):
        runs.append(value)
        return value + 1

    def fail(method):
        if method == "write" and not runs_of_write:
            runs_of_write.append(1)
            getattr(made, fault).extend(refused(outcome="unknown"))

    runs_of_write = []
    made.before = fail
    calls = {
        **ONE_KEY_WRITES,
        "modify": lambda store: store.modify("a", change, 0),
        "if_version": lambda store: store.set("a", 1, if_version=ABSENT),
    }
    calls[call](store)
    assert runs_of_write
    assert store["a"] == 1
    assert len(runs) == (call == "modify")


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.delete("known"),
        lambda store: store.pop("known"),
        lambda store: store.delete("known", if_version=store.entry("known").version),
    ],
)
def test_a_removal_whose_answer_was_lost_stays_unknown(answered, call):
    """A removal leaves no version to find: neither a conflict, nor a second run."""
    store, made = answered

    def fail(method):
        if method == "write" and made.calls.count("write") == 1:
            made.lost.extend(refused(outcome="unknown"))

    made.before = fail
    with pytest.raises(StoreUnavailableError) as caught:
        call(store)
    assert caught.value.outcome == "unknown"


def test_a_conflict_that_was_answered_is_a_conflict(answered):
    """An answer settles it."""
    store, _ = answered
    with pytest.raises(ConflictError):
        store.set("known", 2, if_version=backend.Version.new())
