"""keys, get, set, delete and blame."""

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePosixPath
from uuid import UUID

import numpy as np
import pytest

import qstate
from qstate.cli.readable import readable
from qstate.entries import Writer, writing_as
from tests.cli.conftest import run


class Basis(Enum):
    Z = 1


@dataclass
class Gate:
    name: str
    angle: float


def test_what_is_set_is_got():
    """A JSON value goes in, is printed, and the version of the write is told."""
    wrote = run("set", "run/params", '{"theta": [0.1, null]}')
    assert (wrote.code, wrote.err) == (0, "")
    assert run("get", "run/params") == (0, '{"theta": [0.1, null]}\n', "")
    assert run("keys") == (0, "run/params\n", "")
    assert wrote.out.strip() in run("blame", "run/params").out


@pytest.mark.parametrize("value", ["-1.137", "-5", "0", "null", '"text"', "[]"])
def test_values_that_look_like_options_are_values(value):
    """A negative number needs no quoting."""
    assert run("set", "k", value).code == 0
    assert run("get", "k").out == f"{value}\n"


def test_large_values_are_printed_over_several_lines(default_store):
    """What doesn't fit into a line is indented."""
    default_store["k"] = {"first": list(range(20)), "second": "x" * 40}
    assert json.loads(run("get", "k").out) == default_store["k"]
    assert run("get", "k").out.startswith('{\n  "first": [\n')


def test_keys_of_a_prefix(default_store):
    """Only keys that begin so are listed; as JSON, each is a line."""
    default_store.set_many({"run/a": 1, "run-2": 2, "run/ü\n": 3})
    assert sorted(run("keys", "run/").out.split("\n")) == ["", "", "run/a", "run/ü"]
    listed = run("keys", "run/", "--json").out.splitlines()
    assert sorted(map(json.loads, listed)) == ["run/a", "run/ü\n"]


def test_text_and_bytes_pass_as_they_are(default_store):
    """stdin may be JSON, text or bytes; --raw prints the last two without a form or a newline."""
    assert run("set", "json", "-", stdin=b"[1, 2]").code == 0
    assert run("set", "text", "-", "--text", stdin="für\n".encode()).code == 0
    assert run("set", "bytes", "-", "--bytes", stdin=b"\x00\n\r").code == 0
    assert dict(default_store) == {"json": [1, 2], "text": "für\n", "bytes": b"\x00\n\r"}
    assert run("get", "text", "--raw") == (0, "für\n", "")
    assert run("get", "bytes", "--raw") == (0, "\x00\n\r", "")
    refused = run("get", "json", "--raw")
    assert refused.code == 2
    assert "holds a list" in refused.err


def test_what_is_no_json_is_told_with_what_to_do():
    """A word is no JSON; the message names --text."""
    refused = run("set", "greeting", "hello")
    assert refused.code == 2
    assert refused.err.endswith("for text add --text\n")
    assert run("set", "greeting", "hello", "--text").code == 0
    assert run("get", "greeting").out == '"hello"\n'


def test_what_is_not_there_is_an_error_of_its_own():
    """Nothing on stdout, one line on stderr, exit code 1."""
    for command in ("get", "blame", "delete"):
        ran = run(command, "nothing")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("qstate: nothing stands under 'nothing'")
        assert ran.err.count("\n") == 1


def test_delete_tells_what_was_there(default_store):
    """All that stand are removed; those that don't are named."""
    default_store.set_many({"a": 1, "b": 2})
    ran = run("delete", "a", "nothing", "b", "--json")
    assert ran.code == 1
    assert json.loads(ran.out) == {"deleted": ["a", "b"], "absent": ["nothing"]}
    assert not list(default_store)
    default_store["c"] = 1
    assert run("delete", "c") == (0, "", "")


def test_versions_are_required(default_store):
    """--if-version and --if-absent write over what they say, else exit with 1 and write nothing."""
    first = run("set", "k", "1", "--if-absent").out.strip()
    assert run("set", "k", "2", "--if-version", first).code == 0
    for option in (["--if-version", first], ["--if-absent"]):
        refused = run("set", "k", "3", *option)
        assert refused.code == 1
        assert "stands; nothing was written" in refused.err
    assert default_store["k"] == 2
    assert run("set", "k", "3", "--if-version", "soon").code == 2
    assert run("set", "k", "3", "--if-version", first, "--if-absent").code == 2


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("90", 90), ("1.5s", 1.5), ("15m", 900), ("2h", 7200), ("7d", 604800)]
)
def test_expiries_have_units(default_store, ttl, seconds):
    """--ttl is seconds or has a unit."""
    before = datetime.now(UTC)
    run("set", "k", "1", "--ttl", ttl)
    left = default_store.entry("k").expires_at - before
    assert timedelta(seconds=seconds) <= left + timedelta(seconds=0.1)
    assert left < timedelta(seconds=seconds + 60)


@pytest.mark.parametrize("ttl", ["0", "soon", "-1", "5y", ""])
def test_an_expiry_that_means_nothing_is_refused(default_store, ttl):
    """Nothing is written, and exit code 2."""
    assert run("set", "k", "1", f"--ttl={ttl}").code == 2
    assert "k" not in default_store


