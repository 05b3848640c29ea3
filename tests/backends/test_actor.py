"""``actor://``: one store for all drivers and tasks of a Ray cluster, and how its loss is told."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import threading
import uuid

import pytest
import ray
from ray import exceptions

import qstate
from qstate.backend import StateLostError, StoreUnavailableError, translate_errors
from qstate_backends import hosted
from qstate_backends.actor import ActorStateHandler
from qstate_backends.ray_calls import RAY_ERRORS, CallChannel
from tests.servers.process import wait_until

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture
def name():
    name = f"test {uuid.uuid4().hex[:8]}/ä"
    yield name
    try:
        actor = ray.get_actor(name, namespace="qstate")
    except ValueError:
        return
    ray.kill(actor)
    wait_until(lambda: not _exists(name))


@pytest.fixture
def store(name):
    with ActorStateHandler(name) as store:
        yield store


def _exists(name):
    return {"name": name, "namespace": "qstate"} in ray.util.list_named_actors(all_namespaces=True)


def _actor(name):
    return ray.get_actor(name, namespace="qstate")


def _listens(address):
    try:
        socket.create_connection(address, 5).close()
    except ConnectionRefusedError:
        return False
    return True


def _end(name, *, restart):
    """End the actor's process, and return once it has ended."""
    actor = _actor(name)
    presence = ray.get(actor.presence.remote())
    before = presence.incarnation
    ray.kill(actor, no_restart=not restart)
    # Ray forgets an actor before it ends the process, which serves for a moment more.
    wait_until(lambda: not _listens(presence.address), 60)

    def ended():
        try:
            return ray.get(actor.presence.remote(), timeout=5).incarnation != before
        except exceptions.ActorUnavailableError:
            return False
        except exceptions.ActorDiedError:
            return not _exists(name)

    wait_until(ended, 60)


@ray.remote(num_cpus=0)
def _write(store, key, value):
    store[key] = value
    return os.getpid()


@ray.remote(num_cpus=0)
def _add(store, times):
    for _ in range(times):
        while True:
            entry = store.entry("n")
            try:
                store.set("n", entry.value + 1, if_version=entry.version)
            except qstate.ConflictError:
                continue
            break


def test_tasks_and_their_driver_share_one_store(store):
    """What a task writes, the driver reads, and the other way round."""
    store["driver"] = 1
    assert ray.get(_write.remote(store, "task", [1, 2])) != os.getpid()
    assert dict(store.items()) == {"driver": 1, "task": [1, 2]}


def test_conditional_writes_of_several_tasks_lose_nothing(store):
    """Each of many increments by compare-and-set from several tasks counts."""
    store["n"] = 0
    ray.get([_add.remote(store, 100) for _ in range(3)])
    assert store["n"] == 300


DRIVER = """
import sys, ray, qstate
ray.init(sys.argv[1], namespace="another", log_to_driver=False)
with qstate.connect(qstate.StateURL("actor", path="/" + sys.argv[2])) as store:
    store["other driver"] = store["this driver"] + 1
"""


def test_several_drivers_share_one_store_which_outlives_them(store, name, ray_session):
    """Whatever their namespace, drivers that name it find it, and what ended ones wrote."""
    store["this driver"] = 1
    subprocess.run([sys.executable, "-c", DRIVER, ray_session.address, name], check=True)
    assert store["other driver"] == 2


def test_the_store_is_a_detached_actor_that_takes_no_cpu(store, name):
    """Closing all handles leaves it, with what it holds."""
    before = ray.available_resources().get("CPU")
    store["k"] = 1
    store.close()
    assert ray.available_resources().get("CPU") == before
    with ActorStateHandler(name) as again:
        assert again["k"] == 1


def test_different_names_are_different_stores(name):
    """A name that begins like another leads elsewhere."""
    with ActorStateHandler(name) as one, ActorStateHandler(f"{name}2") as other:
        one["k"] = 1
        assert list(other) == []
        ray.kill(_actor(f"{name}2"))


