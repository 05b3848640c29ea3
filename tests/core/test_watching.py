"""Watching, as one sees it on a store that tells of changes and on one that has to be asked."""

import threading

import pytest

import qstate


@pytest.fixture(params=["told", "asked"])
def store(request, plain_store):
    if request.param == "asked":
        yield plain_store
    else:
        with qstate.connect("memory://") as store:
            yield store


def test_changes_under_a_prefix_are_told_with_what_stands(store):
    """Writes and deletions come as they happen, those elsewhere do not."""
    with store.watch("run/") as changes:
        store["other"] = 0
        store["run/a"] = 1
        change = changes.next(5)
        assert (change.key, change.kind, change.entry.value) == ("run/a", "set", 1)
        del store["run/a"]
        change = changes.next(5)
        assert (change.key, change.kind, change.entry) == ("run/a", "deleted", None)


def test_what_stood_before_is_not_told(store):
    """A watch begins with the changes after it was entered."""
    store["a"] = 1
    with store.watch() as changes:
        assert changes.next(0.25) is None
        store["a"] = 2
        assert changes.next(5).entry.value == 2


def test_the_last_state_of_a_key_is_always_told(store):
    """States in between may be skipped."""
    with store.watch("k") as changes:
        for n in range(200):
            store["k"] = n
        seen = [changes.next(5).entry.value]
        while seen[-1] != 199:
            seen.append(changes.next(5).entry.value)
    assert seen == sorted(seen)


def test_a_scope_is_told_its_own_keys_by_their_names_in_it(store):
    """A watch on a scope knows nothing outside."""
    run = store / "run"
    with run.watch() as changes:
        store["run-2/a"] = 1
        run["a"] = 2
        change = changes.next(5)
    assert (change.key, change.entry.value) == ("a", 2)


def test_closing_ends_an_iteration_that_waits(store):
    """A thread in `for change in changes` comes out of it."""
    seen = []
    changes = store.watch()
    with changes:
        thread = threading.Thread(target=lambda: seen.extend(changes))
        thread.start()
        store["a"] = 1
        store.wait_for("a", timeout=5)
    thread.join(5)
    assert not thread.is_alive()


def test_wait_for_returns_the_value_that_fulfils_the_predicate(store):
    """It looks first, and then at each change."""
    store["step"] = 1
    assert store.wait_for("step", timeout=5) == 1
    writer = threading.Thread(target=lambda: [store.set("step", n) for n in range(2, 6)])
    with store.watch("never"):
        writer.start()
        assert store.wait_for("step", lambda step: step >= 5, timeout=5) == 5
    writer.join()


def test_wait_for_ends_with_an_error_after_its_timeout(store):
    """The error names the key."""
    with pytest.raises(qstate.StateTimeoutError, match="'step'"):
        store.wait_for("step", timeout=0.05)


def test_expiry_is_told():
    """A key whose time has come is told as expired."""
    with qstate.connect("memory://") as store, store.watch() as changes:
        store.set("a", 1, ttl=0.5)
        assert changes.next(5).kind == "set"
        change = changes.next(5)
        assert (change.key, change.kind, change.entry) == ("a", "expired", None)


def test_a_touched_expiry_is_told_when_it_has_come():
    """Lengthening an expiry delays what is told, and a removed one is never told."""
    with qstate.connect("memory://") as store, store.watch() as changes:
        store.set("a", 1, ttl=0.5)
        assert changes.next(5).kind == "set"
        store.touch("a", None)
        assert changes.next(0.7) is None
        store.touch("a", 0.3)
        assert changes.next(5).kind == "expired"
