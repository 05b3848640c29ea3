"""What docs/command-line.md shows is what happens."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "command-line.md"


def shown():
    """Pairs of command and output, in the order of the page."""
    for block in re.findall(
        r"^```console\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    ):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def fits(output, told):
    """Whether an output is what is told; … stands for anything, the width of columns too."""
    parts = [re.sub(r"(\\ ){2,}", " +", re.escape(part)) for part in told.split("…")]
    return re.fullmatch(".*?".join(parts), output, re.DOTALL) is not None


def test_the_commands_of_the_page_print_what_it_says(tmp_path, ray_head, monkeypatch):
    """Each runs in a shell, in order; stdout and stderr are as on a page."""
    shutil.copy(ROOT / "examples" / "job_with_arguments.py", tmp_path)
    (tmp_path / "providers.json").write_text(json.dumps(ray_head.config("lab")))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("QSTATE_CONFIG", str(tmp_path / "providers.json"))
    monkeypatch.setenv("QSTATE_URL", f"sqlite:///{tmp_path}/lab.db")
    wrong = []
    for command, told in shown():
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if not fits(done.stdout, told):
            wrong.append(f"$ {command}\n{done.stdout}--- but the page has:\n{told}")
    assert not wrong, "\n".join(wrong)


def test_every_command_has_its_place_on_the_page():
    """None is left out."""
    from qstate.cli.app import app

    page = PAGE.read_text("utf-8")
    for name in app():
        if not name.startswith("-"):
            assert re.search(rf"\bqstate {name}\b|`{name}[ `]", page), name
