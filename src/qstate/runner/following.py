"""Following a job: what it prints, as it comes, wherever the reader is."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from qstate.errors import JobNotFoundError, RayUnavailableError

TICK: Final = 1.0
"""Seconds after which a job that prints nothing is asked whether it still runs."""

_LAST_WORDS: Final = 5.0  # seconds that a job's log may take to end after the job


def followed(
    tail: Callable[[], AsyncIterator[str]], is_over: Callable[[], bool]
) -> Iterator[str | None]:
    """What a job prints, in pieces as they come, and None whenever it was silent for a while.

    It ends with the job; where the connection is lost while the job runs, another one goes on.

    Args:
        tail: Gives all that the job prints, from its beginning.
        is_over: Whether the job has ended.

    Raises:
        JobNotFoundError: There is no such job.
    """
    given = 0
    while True:
        seen = 0
        try:
            for piece in _until_over(tail, is_over):
                if piece is None:
                    yield None
                    continue
                seen += len(piece)
                if seen > given:
                    yield piece[given - seen :] if seen - given < len(piece) else piece
                    given = seen
        except (RayUnavailableError, JobNotFoundError):
            if is_over():
                return
            yield None
            time.sleep(TICK)
        else:
            return


def _until_over(
    tail: Callable[[], AsyncIterator[str]], is_over: Callable[[], bool]
) -> Iterator[str | None]:
    """What is printed; ends too where the job has ended and its log does not."""
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    silence = 0.0
    with _pumped(tail, pieces):
        while silence < _LAST_WORDS:
            try:
                piece = pieces.get(timeout=TICK)
            except queue.Empty:
                yield None
                silence = silence + TICK if is_over() else 0.0
                continue
            if not isinstance(piece, str):
                break
            silence = 0.0
            yield piece
        else:
            return
    if piece is not None:
        raise piece


class _pumped:  # noqa: N801 - reads as a statement: with _pumped(…):
    """Run an asynchronous iterator in a thread, also where an event loop runs, as in notebooks."""

    def __init__(
        self,
        tail: Callable[[], AsyncIterator[str]],
        pieces: queue.SimpleQueue[str | BaseException | None],
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._pump = self._loop.create_task(_pump(tail(), pieces))
        self._thread = threading.Thread(target=self._run, name="qstate-job-logs", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._pump.cancel)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(asyncio.wait([self._pump]))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())


async def _pump(
    tail: AsyncIterator[str], pieces: queue.SimpleQueue[str | BaseException | None]
) -> None:
    try:
        async for piece in tail:
            pieces.put(piece)
    except Exception as error:  # noqa: BLE001 - raised where the pieces are read
        pieces.put(error)
    else:
        pieces.put(None)
