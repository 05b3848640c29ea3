"""Against a model: random operations on a store and on a plain dict give the same answers."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from qstate.backend import KEEP, Version
from qstate.encoded import ABSENT
from qstate.errors import ConflictError, MissingKeyError
from qstate.store import StateStore
from qstate.testing.conformance.laws import Laws, Tally, can

KEYS = ("a", "b", "run/a", "run/b", "run-2/a")
EXAMPLES = 12
STEPS = 25

keys = st.sampled_from(KEYS)
values = (
    st.none()
    | st.integers(-5, 5)
    | st.sampled_from(["", "a", "é\u0301😀"])
    | st.lists(st.integers(), max_size=2)
)
ttls = st.sampled_from([None, 600, KEEP])


class _Standing:
    """What the model knows of a key."""

    def __init__(self, value: Any, version: Version | None, expires: bool) -> None:
        self.value = value
        self.version = version
        self.expires = expires


class StoreMachine(RuleBasedStateMachine):
    """One store, and the dict that it should be like."""

    store: ClassVar[StateStore]

    def __init__(self) -> None:
        super().__init__()
        self.store.clear(everything=True)
        self.model: dict[str, _Standing] = {}
        self.versions: list[Version] = [Version.new()]

    def _written(self, key: str, value: Any, ttl: Any = None) -> None:
        standing = self.model.get(key)
        expires = bool(standing and standing.expires) if ttl is KEEP else ttl is not None
        entry = self.store.entry(key)
        assert entry is not None
        assert entry.version not in self.versions
        self.versions.append(entry.version)
        self.model[key] = _Standing(value, entry.version, expires)

    def _ttl(self, ttl: Any) -> Any:
        return ttl if can(self.store).expiry else None

    @rule(key=keys, value=values, ttl=ttls)
    def set(self, key: str, value: Any, ttl: Any) -> None:
        """A plain write."""
        ttl = self._ttl(ttl)
        self.store.set(key, value, ttl=ttl)
        self._written(key, value, ttl)

    @rule(key=keys, value=values, ttl=ttls, data=st.data())
    def set_over_a_version(self, key: str, value: Any, ttl: Any, data: Any) -> None:
        """A write that requires one of all versions that there were, or absence."""
        ttl = self._ttl(ttl)
        standing = self.model.get(key)
        known = [ABSENT, *self.versions, *([standing.version] * 5 if standing else [])]
        required = data.draw(st.sampled_from(known))
        actual = standing.version if standing else ABSENT
        try:
            self.store.set(key, value, ttl=ttl, if_version=required)
        except ConflictError as error:
            assert required != actual
            assert error.actual == (standing.version if standing else None)
        else:
            assert required == actual
            self._written(key, value, ttl)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        """A removal."""
        assert self.store.delete(key) == (self.model.pop(key, None) is not None)

    @rule(key=keys)
    def pop(self, key: str) -> None:
        """A removal that gives the value."""
        standing = self.model.pop(key, None)
        assert self.store.pop(key, "absent") == (standing.value if standing else "absent")

    @rule(key=keys, value=values)
    def setdefault(self, key: str, value: Any) -> None:
        """A write where nothing stands."""
        if key in self.model:
            assert self.store.setdefault(key, value) == self.model[key].value
        else:
            assert self.store.setdefault(key, value) == value
            self._written(key, value)

    @rule(key=keys, by=st.integers(-3, 3))
    def increment(self, key: str, by: int) -> None:
        """An addition, where a number or nothing stands."""
        standing = self.model.get(key)
        value = standing.value if standing else 0
        if isinstance(value, int):
            assert self.store.increment(key, by) == value + by
            self._written(key, value + by, self._ttl(KEEP))

    @rule(key=keys, ttl=ttls)
    def modify(self, key: str, ttl: Any) -> None:
        """A change of whatever stands."""
        ttl = self._ttl(ttl)
        value = [self.model[key].value if key in self.model else "new"]
        assert self.store.modify(key, lambda old: [old], "new", ttl=ttl) == value
        self._written(key, value, ttl)

    @rule(key=keys, ttl=st.sampled_from([None, 600]))
    def touch(self, key: str, ttl: Any) -> None:
        """A change of the expiry alone."""
        try:
            self.store.touch(key, self._ttl(ttl))
        except MissingKeyError:
            assert key not in self.model
        else:
            self.model[key].expires = self._ttl(ttl) is not None

    @precondition(lambda self: can(self.store).several_keys)
    @rule(batch=st.dictionaries(keys, values), ttl=ttls)
    def set_many(self, batch: dict[str, Any], ttl: Any) -> None:
        """A batch of writes."""
        ttl = self._ttl(ttl)
        self.store.set_many(batch, ttl=ttl)
        for key, value in batch.items():
            self._written(key, value, ttl)

    @precondition(lambda self: can(self.store).several_keys)
    @rule(names=st.lists(keys))
    def delete_many(self, names: list[str]) -> None:
        """A batch of removals."""
        stood = [self.model.pop(key, None) for key in set(names)]
        assert self.store.delete_many(names) == len(stood) - stood.count(None)

    @precondition(lambda self: can(self.store).several_keys)
    @rule(written=st.dictionaries(keys, values, max_size=2), removed=st.lists(keys, max_size=2))
    def transact(self, written: dict[str, Any], removed: list[str]) -> None:
        """Writes and removals as one."""
        removed = [key for key in removed if key not in written]
        with self.store.transaction() as tx:
            for key in removed:
                assert tx.delete(key) == (key in self.model)
                self.model.pop(key, None)
            for key, value in written.items():
                tx.set(key, value)
        for key, value in written.items():
            self._written(key, value)

    @rule(prefix=st.sampled_from(["", "a", "run", "run/", "run-", "none"]), size=st.integers(1, 3))
    def scan(self, prefix: str, size: int) -> None:
        """Keys by their beginning."""
        found = sorted(self.store.scan(prefix, page_size=size))
        assert found == sorted(key for key in self.model if key.startswith(prefix))

    @rule(scope=st.sampled_from(["run", "run-2"]))
    def clear(self, scope: str) -> None:
        """All keys of a scope go."""
        self.store.scope(scope).clear()
        self.model = {k: v for k, v in self.model.items() if not k.startswith(f"{scope}/")}

    @invariant()
    def same(self) -> None:
        """Values, versions and expiries are those of the model."""
        assert dict(self.store.items()) == {key: known.value for key, known in self.model.items()}
        for key, known in self.model.items():
            entry = self.store.entry(key)
            assert entry is not None
            assert (entry.version, entry.expires_at is not None) == (known.version, known.expires)


class ModelLaws(Laws):
    """What a dict would do."""

    promise: ClassVar[str] = "Like a plain dict"

    def test_random_operations_give_what_a_dict_would(
        self, store: StateStore, tally: Tally, more: int
    ) -> None:
        """Values, versions, expiries, conflicts, counts and scans."""
        check(StoreMachine, store, EXAMPLES * more, STEPS, more)
        tally("operations against the model", EXAMPLES * more * STEPS)


def check(
    kind: type[RuleBasedStateMachine], store: StateStore, examples: int, steps: int, more: int
) -> None:
    """Run a state machine, whose class has the store as its attribute."""
    run_state_machine_as_test(
        type("Machine", (kind,), {"store": store}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=more == 1,
            # Making a failure smaller may take minutes on a slow store.
            phases=[Phase.generate] if more == 1 else [Phase.generate, Phase.shrink],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
