"""Machines of their own to what runs in them: Linux namespaces, joined by a network of theirs.

Each has a host name, processes, shared memory, addresses and a folder that no other one sees. They
live in no place but their processes, so that nothing is left of one that has ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.servers.process import ServerProcess

_UNSHARE = ("unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child")
_UNSHARE += ("--mount-proc",)
_BOOT = """
hostname "$0" && mount --bind "$1" "$2" && mount --bind "$3" /etc/hosts || exit
ip link set lo up && touch "$2/booted" || exit
trap '' CHLD
exec sleep infinity
"""
_NETWORK = "10.77.0."
SUBNET = f"{_NETWORK}0/24"


def why_none() -> str | None:
    """Why this computer can't make machines; None where it can."""
    trial = (*_UNSHARE, "sh", "-c", "ip link add switch type bridge && hostname trial")
    try:
        subprocess.run(trial, check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        return str(getattr(error, "stderr", None) or error).strip()
    return None


class Machine(ServerProcess):
    """A machine that runs while the ``with`` block does; all its processes end with it.

    Args:
        name: Its host name.
        number: Its place in the network.
        lab: A folder for the files of all machines, with their ``hosts``; ``lab/own`` is another
            one on each of them.
    """

    def __init__(self, name: str, number: int, lab: Path) -> None:
        self.name = name
        self.host = f"{_NETWORK}{number}"
        self.own = lab / "own"
        self.files = lab / name
        for folder in (self.own, self.files):
            folder.mkdir(exist_ok=True)
        boot = (*_UNSHARE, "sh", "-c", _BOOT, name, self.files, self.own, lab / "hosts")
        super().__init__(boot, (self.files / "booted").exists, folder=self.files)

    def on(self, *command: str | Path) -> list[str]:
        """A command, as it is run on this machine by one that isn't."""
        enter = ("nsenter", f"--target={self._first()}", "--net", "--uts", "--ipc", "--mount")
        return [str(part) for part in (*enter, "--pid", *command)]

    def run(self, script: str, *arguments: object, timeout: float = 200, **variables: str) -> Any:
        """Run a Python script; the JSON in the last line that it prints, if any.

        Raises:
            AssertionError: It failed.
        """
        command = self.on(sys.executable, "-c", script, *map(str, arguments))
        env = {**os.environ, **variables}
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        lines = done.stdout.splitlines()
        return json.loads(lines[-1]) if lines else None

    def crash(self) -> None:
        """End all that runs on it at once (SIGKILL); the machine itself stays."""
        # Its name is looked at first: elsewhere this would end all that runs there.
        everything = '[ "$(hostname)" != "$0" ] || kill -KILL -1 || :'
        subprocess.run(
            self.on("sh", "-c", everything, self.name), check=True, stderr=subprocess.DEVNULL
        )

    def stop(self, timeout: float = 20.0) -> None:
        """End it with all that runs on it, as if it lost power."""
        for first in psutil.Process(self.pid).children():
            first.kill()
        super().stop(timeout)

    def join(self, switch: Machine | None) -> None:
        """Take its address; None: it is the one that the others are joined to."""
        if switch is None:
            self._ip("link add eth0 type bridge")
        else:
            port = f"to-{self.name}"
            peer = f"peer name eth0 netns {self._first()}"
            switch._ip(f"link add {port} type veth {peer}")
            switch._ip(f"link set {port} master eth0 up")
        self._ip(f"address add {self.host}/24 dev eth0")
        self._ip("link set eth0 up")

    def _ip(self, command: str) -> None:
        net = ("nsenter", f"--target={self._first()}", "--net", "ip", *command.split())
        subprocess.run(net, check=True)

    def _first(self) -> int:
        """The process that the others of this machine live and die with."""
        return int(psutil.Process(self.pid).children()[0].pid)


@contextmanager
def joined(lab: Path, *names: str) -> Iterator[Mapping[str, Machine]]:
    """Machines of those names, each of which reaches the others."""
    hosts = ["127.0.0.1 localhost"]
    hosts += [f"{_NETWORK}{number} {name}" for number, name in enumerate(names, 1)]
    (lab / "hosts").write_text("\n".join([*hosts, ""]))
    with ExitStack() as running:
        machines = {
            name: running.enter_context(Machine(name, number, lab))
            for number, name in enumerate(names, 1)
        }
        switch = None
        for machine in machines.values():
            machine.join(switch)
            switch = switch or machine
        yield machines
