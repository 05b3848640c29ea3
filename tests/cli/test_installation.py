"""stores, doctor, and commands of plug-ins."""

import json
import platform

import pytest

from qstate.cli import stores
from tests.cli.conftest import run
from tests.servers.listeners import saying
from tests.servers.process import free_port


def test_stores_are_listed_with_what_they_need(install):
    """Each scheme with its distribution; what is missing with the pip install that brings it."""
    install("extra")
    install("broken")
    listed = run("stores")
    assert listed.code == 0
    lines = [line.split(None, 3) for line in listed.out.splitlines()]
    told = {line[0]: line[1:] for line in lines}
    assert told["redis://"] == ["qstate", "0.1.0", "ready"]
    assert told["ledger://"][2] == "install it with: pip install 'ledger-store[ledger]'"
    assert told["broken://"][:2] == ["broken-store", "0.1"]
    assert listed.out.count("missing:") == 1
    assert "(pip install 'ledger-store[ledger]')" in listed.out
    document = json.loads(run("stores", "--json").out)
    needs = {store["scheme"]: store["needs"] for store in document["stores"]}
    assert needs["sqlite"] is None
    assert "ledger-store[ledger]" in needs["ledger"]
    assert document["missing_extras"][0]["install"] == "pip install 'ledger-store[ledger]'"


def test_extras_are_those_of_the_distribution():
    """qstate's own are known by their packages, without importing any."""
    extras = {extra.extra for extra in stores._extras()}
    assert {"redis", "ray", "postgres", "cli"} <= extras


def test_doctor_finds_a_sound_store_and_no_ray(no_ray):
    """All is well where the store answers, though no Ray runs here; none is started for it."""
    ran = run("doctor")
    assert ran.code == 0
    assert [line.split()[:2] for line in ran.out.splitlines()] == [
        ["ok", "python"],
        ["ok", "store"],
        ["ok", "ray"],
    ]
    assert "answered in" in ran.out
    assert "reaches as far as the host" in ran.out
    assert "none runs on this machine" in ran.out


def test_doctor_finds_a_store_that_does_not_answer(no_ray):
    """With its address, what to do, and exit code 1; without its password."""
    port = free_port()
    ran = run("doctor", "--store", f"redis://ada:hunter2@127.0.0.1:{port}/0", "--json")
    assert ran.code == 1
    document = json.loads(ran.out)
    assert document["ok"] is False
    finding = next(one for one in document["findings"] if one["what"] == "store")
    assert finding["state"] == "failed"
    assert f"127.0.0.1:{port}" in finding["told"]
    assert "hunter2" not in ran.out


def test_doctor_compares_the_versions_of_ray_and_python(ray_head):
    """A Ray that answers is told with its versions, which are those of here."""
    import ray

    ran = run("doctor", "--provider", f"127.0.0.1:{ray_head.port_job_server}")
    assert ran.code == 0, ran.out
    assert f"Ray {ray.__version__}, Python {platform.python_version()}" in ran.out


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        (
            {"rayVersion": "2.1.0", "pythonVersion": platform.python_version()},
            "pip install 'ray[default]==2.1.0'",
        ),
        ({"pythonVersion": "3.9.1"}, "Python 3.9.1 runs there"),
        ({"pythonVersion": platform.python_version()}, None),
    ],
)
def test_doctor_says_what_to_do_where_versions_differ(versions, told):
    """The version to install is that of the cluster."""
    body = json.dumps({"data": versions}).encode()
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with saying(answer) as port:
        ran = run("doctor", "--provider", f"127.0.0.1:{port}")
    assert ran.code == (0 if told is None else 1)
    assert told is None or told in ran.out


def test_doctor_finds_a_ray_that_does_not_answer(tmp_path):
    """A provider of the configuration is asked, and told where it is."""
    port = free_port()
    resource = {"name": "lab", "host": "127.0.0.1", "port_job_server": port}
    file = tmp_path / "providers.json"
    file.write_text(json.dumps({"providers": [{"name": "lab", "compute_resource": resource}]}))
    ran = run("doctor", "--config", file)
    assert ran.code == 1
    assert f"no Ray answers at http://127.0.0.1:{port}" in ran.out
    assert run("doctor", "--config", file, "--provider", "nosuch").code == 1


def test_plugins_add_commands(install):
    """An installed distribution's command is there, with its help."""
    install("commanding")
    assert run("greet", "Ada") == (0, "hello, Ada\n", "")
    assert "Greet someone." in run("--help").out


def test_a_plugin_that_fails_is_named_and_breaks_no_command(install, default_store):
    """The others, and qstate's own commands, work on."""
    install("commanding")
    install("commanding_broken")
    default_store["k"] = 1
    ran = run("get", "k")
    assert (ran.code, ran.out) == (0, "1\n")
    for part in ("commanding-broken 1.0", "qstate_cli", "no more commands today"):
        assert part in ran.err
    assert run("greet", "Ada").out == "hello, Ada\n"
