"""What type checkers see of tasks: the signature without the state, and what a call gives.

Checked by mypy and basedpyright, never run. A line that is marked to be ignored must be an error:
both checkers tell of marks that nothing needs.
"""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, assert_type

from ray import ObjectRef
from ray._private.object_ref_generator import ObjectRefGenerator
from ray.actor import ActorHandle

from qstate import StateHandler, StateStore, Target, connect, get, override, put, remote
from qstate_backends.redis import RedisStateHandler

redis = RedisStateHandler("localhost")


class Notes:
    """A handler of a user's own."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...


@remote(state=redis)
def by_position(state: RedisStateHandler, seed: int, *, shots: int = 100) -> float:
    return 0.5


assert_type(by_position(42), ObjectRef[float])
assert_type(by_position.remote(seed=42, shots=10), ObjectRef[float])
assert_type(by_position.local(42), float)
assert_type(by_position.options(num_cpus=2).remote(42), ObjectRef[float])
assert_type(get(by_position(42)), float)
assert_type(get([by_position(1), by_position(2)]), list[float])
assert_type(get(put("text")), str)
by_position("42")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
by_position(42, state=redis)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
by_position.local()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
by_position.local(42, 100)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@remote(state=Notes(), target=Target(cpu=2))
def on_a_target(state: StateHandler, /, *seeds: int, **options: str) -> list[int]:
    return list(seeds)


@remote(state=Notes())
def of_any_name(state: StateHandler, **options: str) -> int:  # "state" is one of them to mypy
    return len(options)


assert_type(on_a_target(1, 2, label="x"), ObjectRef[list[int]])
assert_type(of_any_name(label="x"), ObjectRef[int])
on_a_target.local(1, label=2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@remote
def by_annotation(state: StateStore, seed: int) -> int:
    return seed


@remote
def by_protocol(state: StateHandler, seed: int) -> int:
    return seed


@remote()
def with_parentheses(state: StateStore, seed: int) -> int:
    return seed


@remote(target={"cpu": 2})
def with_a_target(state: StateStore | None, seed: int) -> int:
    return seed


assert_type(by_annotation(42), ObjectRef[int])
assert_type(by_protocol(42), ObjectRef[int])
assert_type(with_parentheses(seed=42), ObjectRef[int])
assert_type(with_a_target(42), ObjectRef[int])
by_annotation.local()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@remote
def without_state(x: int, label: str = "") -> str:
    return label


assert_type(without_state(1, label="x"), ObjectRef[str])
without_state.local("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@remote(state=redis)
async def coroutine(state: StateStore, seed: int) -> str:
    return ""


@remote(state=redis)
def generator(state: StateStore, count: int) -> Iterator[int]:
    yield count


@remote
async def async_generator(state: StateStore, count: int) -> AsyncIterator[int]:
    yield count


assert_type(coroutine(1), ObjectRef[str])
assert_type(coroutine.remote(1), ObjectRef[str])
assert_type(generator(3), ObjectRefGenerator)
assert_type(async_generator.remote(3), ObjectRefGenerator)
assert_type(generator.local(3), Iterator[int])


async def here() -> None:
    assert_type(await coroutine.local(1), str)


class Counter:
    def __init__(self, state: StateStore, start: int = 0) -> None: ...


class Plain:
    def __init__(self, start: int) -> None: ...


# In the form of a call, as mypy takes no notice of what decorators make of classes. basedpyright
# does, but takes any arguments for the constructor's.
counter = remote(state=redis)(Counter)
annotated = remote(Counter)
plain = remote()(Plain)

assert_type(counter(40), ActorHandle[Counter])  # pyright: ignore[reportAssertTypeFailure]
assert_type(annotated.remote(start=1), ActorHandle[Counter])  # pyright: ignore[reportAssertTypeFailure]
assert_type(plain.local(start=1), Plain)  # pyright: ignore[reportAssertTypeFailure]
counter.options(num_cpus=0).remote(40)
counter("40")  # type: ignore[arg-type]
annotated(1, 2)  # type: ignore[call-arg]
plain()  # type: ignore[call-arg]


@remote(state=redis)
class Decorated:
    def __init__(self, state: StateStore, start: int = 0) -> None: ...

    def add(self, n: int) -> int:
        return n


def of_an_actor() -> None:
    actor = Decorated.remote(40)  # type: ignore[attr-defined]
    actor.add.remote(2)


def plain_function(state: StateStore, seed: int, shots: int) -> float:
    return 0.5


assert_type(remote(state=redis)(partial(plain_function, shots=10))(42), ObjectRef[float])


@remote
def untyped(x):  # type: ignore[no-untyped-def]
    return x


untyped(1)
untyped(x=1)

remote(state={})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

with override(connect("memory://")) as store:
    assert_type(store, StateStore)
