"""Availability: out of reach is an error, closed is an error, and neither is an absence."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from qstate.errors import ClosedStoreError, StoreUnavailableError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, another, can, needs, needs_hook
from qstate.testing.conformance.waiting import at_once, until

CALLS: dict[str, Callable[[StateStore], Any]] = {
    "get": lambda store: store.get("k", "default"),
    "item": lambda store: store["k"],
    "in": lambda store: "k" in store,
    "entry": lambda store: store.entry("k"),
    "get_many": lambda store: store.get_many(["k"]),
    "set": lambda store: store.set("k", 2),
    "set_many": lambda store: store.set_many({"k": 2}),
    "delete": lambda store: store.delete("absent"),
    "setdefault": lambda store: store.setdefault("k", 2),
    "pop": lambda store: store.pop("absent", "default"),
    "increment": lambda store: store.increment("n"),
    "modify": lambda store: store.modify("k", lambda value: value, 2),
    "touch": lambda store: store.touch("k", None),
    "transact": lambda store: store.transact(lambda tx: tx.get("k")),
    "scan": lambda store: list(store.scan()),
    "items": lambda store: list(store.items()),
    "len": len,
    "ping": lambda store: store.ping(),
    "wait_for": lambda store: store.wait_for("absent", timeout=30),
    "clear": lambda store: store.clear(everything=True),
    "info": lambda store: store.info(),
    "scope": lambda store: store.scope("run"),
}
"""Every call of a store; while it is out of reach, those from `info` on need no answer."""

WITHOUT_ANSWER = ("info", "scope")


class AvailabilityLaws(Laws):
    """What is said when nothing can be said."""

    promise: ClassVar[str] = "Unavailable and closed"

    def test_a_store_answers_and_says_what_it_is(self, store: StateStore) -> None:
        """``ping`` and ``info``; what is told is what the backend declares."""
        assert store.ping() is True
        info = store.scope("run").info()
        declared = (can(store).reach, can(store).durable, can(store).max_value_bytes)
        assert (info.reach, info.durable, info.max_value_bytes) == declared
        assert info.scope == "run/"
        assert repr(store).startswith("<")

    def test_a_store_used_after_its_close_says_so(self, store: StateStore) -> None:
        """``ClosedStoreError`` from every call; closing twice is fine."""
        handle = copy.copy(store)
        handle.ping()
        handle.close()
        handle.close()
        for name, call in CALLS.items():
            with pytest.raises(ClosedStoreError):
                call(handle)
                pytest.fail(f"{name} goes on")

    def test_closing_one_handle_leaves_others_working(self, store: StateStore) -> None:
        """Copies and scopes of the same address go on."""
        copied, scope = copy.copy(store), store.scope("run")
        with copied:
            copied["k"] = 1
        with pytest.raises(ClosedStoreError):
            copied.get("k")
        scope["k"] = 2
        scope.close()
        assert dict(store.items()) == {"k": 1, "run/k": 2}

    def test_a_store_out_of_reach_is_an_error_within_the_timeout(self, store: StateStore) -> None:
        """``StoreUnavailableError`` with address and cause; never a default, never empty."""
        unavailable = needs_hook(self.unavailable, "unavailable")
        store["k"] = 1
        with another(store, timeout=1.0) as handle:
            handle.ping()
            names = [name for name in CALLS if name not in (*WITHOUT_ANSWER, "wait_for")]
            with unavailable():
                answers = at_once(*(lambda name=name: _unavailable(handle, name) for name in names))
            assert [answer for answer in answers if answer] == []
            assert handle.ping()
        assert store["k"] in (1, 2)

    def test_a_store_that_comes_back_is_used_again(self, store: StateStore) -> None:
        """Nobody has to open it anew."""
        unavailable = needs_hook(self.unavailable, "unavailable")
        with another(store, timeout=1.0) as handle:
            version = handle.set("k", 1)
            with unavailable(), pytest.raises(StoreUnavailableError):
                # A server that is being stopped may answer once more.
                until(lambda: handle.get("k") is None, "it is out of reach")
            entry = handle.entry("k")
            assert entry is not None
            assert (entry.value, entry.version) == (1, version)

    def test_what_was_acknowledged_survives_a_restart(self, store: StateStore) -> None:
        """Of a store that declares itself durable: values, versions and expiries."""
        needs(store, "durable")
        restart = needs_hook(self.restart, "restart")
        versions = {f"k{number}": store.set(f"k{number}", number, ttl=600) for number in range(50)}
        before = {key: store.entry(key) for key in versions}
        restart()
        assert {key: store.entry(key) for key in versions} == before


def _unavailable(store: StateStore, name: str) -> str | None:
    """What is wrong with how a call tells that the store is out of reach."""
    began = time.monotonic()
    try:
        answer = CALLS[name](store)
    except StoreUnavailableError as error:
        took = time.monotonic() - began
        # Twice the timeout, since a busy machine may keep a thread waiting.
        late = took > 2 * 1.0 + 1.0
        silent = error.store is None or not str(error)
        return f"{name}: {took:.1f} s, {error}" if late or silent else None
    except Exception as error:  # noqa: BLE001 - told as what is wrong
        return f"{name} raised {error!r}"
    return f"{name} answered {answer!r}"
