"""Pictures of commands in a terminal, made of what they really print.

``python -m tests.cli.pictures`` makes those of the documentation anew.
"""

from __future__ import annotations

import html
import io
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

import qstate
from tests.cli.conftest import COMMAND

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
WIDTH = 100

# Without the font that would be fetched from elsewhere.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


class Terminal:
    """A command that runs in a terminal.

    Attributes:
        seen: What the terminal has been sent so far.
    """

    def __init__(self, arguments: list[str], folder: Path, env: dict[str, str]) -> None:
        self._leader, follower = pty.openpty()
        env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH), **env}
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=env,
            cwd=folder,
            start_new_session=True,
        )
        os.close(follower)
        self.seen = ""

    def read(self, wait: float) -> bool:
        """Take in what comes within so many seconds; False once nothing can come any more."""
        if not select.select([self._leader], [], [], wait)[0]:
            return True
        try:
            piece = os.read(self._leader, 65536)
        except OSError:
            return False
        self.seen += piece.decode()
        return bool(piece)

    def until(self, condition: Callable[[], object]) -> None:
        """Read until it is true."""
        while not condition():
            assert self.read(0.1), self.seen

    def rest(self) -> str:
        """All that it prints, until it has ended."""
        while self.read(1.0):
            pass
        os.close(self._leader)
        self.process.wait()
        return self.seen


def screen(seen: str) -> Iterator[str]:
    """The lines that stay on the screen: what was wiped is gone."""
    for line in seen.replace("\r\n", "\n").rstrip("\n").split("\n"):
        yield re.split(r"\r(?:\x1b\[K)?", line)[-1]


def text_of(svg: str) -> list[str]:
    """What stands in the lines of a picture."""
    lines: dict[float, str] = {}
    for y, text in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>(.*?)</text>', svg):
        lines[float(y)] = lines.get(float(y), "") + html.unescape(text).replace("\xa0", " ")
    return [line.rstrip() for _, line in sorted(lines.items())]


def picture(name: str, command: str, seen: str) -> str:
    """A picture of a terminal in which a command was typed, as SVG."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.assemble(("$ ", "bold green"), command))
    for line in screen(seen):
        console.print(Text.from_ansi(line), soft_wrap=False)
    return console.export_svg(title=name, code_format=_FORMAT, unique_id=name.replace(" ", "-"))


def watch_picture(folder: Path) -> str:
    """`qstate watch run/`, while someone else writes."""
    url = f"sqlite:///{folder}/state.db"
    with qstate.connect(url) as store:
        store["run/begun"] = 0
        terminal = Terminal(["watch", "run/"], folder, {"QSTATE_URL": url})
        number = 0
        while "run/begun" not in terminal.seen:
            store["run/begun"] = (number := number + 1)
            terminal.read(0.1)
        begun = terminal.seen.count("\n")
        for key, value in (
            ("run/params", {"theta": [0.1, 0.2], "shots": 1000}),
            ("run/energy", -1.137),
            ("run/amplitude", 0.5 + 0.5j),
        ):
            store.set(key, value, ttl=1 if key == "run/energy" else None)
            terminal.until(lambda key=key: key in terminal.seen)
        terminal.until(lambda: "expired" in terminal.seen)
        del store["run/params"]
        terminal.until(lambda: "deleted" in terminal.seen)
        terminal.process.send_signal(2)
    kept = [line for line in terminal.rest().split("\n")[begun:] if "run/begun" not in line]
    assert terminal.process.returncode == 130
    return picture("qstate watch", "qstate watch run/", "\n".join(kept))


def run_picture(folder: Path, config: Path) -> str:
    """`qstate run`, to its end."""
    arguments = ["run", "job_with_arguments.py", "--arg", "angles=[0.1, 0.4, 0.7]"]
    env = {"QSTATE_URL": f"sqlite:///{folder}/state.db", "QSTATE_CONFIG": str(config)}
    terminal = Terminal(arguments, ROOT / "examples", env)
    seen = terminal.rest().replace(sys.executable, "python")
    assert terminal.process.returncode == 0, seen
    typed = "qstate run job_with_arguments.py --arg angles='[0.1, 0.4, 0.7]'"
    return picture("qstate run", typed, seen)


def main() -> None:
    import json

    from tests.servers.ray import ray_environment, ray_running

    IMAGES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (IMAGES / "qstate-watch.svg").write_text(watch_picture(folder), "utf-8")
        environment = ray_environment.__wrapped__()
        next(environment)
        stack.callback(lambda: next(environment, None))
        head = stack.enter_context(ray_running())
        config = folder / "providers.json"
        config.write_text(json.dumps(head.config("lab")))
        time.sleep(1)
        (IMAGES / "qstate-run.svg").write_text(run_picture(folder, config), "utf-8")


if __name__ == "__main__":
    main()
