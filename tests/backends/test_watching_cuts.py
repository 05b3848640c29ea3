"""Watches whose connections are cut all the time are resumed, and miss no last state."""

from __future__ import annotations

ROUNDS = 40
SHARE = 0.2


def until(changes, value):
    """The changes up to one with this value."""
    seen = []
    while not seen or seen[-1].entry is None or seen[-1].entry.value != value:
        seen.append(changes.next(20))
        assert seen[-1] is not None, f"{value} was not told"
    return seen


def test_each_change_is_told_though_the_watch_is_cut(cut, direct, proxy):
    """Before another follows; what changed under another key is not told."""
    with cut.watch("k") as changes, proxy.losing(SHARE):
        for n in range(ROUNDS):
            direct["other"] = n
            direct["k"] = n
            assert {change.key for change in until(changes, n)} == {"k"}
    assert proxy.cuts > 0


def test_what_changed_during_a_cut_is_told(cut, direct, proxy):
    """Sets, deletions and expiries made after the connection was lost, before the next is made."""
    direct.update(dict.fromkeys(("set", "deleted", "expired"), "before"))

    def during():
        proxy.on_cut = lambda: None
        proxy.share = 0.0
        direct["set"] = "during"
        del direct["deleted"]
        direct.set("expired", "during", ttl=0.001)

    with cut.watch() as changes:
        for _ in range(10):
            last = {}
            cuts, proxy.on_cut, proxy.share = proxy.cuts, during, 1.0
            while proxy.cuts == cuts:  # whatever is told or answered next is lost
                direct["provoked"] = cuts
                note(last, changes.next(0.05))
            while {key: last.get(key) for key in DURING} != DURING or set(last) < set(DURING):
                assert note(last, changes.next(20)), f"only these were told: {last}"
            direct.update(dict.fromkeys(DURING, "before"))
            while any(last[key] != "before" for key in DURING):
                assert note(last, changes.next(20)), f"only these were told: {last}"


DURING = {"set": "during", "deleted": None, "expired": None}


def note(last, change):
    """Note the last value that was told; whether one was."""
    if change is not None:
        last[change.key] = change.entry and change.entry.value
    return change is not None


def test_waiting_for_a_value_outlasts_cuts(cut, direct, proxy):
    """``wait_for`` comes back with what stands."""
    for n in range(ROUNDS // 4):
        with proxy.losing(SHARE):
            direct["k"] = n
            assert cut.wait_for("k", lambda value, n=n: value == n, timeout=20) == n
