"""Programs: what they run, and what is told before anything is sent."""

from __future__ import annotations

import shlex

import pytest

from qstate import InvalidProgramError, Program, StateStore, connect, remote


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "job.py").write_text("print('hello')")
    return tmp_path


def test_arguments_become_options_of_the_script():
    """Each argument is given as --name=value, safe from the shell."""
    program = Program(entrypoint="job.py", arguments={"seed": 42, "label": "a b; rm $HOME"})
    assert shlex.split(program.command("/opt/my python")) == [
        "/opt/my python",
        "job.py",
        "--seed=42",
        "--label=a b; rm $HOME",
    ]


def test_name_and_title_are_one():
    """A program is named by name= or title=, else after its script."""
    assert Program(title="guide", entrypoint="job.py").name == "guide"
    assert Program(name="guide", entrypoint="job.py").title == "guide"
    assert Program(entrypoint="folder/job.py").name == "job"


def test_the_environment_has_only_what_was_asked_for(folder):
    """Without variables and dependencies Ray is asked for the folder alone."""
    plain = Program(entrypoint="job.py", working_dir=folder).runtime_env()
    assert sorted(plain) == ["excludes", "working_dir"]
    assert plain["working_dir"] == str(folder)
    full = Program(
        entrypoint="job.py",
        working_dir=folder,
        env_vars={"SHOTS": "100"},
        dependencies=["numpy>=2"],
    ).runtime_env()
    assert full["env_vars"] == {"SHOTS": "100"}
    assert full["pip"] == ["numpy>=2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entrypoint": "jbo.py"}, "no script 'jbo.py' in .*file inside working_dir"),
        ({"entrypoint": "."}, "no script '.'"),
        ({"entrypoint": "../outside.py"}, "outside of working_dir"),
        ({"working_dir": "nowhere/at/all"}, "no folder .*nowhere/at/all"),
        ({"arguments": {"a b": 1}}, "'a b' can't be an argument's name"),
        ({"arguments": {"--seed": 1}}, "'--seed' can't be an argument's name"),
        ({"env_vars": {"SHOTS": 100}}, "env_vars are text; 'SHOTS' is not"),
        ({"dependencies": "numpy"}, "dependencies is a list of text, not 'numpy'"),
        ({"excludes": [1]}, r"excludes is a list of text, not \[1\]"),
        ({"entrypoint": len, "arguments": {"x": 1}}, "len can't be called with its arguments"),
    ],
)
def test_a_program_that_cannot_run_says_why(folder, changes, message):
    """What is missing or can't be given is told by name, with where it was looked for."""
    (folder.parent / "outside.py").touch()
    program = Program(**{"name": "guide", "entrypoint": "job.py", "working_dir": folder, **changes})
    with pytest.raises(InvalidProgramError, match=f"program 'guide': .*{message}"):
        program.check()


def test_a_program_that_can_run_passes(folder):
    """A script in its folder, with arguments and variables that can be given, is fine."""
    (folder / "src").mkdir()
    (folder / "src" / "job.py").touch()
    Program(
        entrypoint="src/job.py", working_dir=folder, arguments={"k": 1}, env_vars={"A": "b"}
    ).check()


def test_a_function_is_a_program():
    """It is named after itself, uploads nothing by itself, and is checked with its arguments."""

    def simulate(state: StateStore, shots: int, *, seed: int = 0) -> int:
        return shots

    program = Program(entrypoint=simulate, arguments={"shots": 100})
    program.check()
    assert program.name == "simulate"
    assert program.runtime_env() == {}
    assert shlex.split(program.command("python", "-m", "x")) == ["python", "-m", "x"]
    with pytest.raises(InvalidProgramError, match="missing a required argument: 'shots'"):
        Program(entrypoint=simulate).check()


def test_a_task_is_a_program_too():
    """What a decorated function is checked against is what its callers see."""

    @remote(state=connect("memory://docs"))
    def measure(state, shots):
        return shots

    Program(entrypoint=measure, arguments={"shots": 1}).check()
    with pytest.raises(InvalidProgramError, match="measure can't be called"):
        Program(entrypoint=measure, arguments={"state": 1, "seed": 1}).check()


def test_further_arguments_win():
    """Those of the run are added to the program's; the program stays as it is."""
    program = Program(entrypoint="job.py", arguments={"seed": 1, "shots": 2})
    assert program.with_arguments({"seed": 3}).arguments == {"seed": 3, "shots": 2}
    assert program.arguments == {"seed": 1, "shots": 2}
