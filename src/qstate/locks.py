"""Locks: leases with fencing tokens, renewed while they are held.

The lease is a record that expires; the token stands in a record beside it that does not, so that it
only grows. See M. Kleppmann, "How to do distributed locking" (2016), for why a lease needs a token.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Final

from qstate import keys
from qstate.backend import Delete, Put, Record, Version
from qstate.clients import Client
from qstate.encoded import EncodedStore
from qstate.errors import (
    ConflictError,
    LockLostError,
    SerializationError,
    StateTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)
from qstate.serializers.codec import ValueCodec

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.1


class Lease:
    """A lock that is held.

    Attributes:
        name: The lock's name.
        token: The fencing number: each holder's is greater than all before. Hand it to what you
            protect, and have it refuse smaller ones.
    """

    def __init__(self, lock: Lock, token: int, fence: Version, version: Version) -> None:
        self.name = lock.name
        self.token = token
        self._lock = lock
        self._fence = fence
        self._version = version
        self._until = 0.0
        self._lost = False
        self._ended = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name=f"lease {lock.name}", daemon=True)

    @property
    def held(self) -> bool:
        """Whether the lease certainly still runs; asks the store nothing."""
        return not self._lost and not self._ended.is_set() and time.monotonic() < self._until

    def check(self) -> None:
        """Go on only while the lease runs; call it before each step that must not be done twice.

        Raises:
            LockLostError: The lease ran out: the process was stopped, or the store out of reach,
                for longer than its ttl. Another may hold the lock.
        """
        if not self.held:
            raise self._error()

    def requirement(self) -> Mapping[str, Version | None]:
        """What a write requires so that it is applied only if no other has held the lock since."""
        self.check()
        return {self._lock.fence_key: self._fence}

    def _error(self) -> LockLostError:
        error = LockLostError(
            f"the lease on lock {self.name!r} (token {self.token}) was lost; another may hold it. "
            "Undo or repeat what it protected under a new lease, or use a longer ttl",
            key=self.name,
        )
        self._lock.store._told(error)
        return error

    def _renew(self) -> None:
        while not self._ended.wait(self._lock.ttl / 3):
            if not self._renewed():
                self._lost = True
                return

    def _renewed(self) -> bool:
        while time.monotonic() < self._until:
            try:
                self._version, self._until = self._lock.write_lease(self._version)
            except ConflictError:
                return False
            except StoreUnavailableError:
                if self._ended.wait(min(_LONGEST_PAUSE, self._lock.ttl / 10)):
                    return True
            else:
                return True
        return False

    def _start(self, until: float) -> None:
        self._until = until
        self._renewal.start()

    def _end(self) -> None:
        self._ended.set()
        self._renewal.join()
        if self._lost or time.monotonic() >= self._until:
            raise self._error()
        try:
            self._lock.remove_lease(self._version)
        except ConflictError:
            raise self._error() from None


class Lock:
    """What ``store.lock(name)`` gives: enter it to hold the lock.

    Attributes:
        name: The lock's name, in the store's scope.
        ttl: Seconds after which the lease of a holder that died ends.
    """

    def __init__(
        self,
        store: EncodedStore,
        name: str,
        ttl: float,
        wait: float | None,
        keeper: Client | None = None,
    ) -> None:
        joined = keys.join(store._prefix, name)
        self.store = store
        self.name = name
        self.ttl = ttl
        self.lease_key = f"{keys.INTERNAL}lock/{joined}"
        self.fence_key = f"{keys.INTERNAL}token/{joined}"
        self._wait = wait
        self._lease: Lease | None = None
        self._client = store._client or store._open()
        self._keeper = keeper or self._client
        self._asked: tuple[Version, Version | None] | None = None
        can = self._client.capabilities
        if not (can.expiry and can.several_keys):
            raise store._told(
                UnsupportedOperationError("this store has no locks: its backend can't keep a lease")
            )

    def __enter__(self) -> Lease:
        give_up = None if self._wait is None else time.monotonic() + self._wait
        pause = _FIRST_PAUSE
        while (lease := self._try()) is None:
            if give_up is not None and time.monotonic() >= give_up:
                raise self.store._told(
                    StateTimeoutError(
                        f"lock {self.name!r} is held by another; waited {self._wait} s"
                    )
                )
            self._client.pause(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE)
        self._lease = lease
        return lease

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            lease._end()
        except (LockLostError, StoreUnavailableError) as lost:
            if error is None:
                raise
            error.add_note(str(lost))  # the exception of the block is the one to be seen

    def _try(self) -> Lease | None:
        held, fence = self._client.read((self.lease_key, self.fence_key))
        if held is not None:
            return None
        token = 1 + self._token(fence)
        until = time.monotonic() + self.ttl
        lease, mark = (
            self._record(self.lease_key, self.ttl),
            self._record(self.fence_key, token=token),
        )
        require = {self.lease_key: None, self.fence_key: fence and fence.version}
        self._asked = lease.version, require[self.fence_key]
        try:
            self._client.write((lease, mark), require)
        except ConflictError:
            return None
        taken = Lease(self, token, mark.version, lease.version)
        taken._start(until)
        return taken

    def undo(self) -> None:
        """Take back an attempt that was cancelled before its answer came, or keep it from coming.

        It may still be on its way, to be applied after this. It requires the token that it read,
        so that giving the token another version, where it still has that one, turns it away.
        """
        if self._asked is None or self._lease is not None:
            return
        asked, required = self._asked
        while True:
            held, fence = self._keeper.read((self.lease_key, self.fence_key))
            if held is not None and held.version == asked:
                with contextlib.suppress(ConflictError):
                    self.remove_lease(asked)
                return
            if (fence and fence.version) != required:
                return
            mark = self._record(self.fence_key, token=self._token(fence))
            with contextlib.suppress(ConflictError):
                self._keeper.write((mark,), {self.fence_key: required})
                return

    def write_lease(self, version: Version) -> tuple[Version, float]:
        """Lengthen the lease of a version; its new version, and until when it surely runs."""
        until = time.monotonic() + self.ttl
        lease = self._record(self.lease_key, self.ttl)
        self._keeper.write((lease,), {self.lease_key: version})
        return lease.version, until

    def remove_lease(self, version: Version) -> None:
        """End the lease that has ``version``."""
        self._keeper.write((Delete(self.lease_key),), {self.lease_key: version})

    def _token(self, fence: Record | None) -> int:
        """The last holder's token; 0 before the first."""
        if fence is None:
            return 0
        try:
            return int(_CODEC.decode(fence.data)[0])
        except (ValueError, TypeError) as error:
            told = SerializationError(f"lock {self.name!r} can't be read: {error}", key=self.name)
            raise self.store._told(told) from error

    def _record(self, key: str, ttl: float | None = None, token: int | None = None) -> Put:
        value = _HOLDER if token is None else token
        return Put(key, Version.new(), _CODEC.encode(value), ttl)


_HOLDER: Final = uuid.uuid4().hex
# Locks hold no one's data, and whatever the stores are opened with, theirs is one format.
_CODEC: Final = ValueCodec("msgpack")
