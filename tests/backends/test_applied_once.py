"""Operations whose answers are lost are applied exactly once, on real servers behind a proxy."""

from __future__ import annotations

import contextlib
import threading

import qstate

SHARE = 0.25
ROUNDS = 120


def test_increments_are_applied_exactly_once_while_others_increment(cut, direct, proxy):
    """Every increment that was acknowledged counts once, and none counts twice."""
    others = threading.Thread(target=lambda: [direct.increment("n") for _ in range(ROUNDS)])
    others.start()
    with proxy.losing(SHARE):
        for _ in range(ROUNDS):
            cut.increment("n")
    others.join()
    assert direct["n"] == 2 * ROUNDS
    assert proxy.cuts >= ROUNDS / 24


def test_a_write_over_a_version_is_applied_exactly_once(cut, direct, proxy):
    """A chain of conditional writes never conflicts with its own lost tries."""
    version = cut.set("chain", 0)
    with proxy.losing(SHARE):
        for step in range(1, ROUNDS):
            version = cut.set("chain", step, if_version=version)
    entry = direct.entry("chain")
    assert (entry.value, entry.version) == (ROUNDS - 1, version)
    assert proxy.cuts >= ROUNDS / 24


def test_writes_over_a_version_by_two_clients_are_each_applied_once(cut, direct, proxy):
    """What was acknowledged is there once, what met a conflict is not; neither is undone."""
    direct["log"] = []
    other = threading.Thread(target=_append_all, args=(direct, "theirs"))
    other.start()
    with proxy.losing(SHARE):
        _append_all(cut, "mine")
    other.join()
    log = direct["log"]
    for name in ("mine", "theirs"):
        assert [each for each in log if each[0] == name] == [(name, n) for n in range(ROUNDS)]
    assert len(log) == 2 * ROUNDS
    assert proxy.cuts >= ROUNDS / 24


def test_a_write_where_nothing_stands_is_applied_exactly_once(cut, direct, proxy):
    """Requiring absence holds though the first try has already ended it."""
    with proxy.losing(SHARE):
        for step in range(ROUNDS):
            cut.set(f"new/{step}", step, if_version=qstate.ABSENT)
    assert len(direct) == ROUNDS
    assert proxy.cuts >= ROUNDS / 24


def test_each_value_is_popped_by_one_client_alone(cut, direct, proxy):
    """Two clients that pop the same keys get each value once between them."""
    direct.set_many({f"job/{n}": n for n in range(ROUNDS)})
    taken: list[int] = []
    other = threading.Thread(target=lambda: taken.extend(_pop_all(direct)))
    other.start()
    with proxy.losing(SHARE):
        mine = _pop_all(cut)
    other.join()
    assert sorted(mine + taken) == list(range(ROUNDS))
    assert len(direct) == 0


def test_transactions_are_applied_exactly_once_while_others_commit(cut, direct, proxy):
    """Money that two clients move between two accounts is neither lost nor made."""
    direct.set_many({"a": 10 * ROUNDS, "b": 0})

    def move(transaction):
        transaction["a"] = transaction["a"] - 1
        transaction["b"] = transaction["b"] + 1

    other = threading.Thread(target=lambda: [direct.transact(move) for _ in range(ROUNDS)])
    other.start()
    with proxy.losing(SHARE):
        for _ in range(ROUNDS):
            cut.transact(move)
    other.join()
    assert direct.get_many(["a", "b"]) == {"a": 8 * ROUNDS, "b": 2 * ROUNDS}
    assert proxy.cuts >= ROUNDS / 24


def test_a_removal_counts_what_it_removed_though_its_answer_was_lost(cut, direct, proxy):
    """A removal that is asked again answers as it did the first time."""
    direct.set_many({f"gone/{n}": n for n in range(ROUNDS)})
    with proxy.losing(SHARE):
        assert all(cut.delete(f"gone/{n}") for n in range(ROUNDS))
    assert len(direct) == 0


def test_a_plain_write_never_undoes_what_others_wrote_after_it(cut, direct, proxy):
    """Where the answer is lost and another has written since, nothing is written again."""
    proxy.on_cut = lambda: direct.set("k", "theirs")
    unknown = 0
    for step in range(ROUNDS // 4):
        direct.set("k", "before")
        before = proxy.cuts
        with proxy.losing(0.5):
            try:
                cut.set("k", step)
            except qstate.StoreUnavailableError as error:
                assert error.outcome == "unknown"
                unknown += 1
        assert direct["k"] == (step if proxy.cuts == before else "theirs")
    assert unknown > 0


def test_a_plain_write_that_was_applied_is_acknowledged_though_its_answer_was_lost(
    cut, direct, proxy
):
    """Found by its version, the write is done."""
    with proxy.losing(SHARE):
        for step in range(ROUNDS):
            cut.set("k", step)
            assert direct["k"] == step
    assert proxy.cuts >= ROUNDS / 24


def _append_all(store: qstate.StateStore, name: str) -> None:
    for n in range(ROUNDS):
        while True:
            entry = store.entry("log")
            try:
                store.set("log", [*entry.value, (name, n)], if_version=entry.version)
            except qstate.ConflictError:
                continue
            break


def _pop_all(store: qstate.StateStore) -> list[int]:
    popped = []
    for n in range(ROUNDS):
        with contextlib.suppress(qstate.MissingKeyError):
            popped.append(store.pop(f"job/{n}"))
    return popped
