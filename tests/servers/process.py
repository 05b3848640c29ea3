"""A server's process on a free port, in a folder of its own, and nothing of it left afterwards."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil


def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    condition: Callable[[], object], timeout: float = 20.0, what: str = "the condition"
) -> None:
    """Ask until the condition is true; an error it raises counts as not yet.

    Raises:
        TimeoutError: It was not true within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        failure: Exception | None = None
        try:
            if condition():
                return
        except Exception as error:  # noqa: BLE001 - a server that is starting refuses in many ways
            failure = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s") from failure
        time.sleep(0.02)


class ServerProcess:
    """A server that runs while the ``with`` block does.

    Args:
        command: The program and its arguments. It must stay in the foreground.
        ready: Whether it answers; may raise while it does not.
        folder: Where it runs and logs; None: a new folder, removed at the end.
        timeout: Seconds within which it must answer.
        env: Its environment; None: that of the tests.

    Example::

        with ServerProcess(["redis-server", "--port", str(port)], ready=answers) as server:
            server.kill()
            server.start()
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        ready: Callable[[], object],
        *,
        folder: Path | None = None,
        timeout: float = 120.0,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.ready = ready
        self.timeout = timeout
        self.env = env
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="qstate-server-"))
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it, or start it again after ``stop`` or ``kill``; return once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(self._settled, self.timeout, f"an answer of {self.command[0]}")
            assert self.running, "it ended"
        except BaseException as error:
            self.kill()
            log_text = self.log.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{' '.join(self.command)} did not start:\n{log_text}") from error
        return self

    def _settled(self) -> bool:
        return not self.running or bool(self.ready())

    def stop(self, timeout: float = 20.0) -> None:
        """Ask it to end (SIGTERM) and wait; kill it where it does not end in time."""
        self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """End it at once (SIGKILL), with the processes that it has started."""
        self._end(signal.SIGKILL, 20.0)

    def pause(self) -> None:
        """Stop it from answering (SIGSTOP), its sockets staying open, until ``resume``."""
        psutil.Process(self.pid).suspend()
        wait_until(lambda: _stands_still(self.pid), what="the stop of all threads")

    def resume(self) -> None:
        """Let a paused server go on."""
        psutil.Process(self.pid).resume()

    def _end(self, how: signal.Signals, timeout: float) -> None:
        if self._process is None:
            return
        family = _family(self._process)
        if self.running:
            self._process.send_signal(how)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        for child in family:
            if child.is_running():
                child.kill()
        wait_until(lambda: not any(map(_runs, family)), timeout, "the end of what it started")
        self._process = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._remove_folder()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._remove_folder()

    def _remove_folder(self) -> None:
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def _stands_still(pid: int) -> bool:
    """Whether the signal has reached every thread: one that it has not may still answer."""
    states = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state.rpartition(") ")[2][0] == "T" for state in states)


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended; who began it may take long to notice."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
