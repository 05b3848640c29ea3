"""Workers: other Python processes that a test gives jobs, stops, continues and kills."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Self

PATIENCE = 60.0
"""Seconds that a job may take; a machine may be busy."""


class Worker:
    """A new Python process, with the import path of this one, that runs one job at a time."""

    def __init__(self) -> None:
        here, there = socket.socketpair()
        with there:
            command = [sys.executable, "-m", __spec__.name, str(there.fileno())]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._process = subprocess.Popen(  # noqa: S603 - this Python
                command, pass_fds=[there.fileno()], env=environment, stdin=subprocess.DEVNULL
            )
        self._channel = Connection(here.detach())
        self._unasked = 0

    def start(self, job: Callable[..., Any], *arguments: Any) -> None:
        """Give it a job: a function of a module, and arguments that can be pickled.

        What an earlier job returned that nobody asked for is forgotten: a test that failed in
        between spoils no later one.
        """
        while self._unasked and self._channel.poll(PATIENCE):
            self._channel.recv()
            self._unasked -= 1
        self._channel.send((job, arguments))
        self._unasked += 1

    def result(self, timeout: float = PATIENCE) -> Any:
        """What the job returned; what it raised is raised here.

        Args:
            timeout: Seconds to wait for it.

        Raises:
            TimeoutError: The job is not done yet.
        """
        if not self._channel.poll(timeout):
            raise TimeoutError(f"the job was not done within {timeout} s")
        done, result = self._channel.recv()
        self._unasked -= 1
        if not done:
            raise result
        return result

    def run(self, job: Callable[..., Any], *arguments: Any) -> Any:
        """Give it a job and wait for what it returns."""
        self.start(job, *arguments)
        return self.result()

    def stop(self) -> None:
        """Let it stand still (SIGSTOP) until ``resume``."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once (SIGKILL), without a chance to let go of anything."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def dismiss(self) -> None:
        """Let it end once its job is done; `close` waits for that."""
        with contextlib.suppress(OSError):  # it is gone already
            self.resume()
            self._channel.send(None)

    def close(self) -> None:
        """End it once its job is done; kill it where that takes too long."""
        self.dismiss()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def working(count: int) -> Iterator[list[Worker]]:
    """Several workers, for the length of a ``with`` block."""
    with contextlib.ExitStack() as started:
        workers = [started.enter_context(Worker()) for _ in range(count)]
        yield workers
        for worker in workers:  # so that they end at the same time
            worker.dismiss()


def _serve(channel: Connection) -> None:
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while (message := channel.recv()) is not None:
            job, arguments = message
            try:
                answer = (True, job(*arguments))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised by `result`
                answer = (False, error)
            channel.send(answer)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
