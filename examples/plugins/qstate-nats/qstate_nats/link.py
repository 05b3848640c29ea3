"""Link: one connection to NATS, given up whole when anything goes wrong with it.

The client's own reconnection would send, later, what a caller has been told may be lost; so it is
off, and the next call makes a new link.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any, Final

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from qstate.backend import StateError, StoreUnavailableError
from qstate_nats.address import Address
from qstate_nats.messages import Stored

HEARTBEAT: Final = 2
"""Seconds between two signs of life of a consumer."""

_PATIENCE: Final = 3600.0  # every call is bounded by its own time limit, not by the client's
_NO_MESSAGE: Final = 10037


class Link:
    """A connection and the bucket that it leads to.

    Attributes:
        lost: What to call, with the reason, once the connection is gone.
        takes_away: Whether the server removes messages after their time.
        failure: What went wrong with it last.
    """

    def __init__(self, address: Address) -> None:
        self.client = Client()
        self.stream = f"KV_{address.bucket}"
        self.prefix = f"$KV.{address.bucket}."
        self.lost: set[Callable[[StateError], object]] = set()
        self.takes_away = False
        self._address = address
        self._ahead = 0.0
        self.failure: Exception = nats.errors.ConnectionClosedError()

    @classmethod
    async def open(cls, address: Address) -> Link:
        """Connect, and make the bucket where it is missing."""
        link = cls(address)
        try:
            await link._connect()
            async with asyncio.timeout(None) as limit:
                with link.ending(limit):
                    await link._find_bucket()
        except TimeoutError:
            await link.close()
            raise link.failure from None
        except BaseException:
            await link.close()
            raise
        return link

    @property
    def alive(self) -> bool:
        """Whether the connection is there, as far as is known."""
        return self.client.is_connected

    @contextlib.contextmanager
    def ending(self, limit: asyncio.Timeout) -> Iterator[None]:
        """For the length of a ``with`` block: let a time limit end as soon as it is lost."""
        if not self.alive:
            raise self.failure

        def end(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                limit.reschedule(0)

        self.lost.add(end)
        try:
            yield
        finally:
            self.lost.discard(end)

    def now(self) -> float:
        """The time by the server's clock."""
        return time.time() + self._ahead

    async def last(self, subject: str) -> Stored:
        """The last message of a subject, from the server that leads the stream."""
        try:
            found = await self.js.get_msg(self.stream, subject=self.prefix + subject)
        except nats.js.errors.NotFoundError as error:
            if error.err_code != _NO_MESSAGE:
                raise  # it is the bucket that is gone
            return Stored(0, None)
        return Stored.read(found.seq or 0, found.headers, found.data)

    async def messages(
        self, filter_: str, policy: DeliverPolicy, *, headers_only: bool = False
    ) -> list[Msg]:
        """The messages that stand now under a filter, oldest first."""
        inbox = self.client.new_inbox()
        arriving = await self.client.subscribe(inbox)
        consumer = await self._consume(inbox, filter_, policy, headers_only)
        found, left = [], consumer.num_pending
        while left:
            message = await arriving.next_msg(timeout=_PATIENCE)
            if is_heartbeat(message):  # some may have been removed since they were counted
                info = await self.js.consumer_info(self.stream, consumer.name)
                left = info.num_pending
            else:
                left = message.metadata.num_pending
                found.append(message)
        await arriving.unsubscribe()
        await self.js.delete_consumer(self.stream, consumer.name)
        return found

    async def follow(self, filter_: str, tell: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Have each new message under a filter told, and heartbeats between them."""
        inbox = self.client.new_inbox()
        arriving = await self.client.subscribe(inbox, cb=tell)
        await self._consume(inbox, filter_, DeliverPolicy.NEW, headers_only=True)
        return arriving

    async def close(self) -> None:
        """Close the connection; a server that does not answer is not waited for."""
        with contextlib.suppress(nats.errors.Error, OSError):
            await asyncio.wait_for(self.client.close(), 1)

    async def _connect(self) -> None:
        try:
            await self.client.connect(
                list(self._address.servers),
                name="qstate",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=int(_PATIENCE),
                ping_interval=HEARTBEAT,
                error_cb=self._failed,
                closed_cb=self._closed,
                **self._address.login,
            )
        except nats.errors.NoServersError:
            raise self.failure from None  # which says more
        self.js = self.client.jetstream(timeout=_PATIENCE)

    async def _find_bucket(self) -> None:
        began = time.time()
        info = await self._info()
        if "error" in info:
            await self.js.create_key_value(
                bucket=self._address.bucket,
                history=self._address.history,
                replicas=self._address.replicas,
            )
            began = time.time()
            info = await self._info()
        if "ts" in info:
            there = datetime.fromisoformat(info["ts"]).timestamp()
            self._ahead = there - (began + time.time()) / 2
        self.takes_away = bool(info["config"].get("allow_msg_ttl"))

    async def _info(self) -> dict[str, Any]:
        answer = await self.client.request(f"$JS.API.STREAM.INFO.{self.stream}", timeout=_PATIENCE)
        info: dict[str, Any] = json.loads(answer.data)
        return info

    async def _consume(
        self, inbox: str, filter_: str, policy: DeliverPolicy, headers_only: bool
    ) -> ConsumerInfo:
        return await self.js.add_consumer(
            self.stream,
            ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=policy,
                ack_policy=AckPolicy.NONE,
                filter_subject=self.prefix + filter_,
                headers_only=headers_only,
                idle_heartbeat=HEARTBEAT,
                inactive_threshold=5 * HEARTBEAT,
                mem_storage=True,
                num_replicas=1,
            ),
        )

    async def _failed(self, error: Exception) -> None:
        self.failure = error

    async def _closed(self) -> None:
        lost = StoreUnavailableError(f"{self._address.name}: {self.failure}")
        for tell in list(self.lost):
            tell(lost)


def is_heartbeat(message: Msg) -> bool:
    """Whether a message is only a consumer's sign of life."""
    return (message.headers or {}).get("Status") == "100"
