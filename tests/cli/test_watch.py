"""watch."""

import json

import pytest

import qstate
from tests.cli.conftest import ended, started


@pytest.fixture
def watching(redis_server):
    """Starts `qstate watch` on a scope of a Redis, and gives the scope once it is being told."""
    processes = []

    def start(*options):
        scope = store.scope("cli-watch")
        process = started("watch", "cli-watch/", "-s", redis_server.url, *options)
        processes.append(process)
        return process, scope

    with qstate.connect(redis_server.url) as store:
        yield start
        store.scope("cli-watch").clear()
    for process in processes:
        process.kill()
        process.wait()


def first_line(process, scope):
    """Write until the first change is told: then it watches."""
    import select

    number = 0
    while not select.select([process.stdout], [], [], 0.1)[0]:
        scope["begun"] = (number := number + 1)
        assert process.poll() is None
    return process.stdout.readline()


def test_changes_are_told_as_they_happen(watching):
    """Each is a line with time, kind, key and value, at once though a pipe reads it."""
    process, scope = watching()
    assert "set      cli-watch/begun  " in first_line(process, scope)
    scope["energy"] = {"e": -1.137}
    while "energy" not in (line := process.stdout.readline()):
        assert "begun" in line
    assert line.split(maxsplit=3)[1:] == ["set", "cli-watch/energy", '{"e": -1.137}\n']
    del scope["energy"]
    assert process.stdout.readline().split()[1:] == ["deleted", "cli-watch/energy"]
    process.send_signal(2)
    assert ended(process) == (130, "", "")


def test_changes_are_lines_of_json(watching):
    """With version, writer and value; --count ends it."""
    process, scope = watching("--json", "--count", "1")
    told = json.loads(first_line(process, scope))
    assert (told["kind"], told["key"]) == ("set", "cli-watch/begun")
    assert isinstance(told["value"], int)
    assert told["version"]
    assert ended(process).code == 0
