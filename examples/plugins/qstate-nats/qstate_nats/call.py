"""Call: what one call of a backend does on its link.

A write is a message to its key's subject. Requiring a version is expecting the number of the
subject's last message: the server refuses the new one where another came between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import nats.errors
from nats.js.api import Header
from nats.js.errors import APIError

from qstate.backend import ConflictError, Keep, Operation, Put, Record, Version, translate_errors
from qstate_nats.link import Link
from qstate_nats.messages import REMOVED_FOR, removal, taken_away_after, written
from qstate_nats.subjects import subject_of

_OVERTAKEN: Final = (10071, 10164)
_NOT_REMEMBERED: Final = 10070


class Overtaken(Exception):  # noqa: N818 - no error, but a reason to look again
    """Another message came between; nothing was written."""


class Call:
    """A call on a link.

    Args:
        link: The connection.
        gate: Told when something was sent that may be applied.
    """

    def __init__(self, link: Link, gate: translate_errors) -> None:
        self.link = link
        self._gate = gate

    async def standing(self, key: str) -> tuple[int, Record | None]:
        """The number of a key's last message, and the record that stands."""
        stored = await self.link.last(subject_of(key))
        return stored.sequence, stored.standing(self.link.now())

    async def write(
        self,
        key: str,
        operation: Operation | None,
        require: Mapping[str, Version | None],
        once: Version | None,
    ) -> None:
        """Apply an operation, if the requirement on its key holds.

        Raises:
            ConflictError: It does not.
            Overtaken: It did when it was looked at.
        """
        last, record = None, None
        if require or (isinstance(operation, Put) and isinstance(operation.ttl, Keep)):
            last, record = await self.standing(key)
        actual = record and record.version
        if key in require and actual != require[key]:
            if once is None or not await self.is_remembered(key, once):
                raise ConflictError(key, require[key], actual)
        elif operation is not None:
            await self.apply(operation, last, record, once)

    async def apply(
        self, operation: Operation, last: int | None, record: Record | None, once: Version | None
    ) -> None:
        """Apply an operation over the message of that number, whatever it is if it is None."""
        if isinstance(operation, Put):
            headers = self._headers(operation, record)
            await self._publish(operation.key, operation.data, headers, last, once)
        else:
            headers = removal() | self._taken_away_after(REMOVED_FOR)
            await self._publish(operation.key, b"", headers, last, once)

    async def is_remembered(self, key: str, operation: Version) -> bool:
        """Whether a message with this id was written."""
        # The server looks at the id before it refuses what names another as the last one's.
        headers: dict[str, str] = {Header.EXPECTED_LAST_MSG_ID: "none has this id"}
        try:
            return not await self._publish(key, b"", headers, None, operation)
        except APIError as error:
            if error.err_code != _NOT_REMEMBERED:
                raise
            return False

    def _headers(self, put: Put, standing: Record | None) -> dict[str, str]:
        now = self.link.now()
        if isinstance(put.ttl, Keep):
            expires_at = standing and standing.expires_at
        else:
            expires_at = None if put.ttl is None else now + put.ttl
        headers = written(put.version, expires_at)
        return headers if expires_at is None else headers | self._taken_away_after(expires_at - now)

    def _taken_away_after(self, seconds: float) -> dict[str, str]:
        return taken_away_after(seconds) if self.link.takes_away else {}

    async def _publish(
        self,
        key: str,
        data: bytes,
        headers: Mapping[str, str],
        last: int | None,
        once: Version | None,
    ) -> bool:
        """Send a message; whether it is the first with its id."""
        asked = dict(headers)
        if last is not None:
            asked[Header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(last)
        if once is not None:
            asked[Header.MSG_ID] = once.hex()
        subject = self.link.prefix + subject_of(key)
        self._gate.sent = True
        try:
            answer = await self.link.js.publish(subject, data, headers=asked)
        except (APIError, nats.errors.MaxPayloadError) as error:
            self._gate.sent = False  # refused, and so not applied
            if isinstance(error, APIError) and error.err_code in _OVERTAKEN:
                raise Overtaken from None
            raise
        return not answer.duplicate
