"""Bucket: the backend of one event loop, over a JetStream key-value bucket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

import nats.errors
from nats.js.api import DeliverPolicy

from qstate.backend import (
    NO_REQUIREMENTS,
    Capabilities,
    Delete,
    Operation,
    Record,
    StateError,
    StoreUnavailableError,
    UnsupportedOperationError,
    ValueTooLargeError,
    Version,
    time_left,
    translate_errors,
)
from qstate_nats.address import Address
from qstate_nats.call import Call, Overtaken
from qstate_nats.following import Following
from qstate_nats.link import Link
from qstate_nats.messages import Stored
from qstate_nats.subjects import filter_of, key_of, subject_of

ERRORS: Final[Mapping[type[BaseException], type[StateError]]] = {
    nats.errors.MaxPayloadError: ValueTooLargeError,
    nats.errors.Error: StoreUnavailableError,
    OSError: StoreUnavailableError,  # TimeoutError is one
    EOFError: StoreUnavailableError,
}

HEADERS: Final = 1024
"""Bytes of a message that are kept for what stands beside the value."""


class Bucket:
    """A bucket, for the coroutines of one event loop."""

    def __init__(self, address: Address) -> None:
        self.capabilities = Capabilities(
            reach="cluster",
            durable=True,
            max_value_bytes=address.max_payload - HEADERS,
            several_keys=False,
        )
        self._address = address
        self._link: Link | None = None
        self._linking = asyncio.Lock()

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under ``keys``, each as of a moment of its own."""
        async with self._call() as call:
            found = await asyncio.gather(*(call.standing(key) for key in keys))
        return [record for _, record in found]

    async def write(
        self,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """Apply an operation, if the requirement on its key holds."""
        await self._write(operations, require, None)

    async def write_once(
        self,
        operation: Version,
        operations: Sequence[Operation],
        *,
        require: Mapping[str, Version | None] = NO_REQUIREMENTS,
    ) -> None:
        """As ``write``; the server remembers the operation's id for two minutes."""
        await self._write(operations, require, operation)

    async def remove(self, keys: Sequence[str]) -> int:
        """Remove a key; return how many stood."""
        return await self._remove(keys, None)

    async def remove_once(self, operation: Version, keys: Sequence[str]) -> int:
        """As ``remove``; the server remembers the operation's id for two minutes."""
        return await self._remove(keys, operation)

    async def scan(
        self,
        prefix: str,
        cursor: bytes | None,  # noqa: ARG002 - there is no second page
        limit: int,  # noqa: ARG002 - a wish
    ) -> tuple[list[str], bytes | None]:
        """All keys as one page, since the server gives the last message of each subject in turn."""
        async with self._call() as call:
            messages = await call.link.messages(
                filter_of(prefix), DeliverPolicy.LAST_PER_SUBJECT, headers_only=True
            )
            now = call.link.now()
        stands: dict[str | None, bool] = {}
        for message in messages:  # of a key that was written meanwhile there are two
            stored = Stored.read(0, message.headers, None)
            key = key_of(message.subject.removeprefix(call.link.prefix))
            stands[key] = stored.standing(now) is not None
        return [key for key in stands if key and stands[key] and key.startswith(prefix)], None

    async def history(self, key: str) -> list[Record]:
        """What the bucket has of a key's values since its last removal, oldest first."""
        async with self._call() as call:
            messages = await call.link.messages(subject_of(key), DeliverPolicy.ALL)
        found: list[Record] = []
        for message in messages:
            record = Stored.read(0, message.headers, message.data).record
            found = [] if record is None else [*found, record]
        return found

    async def follow(self, prefix: str, tell: Callable[[str | StateError], object]) -> Following:
        """Have the keys of changes told, and at last the error that ended it."""
        async with self._call() as call:
            return await Following.begin(call.link, prefix, tell)

    async def close(self) -> None:
        """Close the connection."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    @contextlib.asynccontextmanager
    async def _call(self) -> AsyncIterator[Call]:
        """A call, ended at its time limit or when its connection is lost."""
        with translate_errors(self._address.name, ERRORS) as gate:
            seconds = time_left(self._address.timeout)
            link = None
            try:
                async with asyncio.timeout(seconds) as limit:
                    link = await self._linked()
                    with link.ending(limit):
                        yield Call(link, gate)
            except TimeoutError:
                if link is not None and not link.alive:
                    raise link.failure from None
                if link is not None and link.client.pending_data_size:
                    await self.close()  # what has not been sent yet must never be
                raise TimeoutError(f"no answer within {seconds:.3g} s") from None

    async def _linked(self) -> Link:
        async with self._linking:
            if self._link is None or not self._link.alive:
                await self.close()
                self._link = await Link.open(self._address)
            return self._link

    async def _write(
        self,
        operations: Sequence[Operation],
        require: Mapping[str, Version | None],
        once: Version | None,
    ) -> None:
        key = _only({operation.key for operation in operations} | require.keys())
        operation = operations[0] if operations else None
        async with self._call() as call:
            while True:
                with contextlib.suppress(Overtaken):
                    return await call.write(key, operation, require, once)

    async def _remove(self, keys: Sequence[str], once: Version | None) -> int:
        key = _only(set(keys))
        async with self._call() as call:
            while True:
                last, record = await call.standing(key)
                if record is None:
                    return int(once is not None and await call.is_remembered(key, once))
                with contextlib.suppress(Overtaken):
                    await call.apply(Delete(key), last, record, once)
                    return 1


def _only(keys: set[str]) -> str:
    if len(keys) != 1:
        raise UnsupportedOperationError("NATS key-value writes one key at a time")
    return next(iter(keys))
