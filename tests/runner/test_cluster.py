"""A Ray of several machines: one state for all of its nodes, whatever becomes of one of them."""

from __future__ import annotations

import functools
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.process import wait_until
from tests.servers.ray_cluster import NODES

pytestmark = pytest.mark.timeout(600)  # the first test waits until all nodes have started

SETTING = """
import json, os, socket, sys
import qstate
from qstate import QuantumServerless, StateStore, UnreachableStoreError, get, override, remote

config, urls = json.loads(os.environ["LAB"])
serverless = QuantumServerless(config)
"""

SUBMIT = """
import json, sys
from qstate import JobStatus, Program, QuantumServerless

config, variables, folder = map(json.loads, sys.argv[1:])
program = Program(entrypoint="job.py", working_dir=folder, env_vars=variables)
job = QuantumServerless(config).run_program(program)
assert job.wait(150) is JobStatus.SUCCEEDED, job.logs()
print(job.logs().strip().splitlines()[-1])
"""

ONE_STATE = """
@remote
def write(state: StateStore, node):
    assert socket.gethostname() == node
    state[f"from/{node}"] = node
    state.increment("written")

@remote
def read(state: StateStore):
    return socket.gethostname(), dict(state)

def on(task, node, *args):
    return task.options(resources={node: 0.01}, num_cpus=0)(*args)

def one_state(url):
    with qstate.connect(url) as store, override(store):
        get([on(write, node, node) for node in nodes])
        seen = {"here": dict(store), **dict(get([on(read, node) for node in nodes]))}
        store.clear(everything=True)
    return seen

nodes = ("head", "node-1", "node-2")
with serverless.context():
    seen = {url.partition(":")[0]: one_state(url) for url in urls}
print(json.dumps(seen))
"""

REFUSED = """
@remote
def write(state: StateStore):
    state["a"] = 1
    return "written"

def told(node):
    try:
        return get(write.options(resources={node: 0.01}, num_cpus=0)())
    except UnreachableStoreError as error:
        return str(error).strip().splitlines()[-1]

with serverless.context(), override(qstate.connect(urls[0])):
    print(json.dumps({node: told(node) for node in ("head", "node-1")}))
"""

DYING = """
import ray, redis
from qstate import StateLostError
from qstate_backends.hosted import NAMESPACE, StateActor
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

url_outside = os.environ["OUTSIDE"]

def actor_on(node, journal):
    # Ray may put one elsewhere than it is asked to.
    (there,) = [each for each in ray.nodes() if each["Resources"].get(node)]
    wish = NodeAffinitySchedulingStrategy(there["NodeID"], soft=True)
    for number in range(20):
        name = f"{'plain' if journal is None else 'journaled'}-{number}"
        actor = ray.remote(StateActor).options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            max_restarts=-1,
            max_concurrency=16,
            num_cpus=0,
            scheduling_strategy=wish,
        ).remote(name, journal)
        if get(actor.presence.remote()).address[0] == there["NodeManagerAddress"]:
            return name, actor
        ray.kill(actor)

@remote
def work(stores, name):
    outside = redis.Redis.from_url(url_outside)
    here, attempt = socket.gethostname(), outside.incr("attempts")
    while True:
        for kind, store in stores.items():
            number = store.increment("total")
            store[f"{name}/{attempt}/{number}"] = number
            outside.rpush("acknowledged", json.dumps([kind, here, name, attempt, number]))
        if outside.exists("enough"):
            return here

on_a_worker = work.options(num_cpus=0, resources={"worker": 1})

def lost(store):
    try:
        return store.get("a", "absent")
    except StateLostError as error:
        return str(error)

with serverless.context():
    stores = {url.partition(":")[0]: qstate.connect(url) for url in urls}
    journaled, one = actor_on("node-1", qstate.connect(os.environ["JOURNAL"]))
    plain, other = actor_on("node-1", None)
    stores["actor"] = qstate.connect(f"actor://{journaled}", timeout=60)
    forgetful = qstate.connect(f"actor://{plain}", timeout=60)
    forgetful["a"] = 1
    places = get([on_a_worker(stores, name) for name in ("first", "second")])
    found = {kind: dict(store) for kind, store in stores.items()}
    told = [lost(forgetful), get(remote(lost)(forgetful)), lost(forgetful)]
    forgetful.reset()
    told.append(lost(forgetful))
    print(json.dumps({"places": places, "found": found, "lost": told}))
    for store in stores.values():
        store.clear(everything=True)
    ray.kill(one)
    ray.kill(other)
"""


