"""Scopes: keys under a prefix, none of which names anything outside it."""

from __future__ import annotations

from typing import ClassVar, Final

import pytest

from qstate.errors import InvalidKeyError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws
from qstate.testing.conformance.waiting import told_of

SIBLINGS: Final = (
    "run", "run-2", "run2", "run ", "Run", "ru", "a_b", "axb", "a%", "a%b", "a", "a*", "ab", "a?",
    "[ab]", "a\\", "é", "e\u0301", "..", ".", "run\u0300", "😀",
)  # fmt: skip
"""Scopes that some store or other would let leak into one another."""


class ScopeLaws(Laws):
    """What a scope is, and what it leaves alone."""

    promise: ClassVar[str] = "Scopes: nothing foreign is touched"

    def test_a_key_of_a_scope_is_a_path(self, store: StateStore) -> None:
        """``store.scope("run")["a"]`` is ``store["run/a"]``; scopes nest."""
        (store / "run")["a"] = 1
        store["run/b/c"] = 2
        assert dict(store.items()) == {"run/a": 1, "run/b/c": 2}
        assert dict((store / "run").items()) == {"a": 1, "b/c": 2}
        assert dict((store / "run" / "b").items()) == dict((store / "run/b").items()) == {"c": 2}

    def test_sibling_scopes_never_leak(self, store: StateStore) -> None:
        """Scan, count, iteration and values are a scope's own, whatever its name."""
        for name in SIBLINGS:
            store.scope(name)["k"] = name
        for name in SIBLINGS:
            scope = store.scope(name)
            assert (list(scope), len(scope), scope["k"]) == (["k"], 1, name)
            assert list(scope.scan("k")) == ["k"]
            assert dict(scope.items()) == {"k": name}

    def test_clearing_a_scope_leaves_all_else(self, store: StateStore) -> None:
        """Siblings, the key that has the scope's name, the keys outside."""
        keys = {f"{name}/k" for name in SIBLINGS} | set(SIBLINGS)
        for key in sorted(keys):
            store[key] = 1
        for name in SIBLINGS:
            store.scope(name).clear()
            keys -= {f"{name}/k"}
            assert set(store) == keys

    def test_no_key_reaches_out_of_its_scope(self, store: StateStore) -> None:
        """``..`` and ``/`` are characters like any other."""
        scope = store.scope("in").scope("deep")
        for key in ("..", "../a", "/a", "./a", "../../run/a", "a/../../b", "\\..\\a"):
            scope[key] = 1
            assert list(store) == [f"in/deep/{key}"]
            assert list(scope) == [key]
            assert scope.pop(key) == 1
            assert list(store) == []

    def test_a_scope_has_a_name(self, store: StateStore) -> None:
        """Empty, NUL, no ``str``: ``InvalidKeyError``."""
        for name in ("", "\0", "a\0", None, 7):
            with pytest.raises(InvalidKeyError):
                store.scope(name)  # type: ignore[arg-type]

    def test_a_key_that_is_a_scopes_prefix_has_no_name_inside_it(self, store: StateStore) -> None:
        """``store["run/"]`` stands outside ``store.scope("run")``, which never shows it."""
        store["run/"] = 1
        scope = store.scope("run")
        scope["a"] = 2
        assert (list(scope), dict(scope.items()), len(scope)) == (["a"], {"a": 2}, 1)
        scope.clear()
        assert list(store) == ["run/"]

    def test_clearing_a_whole_store_asks_for_everything(self, store: StateStore) -> None:
        """Without ``everything=True`` it is refused, and nothing is removed."""
        store["k"] = 1
        with pytest.raises(InvalidKeyError, match="everything=True"):
            store.clear()
        assert list(store) == ["k"]
        store.clear(everything=True)
        assert list(store) == []

    def test_a_watch_of_a_scope_tells_of_its_own_keys(self, store: StateStore) -> None:
        """By the names that they have inside it; siblings are not told."""
        with store.scope("run").watch() as changes:
            for name in SIBLINGS:
                store.scope(name)["k"] = 1
            store["run"] = store["run/"] = 1
            store["run/end"] = 1
            seen = told_of(changes, ["k", "end"])
            assert {change.key for change in seen} == {"k", "end"}

    def test_locks_of_two_scopes_are_two_locks(self, store: StateStore) -> None:
        """And a scope's transaction, pop and batch use its own keys."""
        (store / "a")["k"] = (store / "b")["k"] = 1
        (store / "a").transact(lambda tx: tx.set("k", tx.get("k") + 1))
        assert (store / "a").pop("k") == 2
        (store / "b").update({"k": 5})
        assert dict(store.items()) == {"b/k": 5}