def test_blame_names_the_writer(default_store):
    """Job, task, attempt, node and function of what a task wrote, with its version and times."""
    writer = Writer(job="fqs_1", task="t1", attempt=2, node="n1", function="Lab.measure")
    with writing_as(writer):
        version = default_store.set("energy", -1.137, ttl=60)
    told = json.loads(run("blame", "energy", "--json").out)
    assert told.pop("modified")
    assert told.pop("expires_at")
    assert told == {
        "key": "energy",
        "version": str(version),
        "writer": {
            "job": "fqs_1",
            "task": "t1",
            "attempt": 2,
            "node": "n1",
            "function": "Lab.measure",
        },
    }
    lines = dict(line.split(maxsplit=1) for line in run("blame", "energy").out.splitlines())
    assert lines["function"] == "Lab.measure"
    assert lines["version"] == str(version)
    default_store["energy"] = 1
    assert "writer      unknown\n" in run("blame", "energy").out


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"\x00a", {"$bytes": "AGE="}),
        (1 - 2j, {"$complex": [1.0, -2.0]}),
        (math.nan, {"$float": "nan"}),
        (-math.inf, {"$float": "-inf"}),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), {"$datetime": "2026-01-02T03:04:00+00:00"}),
        (date(2026, 1, 2), {"$date": "2026-01-02"}),
        (time(3, 4), {"$time": "03:04:00"}),
        (timedelta(minutes=1), {"$seconds": 60.0}),
        (Decimal("1.50"), {"$decimal": "1.50"}),
        (Fraction(1, 3), {"$fraction": "1/3"}),
        (UUID(int=1), {"$uuid": "00000000-0000-0000-0000-000000000001"}),
        (PurePosixPath("/a"), {"$path": "/a"}),
        ({3, 1}, {"$set": [1, 3]}),
        (frozenset({"a", 1}), {"$set": ["a", 1]}),
        ((1, (2,)), [1, [2]]),
        ({1: 2, (0,): "a"}, {"$dict": [[1, 2], [[0], "a"]]}),
        (Basis.Z, {"$enum": "Basis.Z"}),
        (Gate("rx", 0.5), {"$type": "Gate", "name": "rx", "angle": 0.5}),
        (np.float64(1.5), 1.5),
        (np.int8(3), {"$array": "int8", "shape": [], "values": 3}),
        (
            np.array([[1j]]),
            {"$array": "complex128", "shape": [1, 1], "values": [[{"$complex": [0.0, 1.0]}]]},
        ),
        (np.zeros(2000), {"$array": "float64", "shape": [2000]}),
        (10**30, 10**30),
        (Ellipsis, {"$repr": "Ellipsis"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_has_no_word_for_has_a_form(value, shown):
    """Every value can be shown, in the form that the documentation lists."""
    assert json.loads(json.dumps(readable(value))) == shown


def test_no_secret_is_shown(monkeypatch):
    """Neither errors nor misread options show a password, as text or as JSON."""
    url = "redis://ada:hunter2@127.0.0.1:1/0?sentinel_password=hunter3"
    for arguments in (
        ["keys", "--store", "redis://ada:hunter2@127.0.0.1:1/0"],
        ["keys", "--stor", url],
        ["keys", "a", url, "--json"],
        ["copy", url, "memory://a", url],
        ["doctor", "--store", "redis://ada:hunter2@127.0.0.1:1/0", "--json"],
        ["keys", "--debug", "--store", url],
        ["keys", "--store", f"nosuch+{url}"],
    ):
        ran = run(*arguments)
        assert ran.code != 0
        assert "hunter" not in ran.out + ran.err, arguments
        assert ran.err.startswith(("qstate: ", "Traceback")) or ran.out


def test_errors_are_one_line_unless_the_traceback_is_asked_for(monkeypatch):
    """--debug and $QSTATE_DEBUG show it."""
    url = "redis://127.0.0.1:1/0"
    assert run("keys", "-s", url).err.count("\n") == 1
    assert "Traceback" in run("keys", "-s", url, "--debug").err
    monkeypatch.setenv("QSTATE_DEBUG", "1")
    assert "Traceback" in run("keys", "-s", url).err


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["get"], ["get", "a", "b"], ["keys", "--no"], ["keys", "-s", "no such thing"]],
)
def test_what_is_not_understood_ends_with_2(arguments):
    """Unknown commands, options and stores are the caller's mistakes, told in a line."""
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("qstate: ")
    assert ran.err.count("\n") == 1


def test_stores_are_named_by_url_name_or_variable(monkeypatch, tmp_path):
    """A configured name works as a URL does."""
    monkeypatch.setenv("QSTATE_STORE_LAB", f"sqlite:///{tmp_path}/lab.db")
    assert run("set", "k", "1", "--store", "lab").code == 0
    assert run("get", "k", "-s", f"sqlite:///{tmp_path}/lab.db").out == "1\n"
    assert run("get", "k").code == 1
    with qstate.connect("lab") as store:
        assert store["k"] == 1


def test_every_command_has_help_of_a_line_each():
    """--help lists each command with a line, and each one's own help its options."""
    listed = run("--help")
    assert listed.code == 0
    for name in ("keys", "get", "set", "delete", "watch", "copy", "export", "import", "blame"):
        assert re.search(rf" {name} +[A-Z]\w+ ", listed.out), name
        assert "--json" in run(name, "--help").out
    assert run("--version").out.strip()