def test_threads_that_open_it_at_once_find_one_store(name):
    """However many ask first, one actor is made."""
    stores = [ActorStateHandler(name, timeout=20 + n) for n in range(6)]
    opened = [
        threading.Thread(target=store.set, args=(f"k{n}", n)) for n, store in enumerate(stores)
    ]
    for thread in opened:
        thread.start()
    for thread in opened:
        thread.join()
    assert [len(store) for store in stores] == [6] * 6
    for store in stores:
        store.close()


def test_it_says_what_it_is(store, name):
    """Its representation names it, and it reaches the whole cluster."""
    assert repr(store) == f"<ActorStateHandler | {name}>"
    assert store.info().reach == "cluster"
    assert pickle.loads(pickle.dumps(store)) == store


@pytest.mark.parametrize("url", ["actor://", "actor://a:1", "actor://a?journal=memory://x"])
def test_a_url_that_means_nothing_is_refused(url):
    """A name and known options are all it takes."""
    with pytest.raises(qstate.InvalidURLError):
        qstate.connect(url)


# -- without a connection ------------------------------------------------------------------------


@pytest.fixture
def unreachable(monkeypatch):
    """As if a firewall let nothing but Ray through."""

    def refuse(*_):
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr("qstate_backends.wire.dial", refuse)


def test_where_the_server_can_not_be_connected_to_calls_go_through_ray(store, unreachable, caplog):
    """The store works all the same, conflicts and large values included, and says it is slower."""
    large = os.urandom(1_000_000)
    version = store.set("k", large)
    assert store["k"] == large
    with pytest.raises(qstate.ConflictError):
        store.set("k", 1, if_version=qstate.ABSENT)
    store.set("k", 1, if_version=version)
    ray.get(_write.remote(store, "task", 2))
    assert store["task"] == 2
    assert isinstance(store._client.backend._way.standing, CallChannel)
    assert "slower" in caplog.text


def test_a_loss_is_told_also_where_calls_go_through_ray(store, name, unreachable):
    """Restarted, the actor does not answer "absent"."""
    store["k"] = 1
    _end(name, restart=True)
    with pytest.raises(StateLostError):
        store.get("k")


def test_changes_are_told_also_where_calls_go_through_ray(store, unreachable):
    """After a short while: there the store is asked."""
    with store.watch() as changes:
        ray.get(_write.remote(store, "k", 1))
        assert changes.next(10).entry.value == 1


def test_coroutines_are_served_also_where_calls_go_through_ray(store, unreachable):
    """Each gets its own answer; one that is cancelled disturbs no other."""

    async def main():
        async with store.aio as aio:
            await aio.set_many({str(n): n for n in range(20)})
            cancelled = asyncio.ensure_future(aio.get("0"))
            await asyncio.sleep(0)
            cancelled.cancel()
            found = await asyncio.gather(*(aio.get(str(n)) for n in range(20)))
            with pytest.raises(qstate.ConflictError):
                await aio.set("0", 1, if_version=qstate.ABSENT)
            return found

    assert asyncio.run(main()) == list(range(20))


# -- watching ------------------------------------------------------------------------------------


def test_changes_that_tasks_make_are_told(store):
    """The actor streams them."""
    with store.watch("run/") as changes:
        ray.get([_write.remote(store, "other", 0), _write.remote(store, "run/a", 1)])
        change = changes.next(10)
        assert (change.key, change.kind, change.entry.value) == ("run/a", "set", 1)
        del store["run/a"]
        assert changes.next(10).kind == "deleted"


def test_a_watch_is_told_of_a_loss(store, name):
    """It does not wait for changes of what is gone."""
    with store.watch() as changes:
        store["k"] = 1
        assert changes.next(10).key == "k"
        _end(name, restart=True)
        with pytest.raises(StateLostError):
            changes.next(20)


# -- the asynchronous door -----------------------------------------------------------------------


@ray.remote(num_cpus=0)
class _Counter:
    """An asynchronous actor of a user."""

    def __init__(self, store):
        self._aio = store.aio

    async def add(self, times):
        for _ in range(times):
            await self._aio.increment("n")

    async def add_at_once(self, times):
        await asyncio.gather(*(self._aio.increment("n") for _ in range(times)))

    async def next_of(self, key):
        async with self._aio.watch(key) as changes:
            await self._aio.set("watching", 1)
            return (await anext(changes)).entry.value


