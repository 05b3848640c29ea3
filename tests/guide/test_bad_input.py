"""What goes wrong at first, and what each mistake is answered with; nothing is written."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import time
from contextlib import closing

import pytest

import qstate
from qstate import Program, QuantumServerless
from tests.servers.process import free_port
from tests.servers.redis import RedisServer

TIMEOUT = 2.0


def test_a_scheme_that_no_plugin_serves():
    """The error names the schemes that are served."""
    with pytest.raises(qstate.BackendNotFoundError, match=r"reddis://.*redis.*sqlite"):
        qstate.connect("reddis://localhost")


def test_a_store_whose_extra_is_not_installed():
    """The error names the pip install that brings it."""
    code = (
        "import sys, qstate\n"
        "sys.modules['psycopg'] = None  # how Python remembers a module it lacks\n"
        "qstate.connect('postgresql://localhost/lab')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("qstate.errors.BackendNotFoundError")
    assert "pip install 'qstate[postgres]'" in last


@pytest.mark.parametrize(
    ("scheme", "database"), [("redis", "0"), ("postgresql", "lab"), ("mariadb", "lab")]
)
def test_a_port_where_nothing_listens(scheme, database):
    """The error names the address, comes within the timeout, and says that nothing was written."""
    port = free_port()
    started = time.monotonic()
    url = f"{scheme}://ada:hunter2@127.0.0.1:{port}/{database}"
    with closing(qstate.connect(url, timeout=TIMEOUT)) as store:
        with pytest.raises(qstate.StoreUnavailableError, match=f"127.0.0.1:{port}") as caught:
            store["a"] = 1
    assert caught.value.outcome == "not applied"
    assert "hunter2" not in str(caught.value)
    assert time.monotonic() - started < TIMEOUT + 3


def test_a_wrong_password():
    """The error says what to check, and shows neither the wrong password nor the right one."""
    with RedisServer(password="correct") as server:
        url = server.url.replace("correct", "hunter2")
        with closing(qstate.connect(url, timeout=TIMEOUT)) as store:
            with pytest.raises(qstate.StoreUnavailableError, match="password") as caught:
                store["a"] = 1
        assert "hunter2" not in str(caught.value)
        assert "correct" not in str(caught.value)
        with qstate.connect(server.url) as store:
            assert list(store) == []


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "a" * 1025, 42, None])
def test_a_key_that_is_no_key(key):
    """Nothing is written, and the error says what a key is."""
    with qstate.connect("memory://") as store:
        with pytest.raises(qstate.InvalidKeyError, match="a key"):
            store.set(key, 1)
        assert list(store) == []


def test_a_file_that_is_on_another_host(tmp_path):
    """The store of a pickled SQLite file is not taken for an empty one where it arrives."""
    with qstate.connect(f"sqlite:///{tmp_path}/here/state.db") as store:
        store["a"] = 1
        (tmp_path / "pickle").write_bytes(pickle.dumps(store))
    shutil.rmtree(tmp_path / "here")
    code = (
        "import socket, sys, pickle\n"
        "socket.gethostname = lambda: 'elsewhere'\n"
        "pickle.load(open(sys.argv[1], 'rb')).get('a', 'absent')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "pickle")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("qstate.errors.UnreachableStoreError")
    assert "this is elsewhere" in last
    assert not (tmp_path / "here").exists()


def test_emptying_a_server_that_others_use():
    """An unscoped clear() asks whether it is meant; a scope's removes what is in it alone."""
    with RedisServer() as server, server.client() as theirs, qstate.connect(server.url) as store:
        theirs.hset("theirs", "field", "value")
        store["a"] = 1
        with pytest.raises(qstate.InvalidKeyError, match="everything=True"):
            store.clear()
        (store / "run")["a"] = 1
        (store / "run").clear()
        assert dict(store) == {"a": 1}
        store.clear(everything=True)
        assert theirs.hgetall("theirs") == {b"field": b"value"}


@pytest.mark.parametrize("value", ["7", [1], True, None])
def test_adding_to_what_is_no_number(value):
    """The error names the key and what stands there, and that stays."""
    with qstate.connect("memory://") as store:
        store["a"] = value
        with pytest.raises(qstate.ValueTypeError, match=f"'a' holds a {type(value).__name__}"):
            store.increment("a")
        assert store["a"] is value or store["a"] == value


def test_a_value_that_cannot_be_written():
    """The error has the way to it inside the value; a batch with it writes nothing."""
    with qstate.connect("memory://") as store:
        with pytest.raises(qstate.SerializationError, match=r"\$\.params\[1\]\.gate: .*object"):
            store.set_many({"good": 1, "bad": {"params": [{}, {"gate": object()}]}})
        assert list(store) == []


def test_a_program_whose_entrypoint_does_not_exist(tmp_path):
    """It is told before anything is sent anywhere."""
    program = Program(name="typo", entrypoint="jbo.py", working_dir=tmp_path)
    with pytest.raises(qstate.InvalidProgramError, match=r"jbo\.py"):
        QuantumServerless().run_program(program)


def test_a_provider_that_nobody_configured():
    """The error names those that are."""
    with pytest.raises(qstate.ProviderNotFoundError, match=r"'lab'.*local"):
        QuantumServerless().set_provider("lab")


def test_a_host_where_no_ray_answers(tmp_path):
    """The error names host and port, within the time that a Ray has to answer."""
    (tmp_path / "job.py").touch()
    port = free_port()
    resource = {"name": "lab", "host": "127.0.0.1", "port_job_server": port}
    lab = QuantumServerless({"providers": [{"name": "lab", "compute_resource": resource}]})
    with pytest.raises(qstate.RayUnavailableError, match=f"127.0.0.1:{port}"):
        lab.run_program(Program(name="job", entrypoint="job.py", working_dir=tmp_path))
