"""The command as a process: pipes, terminals, Ctrl-C, what it loads."""

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.conftest import COMMAND, ended, started


def on_a_terminal(*arguments, env=None):
    """Exit code and output of a command whose stdin, stdout and stderr are a terminal."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **(env or {})}
    process = subprocess.Popen(
        [COMMAND, *arguments], stdin=follower, stdout=follower, stderr=follower, env=env
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # nobody holds the terminal any more
            break
        if not piece:
            break
        seen += piece
    os.close(leader)
    return process.wait(60), seen.decode()


@pytest.fixture
def two_stores(default_store, tmp_path):
    """A full store and where to copy it to."""
    default_store.set_many({f"k{number:04}": {"n": number} for number in range(500)})
    return f"sqlite:///{tmp_path}/state.db", f"sqlite:///{tmp_path}/copy.db"


def test_a_reader_that_has_enough_is_no_error(default_store):
    """`qstate keys | head -1` is quiet, and the command ends as one that SIGPIPE has ended."""
    default_store.set_many({f"k{number:020}": None for number in range(20_000)})
    script = f"{COMMAND} keys | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    key, code = done.stdout.split()
    assert key.startswith("k")
    assert code == "141"
    assert done.stderr == ""


def test_a_value_goes_into_a_file(default_store, tmp_path):
    """`qstate get k --raw > file` has the bytes and nothing else."""
    default_store["k"] = bytes(range(256))
    with (tmp_path / "file").open("wb") as file:
        assert ended(started("get", "k", "--raw", stdout=file)).code == 0
    assert (tmp_path / "file").read_bytes() == bytes(range(256))


def test_the_progress_bar_is_for_terminals_alone(two_stores):
    """A pipe gets the count and no control characters; a terminal sees the bar and colours."""
    source, destination = two_stores
    piped = ended(started("copy", source, destination))
    assert piped == (0, "500 copied, 0 same, 0 conflicts, 0 refused\n", "")
    code, seen = on_a_terminal("copy", source, destination)
    assert code == 0
    assert "copying" in seen
    assert "500/500" in seen
    assert "\x1b[" in seen
    assert seen.endswith("0 copied, 500 same, 0 conflicts, 0 refused\r\n")


def test_colours_are_for_terminals_alone(default_store):
    """And not where NO_COLOR is set; control characters of keys reach no terminal."""
    default_store["evil\x1b[31m"] = "x\x1b[31m"
    assert ended(started("get", "evil\x1b[31m")).out == '"x\\u001b[31m"\n'
    assert "\x1b[3" in on_a_terminal("get", "evil\x1b[31m")[1]
    assert "\x1b[3" not in on_a_terminal("get", "evil\x1b[31m", env={"NO_COLOR": "1"})[1]
    assert on_a_terminal("keys")[1] == "evil\\x1b[31m\r\n"


def test_without_the_extra_the_message_names_it():
    """Nothing but a line that says what to install."""
    code = (
        "import sys; sys.modules['cyclopts'] = None\n"
        "from qstate.cli import main; sys.exit(main(['keys']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "pip install 'qstate[cli]'" in done.stderr


def test_a_command_on_a_store_loads_no_ray(default_store):
    """Starting takes a fraction of a second."""
    default_store["k"] = 1
    code = (
        "import sys; from qstate.cli import main; main(['keys'])\n"
        "print(sorted({'ray', 'redis', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "k\n[]\n"


def test_qstate_itself_loads_no_command_line():
    """`import qstate` and a store work without it."""
    code = (
        "import sys, qstate; qstate.connect('memory://a').set('k', 1)\n"
        "sys.exit(any(name in ('qstate.cli', 'cyclopts', 'rich') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell):
    """A completion script of each shell knows the commands."""
    from qstate.cli.app import app

    script = app().generate_completion(prog_name="qstate", shell=shell)
    assert "blame" in script
    assert "--if-version" in script


def test_python_m_is_the_same_command(default_store):
    """Where the command is not on the path."""
    default_store["k"] = 1
    done = subprocess.run(
        [sys.executable, "-m", "qstate.cli", "get", "k"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
