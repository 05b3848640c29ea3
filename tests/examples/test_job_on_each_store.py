"""The guide's job, unchanged, on each of the five stores."""

from __future__ import annotations

from pathlib import Path

from qstate import JobStatus, Program, QuantumServerless, connect

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_job(ray_head, url):
    """Run the job on a store; what it printed."""
    program = Program(
        name="job_with_any_store",
        entrypoint="job_with_any_store.py",
        working_dir=EXAMPLES,
        env_vars={"QSTATE_URL": url},
    )
    job = QuantumServerless(ray_head.config()).run_program(program)
    status = job.wait(120)
    assert status is JobStatus.SUCCEEDED, job.logs()
    return job.logs()


def check(ray_head, url):
    """The job succeeds, and prints its result and what its tasks wrote."""
    printed = run_job(ray_head, url)
    assert "result: 42\n" in printed
    assert "entries: {'k': 42} {'other_k': 42}\n" in printed


def check_from_here(url):
    """What the tasks wrote is read by this process, which was no part of the job."""
    with connect(url) as store:
        assert store.get_many(["in_job", "in_other_job"]) == {
            "in_job": {"k": 42},
            "in_other_job": {"other_k": 42},
        }
        assert store.entry("in_job").version.modified is not None
        store.delete_many(["in_job", "in_other_job"])


def test_the_job_on_redis(ray_head, redis_server):
    """On Redis, with the notebook's process as reader."""
    check(ray_head, redis_server.url)
    check_from_here(redis_server.url)


def test_the_job_on_sqlite(ray_head, tmp_path):
    """On an SQLite file of this host."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    check(ray_head, url)
    check_from_here(url)


def test_the_job_on_postgresql(ray_head, postgres_server):
    """On PostgreSQL."""
    check(ray_head, postgres_server.url)
    check_from_here(postgres_server.url)


def test_the_job_on_an_actor(ray_session):
    """On an actor of the cluster, which outlives the job."""
    import ray

    check(ray_session, "actor://guide")
    check_from_here("actor://guide")
    for actor in ray.util.list_named_actors(all_namespaces=True):
        if "guide" in actor["name"]:
            ray.kill(ray.get_actor(actor["name"], namespace=actor["namespace"]))


def test_the_job_on_memory(ray_head):
    """In the memory of the job's own process, which serves it to its tasks."""
    check(ray_head, "memory://guide")


def test_a_store_that_is_not_there_fails_the_job_in_words(ray_head):
    """A store that no plug-in serves fails the job, and its log says why."""
    program = Program(
        entrypoint="job_with_any_store.py",
        working_dir=EXAMPLES,
        env_vars={"QSTATE_URL": "rediss-typo://localhost"},
    )
    job = QuantumServerless(ray_head.config()).run_program(program)
    assert job.wait(120) is JobStatus.FAILED
    assert "BackendNotFoundError" in job.logs()