def test_an_asynchronous_actor_uses_the_store_without_blocking(store):
    """Many of its methods run at once, each awaiting the store; every increment counts."""
    counter = _Counter.remote(store)
    waiting = counter.next_of.remote("answer")
    ray.get([*(counter.add.remote(20) for _ in range(4)), counter.add_at_once.remote(20)])
    assert store["n"] == 100
    store.wait_for("watching", timeout=10)
    store["answer"] = 42
    assert ray.get(waiting, timeout=20) == 42
    ray.kill(counter)


def test_an_asynchronous_client_is_told_of_a_loss_and_may_reset(store, name):
    """As any other."""

    async def main():
        async with store.aio as aio:
            await aio.set("k", 1)
            await asyncio.to_thread(_end, name, restart=True)
            with pytest.raises(StateLostError):
                await aio.get("k")
            await aio.reset()
            return await aio.get("k", "absent")

    assert asyncio.run(main()) == "absent"


# -- journal -------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path):
    return f"sqlite:///{tmp_path}/journal.db"


@pytest.mark.parametrize("restart", [True, False])
def test_an_actor_with_a_journal_loses_nothing(name, journal, restart):
    """Restarted by Ray, or ended for good and made anew: values, versions, expiries are there."""
    with ActorStateHandler(name, journal=journal, timeout=20) as store:
        version = store.set("k", {"a": (1, 2)})
        store.set("expires", 1, ttl=100)
        store.set_many({f"many/{n}": n for n in range(50)})
        store.delete("many/0")
        expires_at = store.entry("expires").expires_at
        with store.watch("k") as changes:
            _end(name, restart=restart)
            assert store.entry("k").version == version
            assert abs(store.entry("expires").expires_at - expires_at).total_seconds() < 0.05
            assert len(store) == 51
            assert store.increment("n") == 1
            store["k"] = "new"
            assert changes.next(20).entry.value == "new"
        assert store.info().durable


def test_operations_go_on_while_an_actor_with_a_journal_is_restarted(name, journal):
    """Each increment is made exactly once, though its answer may be lost with the actor."""
    with ActorStateHandler(name, journal=journal, timeout=30) as store:
        store["n"] = 0
        other = threading.Thread(target=lambda: [store.increment("n") for _ in range(300)])
        other.start()
        for _ in range(2):
            _end(name, restart=True)
            store.increment("n")
        other.join()
        assert store["n"] == 302


def test_an_actor_keeps_the_journal_that_it_was_made_with(name, journal, tmp_path):
    """Who asks for none uses it; who asks for another is told."""
    with ActorStateHandler(name, journal=journal) as store, ActorStateHandler(name) as plain:
        store["k"] = 1
        assert plain["k"] == 1
        with (
            ActorStateHandler(name, journal=f"sqlite:///{tmp_path}/other.db") as other,
            pytest.raises(qstate.InvalidURLError, match="another journal"),
        ):
            other.get("k")


def test_a_journal_that_is_away_is_told_as_unavailable(name):
    """Nothing is served that may not be so; nothing of its address that is secret is shown."""
    journal = "redis://:hunter2@127.0.0.1:1"
    with ActorStateHandler(name, journal=journal, timeout=3) as store:
        assert "hunter2" not in f"{store!r} {store.info()} {store._address}"
        for call in (lambda: store.set("k", 1), lambda: store.get("k")):
            with pytest.raises(StoreUnavailableError) as told:
                call()
            assert "hunter2" not in str(told.value)


# -- loss ----------------------------------------------------------------------------------------


def test_a_restarted_actor_says_that_its_state_is_lost_until_it_is_reset(store, name):
    """Every client is told, old or new, reading or writing; nobody finds "absent"."""
    store["k"] = 1
    _end(name, restart=True)
    with ActorStateHandler(name, timeout=10) as new:
        for client in (store, new, store, new):
            with pytest.raises(StateLostError):
                client.get("k")
            with pytest.raises(StateLostError):
                client.set("k", 2)
            with pytest.raises(StateLostError):
                list(client)
        new.reset()
        new["k"] = 3
        assert store["k"] == 3


