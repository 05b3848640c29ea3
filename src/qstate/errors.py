"""Every error that qstate raises on purpose.

::

    StateError
    ├── MissingKeyError (KeyError)                       nothing stands under a key
    ├── InvalidKeyError (ValueError)                     a key no store takes
    ├── InvalidURLError (ValueError)                     a URL, name or option that means nothing
    ├── ConflictError                                    a requirement on a version did not hold
    ├── SerializationError (ValueError)                  a value can't be written, or bytes read
    ├── ValueTooLargeError (ValueError)                  more bytes than the store takes
    ├── ValueTypeError (TypeError)                       the standing value has the wrong type
    ├── StoreUnavailableError (ConnectionError)          the store did not answer
    ├── StateTimeoutError (TimeoutError)                 what was waited for did not come
    ├── StateLostError                                   it answers, but lost what it held
    ├── LockLostError                                    a lease ended while it was needed
    ├── ClosedStoreError (RuntimeError)                  used after close()
    ├── UnreachableStoreError                            the store does not reach to here
    ├── BackendNotFoundError (LookupError)               no plug-in for a scheme
    ├── PluginError                                      a plug-in can't be loaded, or misbehaves
    ├── UnsupportedOperationError (NotImplementedError)  the backend does not offer it
    ├── ProviderNotFoundError (LookupError)              no provider of that name
    ├── JobNotFoundError (LookupError)                   no job of that id
    ├── RayUnavailableError (ConnectionError)            no Ray where a provider says one is
    ├── InvalidProgramError (ValueError)                 a program that can't be run
    └── JobFailedError                                   a job ended without success
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qstate.backend import Version

Outcome = Literal["not applied", "unknown"]


class StateError(Exception):
    """What all errors of qstate have in common.

    Attributes:
        key: The key it is about, where there is one.
        store: The store it happened on, without secrets, where there is one.
    """

    key: str | None = None
    store: str | None = None

    def __init__(self, message: str, /, *, key: str | None = None) -> None:
        super().__init__(message)
        if key is not None:
            self.key = key

    def __str__(self) -> str:
        message = str(self.args[0])
        return f"{message} [store: {self.store}]" if self.store else message


class MissingKeyError(StateError, KeyError):
    """Nothing stands under a key that a call needs, such as ``store[key]`` or ``pop``."""


class InvalidKeyError(StateError, ValueError):
    """A key that no store takes: empty, too long, not a ``str``, or not text."""


class InvalidURLError(StateError, ValueError):
    """A store's URL, name or option that means nothing."""


class ConflictError(StateError):
    """A requirement on a key's version did not hold, so nothing was written.

    Attributes:
        key: The key whose version differed.
        expected: The version that was required; None: that nothing stands.
        actual: The version that was found; None: nothing stood.
    """

    expected: Version | None
    actual: Version | None

    def __init__(
        self,
        key: str,
        expected: Version | None = None,
        actual: Version | None = None,
    ) -> None:
        found = "nothing stands" if actual is None else f"version {actual} stands"
        wanted = "nothing to stand" if expected is None else f"version {expected}"
        super().__init__(
            f"{key!r}: required {wanted}, but {found}; nothing was written. "
            "Read the key again and decide anew",
            key=key,
        )
        self.expected = expected
        self.actual = actual

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.key, self.expected, self.actual), self.__dict__


class SerializationError(StateError, ValueError):
    """A value that can't be written, or bytes that can't be read."""


class ValueTooLargeError(StateError, ValueError):
    """A value of more bytes than its store takes; nothing was written."""


class ValueTypeError(StateError, TypeError):
    """The value that stands under a key is of the wrong type for the call."""


class StoreUnavailableError(StateError, ConnectionError):
    """The store did not answer in time, or refused the connection.

    Attributes:
        outcome: What became of the operation: ``"not applied"``, or ``"unknown"`` where the
            store may have applied it before the answer was lost.
    """

    outcome: Outcome

    def __init__(
        self, message: str, /, *, outcome: Outcome = "unknown", key: str | None = None
    ) -> None:
        super().__init__(message, key=key)
        self.outcome = outcome


class StateTimeoutError(StateError, TimeoutError):
    """What was waited for did not come within the time given."""


class StateLostError(StateError):
    """The store answers again, but what it held is lost."""


class LockLostError(StateError):
    """A lock's lease ended while its holder still needed it."""


class ClosedStoreError(StateError, RuntimeError):
    """A store was used after its ``close()``."""


class UnreachableStoreError(StateError):
    """The store does not reach to where this code runs."""


class BackendNotFoundError(StateError, LookupError):
    """No plug-in serves the scheme of a URL, or the one that does can't be imported."""


class PluginError(StateError):
    """A plug-in that implements a hook can't be loaded, or gives what it should not."""


class UnsupportedOperationError(StateError, NotImplementedError):
    """The store's backend does not offer this operation."""


class ProviderNotFoundError(StateError, LookupError):
    """No provider of that name is configured."""


class JobNotFoundError(StateError, LookupError):
    """Neither a record nor the Ray that was asked knows a job of that id."""


class RayUnavailableError(StateError, ConnectionError):
    """No Ray answers where a provider says that one runs."""


class InvalidProgramError(StateError, ValueError):
    """A program that can't be run as it is described."""


class JobFailedError(StateError):
    """A job ended without success.

    Attributes:
        job_id: The job's id.
        status: What it ended with: ``"FAILED"`` or ``"STOPPED"``.
        reason: Why, in a line.
        traceback: That of its program, and of the task that failed in it; empty: not known.
        log: The last lines that it printed; empty: not known.
    """

    def __init__(
        self,
        message: str,
        /,
        *,
        job_id: str = "",
        status: str = "FAILED",
        reason: str = "",
        traceback: str = "",
        log: str = "",
        key: str | None = None,
    ) -> None:
        told = [message]
        if traceback:
            told.append(traceback.rstrip())
        if log:
            told.append(f"The last lines of its log:\n{log}")
        super().__init__("\n\n".join(told), key=key)
        self.job_id = job_id
        self.status = status
        self.reason = reason
        self.traceback = traceback
        self.log = log

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ("",), {**self.__dict__, "args": self.args}
