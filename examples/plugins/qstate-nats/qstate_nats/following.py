"""Following: changes under a prefix as the server tells them, for as long as it shows life."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from qstate.backend import StateError, StoreUnavailableError
from qstate_nats.link import HEARTBEAT, Link, is_heartbeat
from qstate_nats.subjects import filter_of, key_of

_MISSED = 3


class Following:
    """What is told of changes, from its beginning to ``stop``.

    Args:
        link: The connection; when it is lost, that is told.
        prefix: Keys that begin with it are told.
        tell: Gets them, and the error that ended it.
    """

    def __init__(self, link: Link, prefix: str, tell: Callable[[str | StateError], object]) -> None:
        self._link = link
        self._prefix = prefix
        self._tell = tell
        self._alive_at = asyncio.get_running_loop().time()
        self._subscription: Subscription | None = None
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def begin(
        cls, link: Link, prefix: str, tell: Callable[[str | StateError], object]
    ) -> Self:
        """Whatever changes after this has returned is told."""
        following = cls(link, prefix, tell)
        link.lost.add(tell)
        following._subscription = await link.follow(filter_of(prefix), following._arrived)
        following._listening = asyncio.create_task(following._listen())
        return following

    async def stop(self) -> None:
        """Have nothing told any more."""
        self._link.lost.discard(self._tell)
        if self._listening is not None:
            self._listening.cancel()
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error):  # it went with its connection
                await self._subscription.unsubscribe()

    async def _arrived(self, message: Msg) -> None:
        self._alive_at = asyncio.get_running_loop().time()
        if not is_heartbeat(message):
            key = key_of(message.subject.removeprefix(self._link.prefix))
            if key is not None and key.startswith(self._prefix):
                self._tell(key)

    async def _listen(self) -> None:
        """A consumer that shows no sign of life was forgotten by its server."""
        loop = asyncio.get_running_loop()
        while loop.time() - self._alive_at < _MISSED * HEARTBEAT:
            await asyncio.sleep(HEARTBEAT)
        self._tell(StoreUnavailableError("the server tells of changes no more"))