def test_who_did_not_notice_a_loss_is_told_once_after_others_have_reset(store, name):
    """An old client does not go on as if nothing had happened."""
    store["k"] = 1
    _end(name, restart=True)
    with ActorStateHandler(name, timeout=10) as new:
        new.reset()
        new["k"] = 2
    with pytest.raises(StateLostError):
        store.get("k")
    assert store["k"] == 2


def test_a_store_opened_by_its_url_is_reset_too(name):
    """The method is every store's; those that never lose anything refuse it."""
    with qstate.connect(qstate.StateURL("actor", path=f"/{name}"), timeout=10) as store:
        store["k"] = 1
        _end(name, restart=True)
        store.reset()
        assert store.get("k") is None
    with qstate.connect("memory://") as store:
        with pytest.raises(qstate.UnsupportedOperationError):
            store.reset()


def test_resetting_a_store_that_lost_nothing_changes_nothing(store):
    """A second client that resets does not undo what was written since the first did."""
    store["k"] = 1
    store.reset()
    assert store["k"] == 1


def test_who_knew_an_actor_that_was_ended_for_good_is_told_once(store, name):
    """Made anew, it is empty: an old client gets an error before it sees that, a new one not."""
    store["k"] = 1
    _end(name, restart=False)
    with ActorStateHandler(name, timeout=10) as new:
        assert new.get("k") is None
    with pytest.raises(StateLostError):
        store.get("k")
    assert store.get("k") is None


def _write_here(store):
    store["child"] = store["parent"] + 1


def test_a_forked_child_reaches_a_store_that_its_parent_has_used(store):
    """It connects by itself, as Ray does not work in a forked process."""
    store["parent"] = 1
    process = multiprocessing.get_context("fork").Process(target=_write_here, args=(store,))
    process.start()
    process.join(30)
    assert store["child"] == 2


def _open_another(conversation):
    try:
        qstate.connect("actor://never-used").get("k")
    except qstate.StoreUnavailableError as error:
        conversation.send(str(error))


def test_a_forked_child_is_told_where_it_can_not_reach_a_store():
    """It does not hang in Ray."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_open_another, args=(there,))
    process.start()
    assert here.poll(30)
    assert "does not work in forked processes" in here.recv()
    process.join(30)


# -- errors --------------------------------------------------------------------------------------


def _ray_errors():
    classes = vars(exceptions).values()
    return [c for c in classes if inspect.isclass(c) and issubclass(c, BaseException)]


@pytest.mark.parametrize("kind", [*_ray_errors(), ValueError, RuntimeError, ConnectionError])
def test_no_error_of_ray_leaves_as_it_is(kind):
    """Each class of ray.exceptions is told as a store that does not answer."""
    bare = {"__init__": lambda self: None, "__str__": lambda self: "no more than its class"}
    error = type(kind.__name__, (kind,), bare)()
    with pytest.raises(StoreUnavailableError), translate_errors("actor://x", RAY_ERRORS):
        raise error


def test_an_actor_that_hangs_costs_the_timeout(name):
    """A call that Ray does not answer ends, and its outcome is unknown."""
    with ActorStateHandler(name, timeout=0.5) as store:
        store["k"] = 1
        way = store._client.backend._way
        way.standing = CallChannel(_Hanging(), "actor://x")
        with pytest.raises(StoreUnavailableError) as told:
            store.set("k", 2)
        assert told.value.outcome == "unknown"


@ray.remote(num_cpus=0)
def _never():
    threading.Event().wait(5)


class _Hanging:
    """An actor's handle whose method does not return in time."""

    @property
    def call(self):
        class Method:
            @staticmethod
            def remote(*_):
                return _never.remote()

        return Method


def test_the_actor_is_in_the_namespace_of_qstate(store, name):
    """Whatever namespace a driver has, the store is found in one."""
    store["k"] = 1
    assert hosted.NAMESPACE == "qstate"
    assert _exists(name)