@pytest.fixture
def lab(ray_cluster):
    """Runs a script in one of two ways on a whole cluster; gives the JSON that it prints."""
    ray_cluster.make_whole()
    return lambda way, script, *urls: way(ray_cluster, SETTING + script, urls)


def from_a_notebook(cluster, script, urls):
    """Through Ray Client, on a machine that is no node of the cluster."""
    return cluster.run(script, **variables(cluster, cluster.config(), urls))


def as_a_job(cluster, script, urls):
    """Through Ray Jobs: its driver runs on the head."""
    folder = cluster.machines["notebook"].files / "program"
    folder.mkdir(exist_ok=True)
    (folder / "job.py").write_text(script)
    given = (cluster.config(), variables(cluster, {}, urls), str(folder))
    return cluster.run(SUBMIT, *map(json.dumps, given))


def variables(cluster, config, urls):
    return {
        "LAB": json.dumps([config, urls]),
        "OUTSIDE": cluster.redis.database(1),
        "JOURNAL": cluster.redis.database(2),
    }


@pytest.fixture(autouse=True)
def nothing_left(lab):
    """A node that was started anew belongs to the cluster, which ends with these tests."""


WAYS = pytest.mark.parametrize("way", [from_a_notebook, as_a_job])


@WAYS
def test_all_nodes_see_one_state(lab, ray_cluster, way):
    """Tasks on three nodes and their caller share a store, the caller's own memory included."""
    urls = (ray_cluster.redis.url, ray_cluster.postgres.url, "actor://one-state", "memory://lab")
    seen = lab(way, ONE_STATE, *urls)
    written = {"written": 3, **{f"from/{node}": node for node in NODES}}
    assert list(seen) == ["redis", "postgresql", "actor", "memory"]
    for store, views in seen.items():
        assert views == dict.fromkeys(("here", *NODES), written), store


@WAYS
def test_a_file_is_refused_on_another_machine(lab, ray_cluster, way):
    """SQLite works where it was opened; elsewhere the error says what to use; no file is made."""
    owner = "notebook" if way is from_a_notebook else "head"
    machine = ray_cluster.machines[owner]
    told = lab(way, REFUSED, f"sqlite:///{machine.own}/state.db")
    if owner == "head":
        assert told.pop("head") == "written"
    for node, error in told.items():
        assert f"was opened on host {owner}, and this is {node}; such a store is not" in error
        assert "Use one that is: redis://, postgresql://, mariadb:// or actor://" in error
        assert not (ray_cluster.machines[node].files / "state.db").exists()


@WAYS
def test_a_node_that_dies_takes_no_acknowledged_write_with_it(lab, ray_cluster, way):
    """Its tasks run again elsewhere and find what the stores had acknowledged; an actor that died
    with it says that it has lost its state, or has it from its journal."""
    urls = (ray_cluster.redis.url, ray_cluster.postgres.url, "memory://lab")
    ray_cluster.redis.empty()
    with ray_cluster.redis.client(db=1) as outside, ThreadPoolExecutor() as pool:
        acknowledged = functools.partial(acknowledged_in, outside)
        told = pool.submit(lab, way, DYING, *urls)
        try:
            wait_until(lambda: told.done() or len(acknowledged("node-1")) > 40, 100)
            ray_cluster.crash("node-1")
            before = len(acknowledged("node-2"))
            wait_until(lambda: told.done() or len(acknowledged("node-2")) > before + 40, 100)
        finally:
            outside.set("enough", 1)
        told = told.result()
        written = acknowledged("node-1") + acknowledged("node-2")
    assert told["places"] == ["node-2", "node-2"]
    assert {kind for kind, *_ in written} == {"redis", "postgresql", "memory", "actor"}
    for kind, _, name, attempt, number in written:
        assert told["found"][kind][f"{name}/{attempt}/{number}"] == number, kind
    for kind, found in told["found"].items():
        numbers = [number for each, *_, number in written if each == kind]
        assert len(numbers) == len(set(numbers)), f"an increment of {kind} was lost"
        assert max(numbers) <= found["total"] <= len(numbers) + 1
    *lost, after_reset = told["lost"]
    assert all("what it held is lost" in error for error in lost), lost
    assert after_reset == "absent"


def acknowledged_in(outside, node):
    """What tasks on a node said had been acknowledged: store, node, task, attempt, number."""
    said = map(json.loads, outside.lrange("acknowledged", 0, -1))
    return [each for each in said if each[1] == node]
